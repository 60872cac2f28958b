"""Trained models: loaded, asked, exported, served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.errors import InputError

if TYPE_CHECKING:
    from frostline.export.bundle import Classifier
    from frostline.export.exporting import Exported
    from frostline.export.predict import Predictions


def load(path: str | Path, backbone: str | Callable[[], Any] | None = None) -> Classifier:
    """The trained model of a run, or of a `model/` folder. No code in the folder is run.

    Args:
        backbone: for a model on an own network: the function that makes it, or its name `package.module:function`.

    Raises:
        InputError: there is no model, or it is damaged.
    """
    from frostline.export.bundle import load as load_bundle

    return load_bundle(path, backbone)


def predict(
    source: str | Path,
    images: str | Path | Sequence[str | Path],
    *,
    backbone: str | Callable[[], Any] | None = None,
    abstain_below: float = 0.0,
    threshold: str | float | None = None,
) -> Predictions:
    """A prediction for each image file, in order and as soon as it is made.

    Args:
        images: files, folders, patterns, tables with a column `path`, or `-` for a path a line on standard input.
        backbone: as in `load`.
        abstain_below: there is no label where the model is less sure than this.
        threshold: two classes: the second class is said from this probability on, or from the one that was fixed in the
            search by the rule `youden` or `specificity`; None: the likelier class is said.

    Raises:
        InputError: no model in `source`, or a path that is not there. Unreadable files are reported in their prediction.
    """
    from frostline.export.inputs import find_inputs
    from frostline.export.predict import predict_inputs
    from frostline.export.rule import label_rule

    inputs = find_inputs([images] if isinstance(images, (str, Path)) else images)  # first: loading takes seconds
    model = load(source, backbone)
    return predict_inputs(model, inputs, label_rule(source, model, abstain_below, threshold))


def export_model(
    source: str | Path,
    to: str = "onnx",
    out: str | Path | None = None,
    *,
    check: str | Path | Sequence[str | Path] = (),
    backbone: str | Callable[[], Any] | None = None,
    include_images: bool = False,
) -> Exported:
    """The trained model of a run (or of a `model/` folder) in a form that needs no frostline.

    It is compared with frostline on real files first; `parity` in what is returned says on how many and how far apart.

    Args:
        to: `onnx`, `torch` (a program of torch.export), `timm` (whole networks with a linear head), or `code`: plain PyTorch
            that rebuilds the recipe and trains it again, or `model`, a copy of `model/`.
        out: the folder to write; by default `export/FORM` in the run.
        check: files to compare on; by default some of the run's own images.
        backbone: as in `load`.
        include_images: with `model`: small pictures of training images, for `serve` to show those that look alike.

    Raises:
        InputError: something given cannot be used. ExportFailed: the network has no such form, or answers differently in it.
    """
    from frostline.export.exporting import export as write

    files = [check] if isinstance(check, (str, Path)) else check
    return write(Path(source), to, None if out is None else Path(out), files, backbone, include_images)


def serve(
    source: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    backbone: str | Callable[[], Any] | None = None,
    abstain_below: float = 0.0,
    threshold: str | float | None = None,
) -> None:
    """A server for the trained model of a run, until the process is told to stop; the arguments are those of `predict`.

    Raises:
        InputError: the extra [serve] is not installed, there is no model, or the address is in use.
    """
    try:
        from frostline.export.serve.running import serve as run
    except ImportError as error:
        raise InputError(f"serving needs its extra ({error}): pip install 'frostline[serve]'.") from None
    run(Path(source), host, port, backbone, abstain_below, threshold)
