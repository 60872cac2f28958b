"""A trained model in a form that needs no frostline, compared with frostline on real files before it is handed out."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from frostline.errors import DataError, ExportFailed, InputError, OptionError, nearest, room_in
from frostline.export.bundle import DESCRIPTION, TIMM_CONFIG, WEIGHTS, Classifier, load, model_folder
from frostline.export.code import PROGRAM_NAME, write_code
from frostline.export.graphs import write_onnx, write_program
from frostline.export.inputs import find_inputs
from frostline.export.parity import LIMIT, Parity, compare
from frostline.export.predict import fast
from frostline.export.standalone import preparation, program
from frostline.store.files import write_text
from frostline.store.run_folder import RunFolder
from frostline.store.splits import read_paths

FORMS = ("onnx", "torch", "timm", "code")
MARK = "export.json"
PREDICT = "predict.py"
COMPARED = 32  # files


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: (name, bytes) pairs.
    """

    form: str
    folder: Path
    files: tuple[tuple[str, int], ...]
    parity: Parity


def export(
    source: Path,
    form: str,
    out: Path | None,
    check: Sequence[str | Path] = (),
    backbone: str | Callable[[], nn.Module] | None = None,
) -> Exported:
    """Write the model of `source` (a run, or a model's folder) into the folder `out`; nothing is there unless parity holds.

    Args:
        form: `onnx`, `torch` (a program of torch.export), `timm` or `code` (plain PyTorch that rebuilds and retrains it).
        out: by default `export/FORM` beside the model.
        check: files to compare on; by default some of the images that the run was made on.

    Raises:
        InputError: no such form, no such model, no files to compare on, or a folder that holds something else.
        ExportFailed: the network has no such form, or the answers differ.
    """
    if form not in FORMS:
        raise OptionError(f"--to {form!r} is not one of {', '.join(FORMS)}.{nearest(form, FORMS)}")
    model, folder = load(source, backbone), out or model_folder(source).parent / "export" / form
    _refuse_foreign(folder)
    files = files_to_compare(source, check)
    making = folder.with_name(f".{folder.name}.{os.getpid()}.making")
    making.parent.mkdir(parents=True, exist_ok=True)
    try:
        with room_in(making.parent):
            making.mkdir()
            command = _write(source, model, form, making)
            parity = compare(model, command, files)
            if not parity.holds:
                raise ExportFailed(_differs(form, parity))
            written = tuple((path.name, path.stat().st_size) for path in sorted(making.iterdir()) if path.is_file())
            write_text(making / MARK, json.dumps({"form": form, "parity": dataclasses.asdict(parity)}, indent=2))
        if folder.exists():
            shutil.rmtree(folder)
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Exported(form, folder, written, parity)


def _differs(form: str, parity: Parity) -> str:
    shown = f" (first: {parity.changed[0]})" if parity.changed else ""
    return (
        f"the export to {form} does not give frostline's answers: {parity}{shown}; at most {LIMIT:g} and no changed label are"
        " allowed, so nothing was written. Try another form, and please report it."
    )


def _write(source: Path, model: Classifier, form: str, folder: Path) -> list[str]:
    """Write the files; the command that predicts with them."""
    shutil.copy(model_folder(source) / DESCRIPTION, folder / DESCRIPTION)
    if form == "code":
        write_code(source, model, folder)
        return [str(folder / PROGRAM_NAME), "predict", "-"]
    if form == "onnx":
        write_onnx(fast(model), folder)
    elif form == "torch":
        write_program(fast(model), folder)
    else:
        _copy_plain(model_folder(source), folder)
    write_text(folder / PREDICT, program(f"predict_{form}", preparation(model)))
    return [str(folder / PREDICT), "-"]


def _copy_plain(model: Path, folder: Path) -> None:
    if not (model / TIMM_CONFIG).exists():
        recipe = json.loads((model / DESCRIPTION).read_text())["recipe"]
        raise InputError(
            f"timm cannot build '{recipe}' by itself: only whole networks of timm with a linear head have such a form. Use"
            " --to onnx, --to torch, or --to code (which takes timm's network and cuts it)."
        )
    for name in (WEIGHTS, TIMM_CONFIG):
        shutil.copy(model / name, folder / name)


def files_to_compare(source: Path, check: Sequence[str | Path]) -> list[str]:
    """Files that a person named, or some of the run's own, evenly spread.

    Raises:
        DataError: there are none.
    """
    if check:
        return list(find_inputs(check).paths)
    try:
        run = RunFolder.open(source)
        root, paths = Path(run.settings.data), read_paths(run.splits_path)
    except InputError:
        root, paths = Path(), []
    found = [str(root / path) for path in paths if (root / path).is_file()]
    if not found:
        raise DataError(
            f"an export is compared with frostline on real files, and the images of {source} are not where they were; give some:"
            " --check FOLDER (or files, or a quoted pattern)."
        )
    return found[:: max(1, len(found) // COMPARED)][:COMPARED]


def _refuse_foreign(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists()):
        raise InputError(f"{folder} holds something else than an export. Give a new or an empty folder with -o.")
