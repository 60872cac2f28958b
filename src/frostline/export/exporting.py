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

from frostline.backbones.description import DESCRIPTION
from frostline.errors import DataError, ExportFailed, InputError, OptionError, nearest, room_in
from frostline.export.bundle import TIMM_CONFIG, WEIGHTS, Classifier, load, model_folder
from frostline.export.code import PROGRAM_NAME, write_code
from frostline.export.graphs import write_onnx, write_program
from frostline.export.inputs import find_inputs
from frostline.export.neighbours import write_neighbours
from frostline.export.parity import LIMIT, Answers, Parity, answers_of_model, answers_of_program, compare
from frostline.export.predict import fast
from frostline.export.standalone import preparation, program
from frostline.store.files import write_text
from frostline.store.run_folder import RunFolder
from frostline.store.splits import read_paths, read_rows

FORMS = ("onnx", "torch", "timm", "code", "model")
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
    include_images: bool = False,
) -> Exported:
    """Write the model of `source` (a run, or a model's folder) into the folder `out`; nothing is there unless parity holds.

    Args:
        form: `onnx`, `torch` (a program of torch.export), `timm`, `code` (plain PyTorch that rebuilds and retrains it), or
            `model`: a copy of `model/`.
        include_images: put small pictures of training images beside a `model`, for `serve` to show those that look alike.
        out: by default `export/FORM` beside the model.
        check: files to compare on; by default some of the images that the run was made on.

    Raises:
        InputError: no such form, no such model, no files to compare on, or a folder that holds something else.
        ExportFailed: the network has no such form, or the answers differ.
    """
    _check_form(form, include_images)
    model, folder = load(source, backbone), out or model_folder(source).parent / "export" / form
    if form == "code" and model.thresholds:
        raise OptionError(
            "--to code writes a program that trains a model for one class an image, and this one says several labels; expected"
            " --to onnx, torch, timm or model."
        )
    _refuse_foreign(folder)
    files = files_to_compare(source, check)
    making = folder.with_name(f".{folder.name}.{os.getpid()}.making")
    making.parent.mkdir(parents=True, exist_ok=True)
    try:
        with room_in(making.parent):
            making.mkdir()
            answers = _write(source, model, form, making, files)
            if include_images:
                _include_images(source, model, making)
            parity = compare(model, answers, files)
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


def _check_form(form: str, include_images: bool) -> None:
    if form not in FORMS:
        raise OptionError(f"--to {form!r} is not one of {', '.join(FORMS)}.{nearest(form, FORMS)}")
    if include_images and form != "model":
        raise OptionError(
            f"--include-images goes with --to model, from which `frostline serve` shows them, not with --to {form}."
        )


def _differs(form: str, parity: Parity) -> str:
    shown = f" (first: {parity.changed[0]})" if parity.changed else ""
    return (
        f"the export to {form} does not give frostline's answers: {parity}{shown}; at most {LIMIT:g} and no changed label are"
        " allowed, so nothing was written. Try another form, and please report it."
    )


def _write(source: Path, model: Classifier, form: str, folder: Path, files: Sequence[str]) -> Answers:
    """Write the files; what they say of `files`."""
    shutil.copy(model_folder(source) / DESCRIPTION, folder / DESCRIPTION)
    if form == "model":
        shutil.copytree(model_folder(source), folder, dirs_exist_ok=True)
        return answers_of_model(model, files)
    if form == "code":
        write_code(source, model, folder)
        return answers_of_program([str(folder / PROGRAM_NAME), "predict", "-"], files)
    if form == "onnx":
        write_onnx(fast(model), folder)
    elif form == "torch":
        write_program(fast(model), folder)
    else:
        _copy_plain(model_folder(source), folder)
    write_text(folder / PREDICT, program(f"predict_{form}", preparation(model)))
    return answers_of_program([str(folder / PREDICT), "-"], files)


def _include_images(source: Path, model: Classifier, folder: Path) -> None:
    """Images that the model was fitted on: those that were sealed stay out of sight."""
    run = RunFolder.open(source)
    rows = [row for row in read_rows(run.splits_path) if "sealed" not in row.values()]
    paths = [run.images_path / row["path"] for row in rows]
    found = [(str(path), row["class"]) for path, row in zip(paths, rows, strict=True) if path.is_file()]
    if not found:
        raise DataError(f"the training images of {source} are not where they were, in {run.images_path}; put them back.")
    write_neighbours(model, [path for path, _ in found], [label for _, label in found], folder)


def _copy_plain(model: Path, folder: Path) -> None:
    if not (model / TIMM_CONFIG).exists():
        description = json.loads((model / DESCRIPTION).read_text())
        recipe, backbone = description["recipe"], description["backbone"]
        raise InputError(
            f"timm cannot build '{recipe}' on {backbone} by itself: only whole networks of timm's own, with a linear head, have"
            " such a form. Use --to onnx, --to torch, or --to code (which takes timm's network and cuts it)."
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
        root, paths = run.images_path, read_paths(run.splits_path)
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
