#!/usr/bin/env bash
# An environment for one peer in benchmarks/peers/.env-NAME, beside frostline's own.
# It sees the packages of .venv through a .pth file, so that torch lies on the disk only once where the peer accepts it;
# what the peer wants in another version goes into its own folder, which comes first on the path.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
    fastai) package=fastai extra=() ;;
    lightning) package=lightning extra=() ;;
    optuna) package=optuna extra=() ;;
    # Wants an older torch than frostline's. A build for CPUs only, where one lies about, does not fit the torchvision of the index.
    autogluon) package=autogluon.multimodal extra=('torch!=2.13.0+cpu') ;;
    *) echo "usage: make_env.sh fastai|lightning|autogluon|optuna" >&2; exit 2 ;;
esac

shared=$(cd ../.. && .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
env=.env-$1
../../.venv/bin/python -m venv "$env"
own=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$shared" > "$own/shared.pth"
"$env/bin/python" -m pip install -qq --disable-pip-version-check "$package" "${extra[@]}"
"$env/bin/python" -c "from importlib.metadata import version as v; print('$package', v('$package'), 'torch', v('torch'))"
