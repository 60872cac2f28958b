"""Searches: run, planned, reduced to one recipe, and the check of the images before any of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.api.handover import keep_model, write_facts
from frostline.api.request import as_path, folder_and_frame, joined, request_of, several
from frostline.api.run import Run, complete, write_pages
from frostline.errors import OptionError, RecipeError
from frostline.terms.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from frostline.session import Listener
    from frostline.terms.finding import Checkup


def search(
    data: str | Path | pd.DataFrame,
    backbone: str | Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    time: str | float | None = None,
    recipe: str | Sequence[str] = (),
    metric: str | None = None,
    delta: float | None = None,
    seed: int = 0,
    size: int | None = None,
    device: str = "auto",
    flip: str = "auto",
    pool_val: bool = False,
    cache_size: str | int | None = None,
    store: str | Path | None = None,
    allow_unreadable: bool = False,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    positive: str | None = None,
    root: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    learning_curve: bool = False,
    first_rung: str | float = "auto",
    backend: str = "auto",
    workers: int | None = None,
    address: str | None = None,
    devices_per_trial: int = 1,
    specificity: float = 0.9,
    subgroup: str | Sequence[str] = (),
    include_images: bool = False,
    deep: bool = False,
    listener: Listener | None = None,
) -> Run:
    """The main job: which recipe to use on the images in `data`, by how much it wins, and why.

    Args:
        data: a folder per class, or `train/ val/ test/` of these; a table, or a folder with one; or a pandas DataFrame.
        root: the folder that a DataFrame's paths are relative to; by default the current one, or the one above absolute paths.
        backbone: one or several names, with weights and options if need be; None for the embedded one of the extra [demo].
        out: the run's folder, `frostline-NAME` by default; a run that is there already is continued.
        time: seconds, or text such as "30m"; everything ends within it. None: the full panel.
        recipe: lines that are compared instead of the default panel.
        label: column of the data's table with the classes; several are one a label (1, 0; nothing for not known).
        group, path_column, split_column: its columns with what no split may break, with the paths and with train, val and test.
        delimiter: between several labels of one cell.
        positive: of two classes the one looked for: sensitivity, thresholds and AUPRC are its; by default the second by name.
        specificity: for two classes: that the second operating point keeps on training data.
        subgroup: columns of the data's table by which scores are also shown.
        store: a folder or URL (s3://BUCKET/PATH with the extra [s3]) where activations are shared with other runs and machines.
        learning_curve: also train on parts of the images: what would more of them buy? See `Run.evidence.curve`.
        first_rung: the share of the images on which heads are tried before all, with an interim verdict; `auto` takes a tenth of
            20,000 or more; `off`.
        test: an external test set, laid out as a folder per class or with an index.csv: sealed, and opened once at the end.
        include_images: the report may show some of these images: those that the model gets wrong most confidently.
        deep: also train networks whose first stages come from the source, depth by depth: `Run.evidence.depth`.
        backend, workers: `serial`, or `process` or `ray` with so many trials at a time; the results are the same.
        devices_per_trial: that train one network together, each with its share of every batch: GPUs, or processes on a CPU.
        address: of a Ray cluster: `auto`, `HOST:PORT` or `ray://HOST:PORT`; `local` starts one here for the time of the search.

    Raises:
        InputError: something given cannot be used. AllTrialsFailed: no trial finished.
    """
    from frostline import session

    request = request_of(
        data, out, backbone, recipe, time, cache_size, metric=metric, delta=delta, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, allow_unreadable=allow_unreadable, label=joined(label), group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, positive=positive, root=as_path(root),
        test=as_path(test), limit=limit, backend=backend, workers=workers, address=address, specificity=specificity,
        subgroups=several(subgroup), learning_curve=learning_curve, first_rung=str(first_rung),
        include_images=include_images, deep=deep, devices_per_trial=devices_per_trial,
        store=None if store is None else str(store),
    )  # fmt: skip
    try:
        finished = session.search(request, listener or session.Silent(), keep_model, version("frostline"))
    except session.AlreadyFinished:
        return complete(Run(request.out))
    except session.Interrupted as stopped:
        if stopped.finished is None:
            raise
        finished = stopped.finished
    write_facts(finished.work)
    return write_pages(Run(request.out))


def train(
    data: str | Path, backbone: str | Sequence[str] | None, recipe: str, *, out: str | Path | None = None, **options: Any
) -> Run:
    """One recipe without a search: its score by cross-validation (or on a sealed test set), and the model fitted on everything.

    Args:
        recipe: one line. What it does not say (learning rate, strength) is chosen among a few settings, on training images.
        options: those of `search`: size, metric, seed, label, group, test, limit, time, ...

    Raises:
        InputError: as in `search`; also for `pixels:` lines, which leave no network to hand over.
    """
    return search(data, backbone, out=out, recipe=trainable(recipe), **options)


def trainable(recipe: str) -> str:
    """The line as it is written in full.

    Raises:
        RecipeError: it does not parse, or leaves no network to hand over.
    """
    from frostline.terms.recipe import Recipe

    line = Recipe.parse(recipe)
    if line.pixels is not None:
        raise RecipeError(f"recipe '{line}' has no network to train; `frostline search --recipe '{line}'` scores it.")
    return str(line)


def plan(
    data: str | Path | pd.DataFrame,
    backbone: str | Sequence[str] | None = None,
    *,
    time: str | float | None = None,
    recipe: str | Sequence[str] = (),
    metric: str | None = None,
    delta: float | None = None,
    seed: int = 0,
    size: int | None = None,
    device: str = "auto",
    flip: str = "auto",
    pool_val: bool = False,
    cache_size: str | int | None = None,
    store: str | Path | None = None,
    allow_unreadable: bool = False,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    positive: str | None = None,
    root: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    specificity: float = 0.9,
    subgroup: str | Sequence[str] = (),
    learning_curve: bool = False,
    first_rung: str | float = "auto",
    include_images: bool = False,
    deep: bool = False,
    devices_per_trial: int = 1,
) -> Plan:
    """A dry run: which recipes `search` would compare, what they share, how long it would take and what it could detect.

    Nothing is trained or written; the arguments mean what they mean there; a `store` is not
    looked into. With `time` the plan also says what fits into it.

    Raises:
        InputError: something given cannot be used.
    """
    from frostline import session

    request = request_of(
        data, None, backbone, recipe, time, cache_size, metric=metric, delta=delta, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, allow_unreadable=allow_unreadable, label=joined(label), group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, positive=positive, root=as_path(root),
        test=as_path(test), limit=limit, specificity=specificity, subgroups=several(subgroup), learning_curve=learning_curve,
        first_rung=str(first_rung), include_images=include_images, deep=deep, devices_per_trial=devices_per_trial,
        store=None if store is None else str(store),
    )  # fmt: skip
    return session.plan(request)


def check(
    data: str | Path | pd.DataFrame,
    *,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    root: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    sheet: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checkup:
    """What is wrong with the images, before anything is learned from them; nothing is changed, dropped or replaced.

    Args:
        progress: called as progress(done, total) while the images are looked at.
        sheet: also write a contact sheet to this HTML file: every finding with its images, and images of each class.

    The others mean what they mean in `search`. Data that a search would refuse are no error here: `refused` says so.
    """
    from frostline import data as images
    from frostline.data.folder import existing_folder

    folder, frame = folder_and_frame(data, path_column, as_path(root))
    if not folder.exists():
        existing_folder(folder)  # says so; nothing is written about what is not there
    found = images.check(
        folder, frame=frame, label=joined(label), group=group, path_column=path_column, split_column=split_column,
        delimiter=delimiter, test=as_path(test), limit=limit, progress=progress,
    )  # fmt: skip
    if sheet is not None:
        from frostline.report.checkup import write_sheet

        if Path(sheet).is_dir() or not Path(sheet).parent.is_dir():
            raise OptionError(
                f"the contact sheet cannot be written to {sheet}; expected a file in a folder that is there: -o FILE.html"
            )
        write_sheet(Path(sheet), found, folder.resolve().name)
    return found
