"""The command line: parsing and printing only. Everything else is one call of `frostline.api`, imported when needed."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shlex
import sys
import tempfile
import time as clock
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from frostline.errors import FrostlineError, OptionError, nearest
from frostline.terms.cell import cell
from frostline.terms.quantities import byte_count, seconds
from frostline.terms.settings import BACKENDS, FLIPS

if TYPE_CHECKING:
    from rich.console import Console

    from frostline.api import Run
    from frostline.export.predict import Prediction

METRICS = ("auroc", "balanced-accuracy", "accuracy", "average-precision", "log-loss")
FORMATS = ("csv", "jsonl")
INTERRUPTED = 130
DEMO_TIME = "4m"
DEMO_OPTIONS: dict[str, Any] = {"size": 96, "limit": 240, "recipe": ()}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds out, by experiment on your own images, how much of a pre-trained network to keep.",
)

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A folder of images: a folder per class, or train/ val/ test/ of these.")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `frostline search -o` wrote.")]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "-b",
        "--backbone",
        metavar="NAME",
        help="A network, NAME or NAME=FILE; repeatable; default: the demo's.",
    ),
]
Time = Annotated[str | None, typer.Option(metavar="30m", help="End within this time: 90s, 30m, 1h30m. Default: the full panel.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run's folder. Default: frostline-DATA.")]
Recipes = Annotated[
    list[str] | None, typer.Option(metavar="LINE", help="These recipes instead of the default panel; repeatable.")
]
MetricName = Annotated[str | None, typer.Option(metavar="NAME", help=f"What is compared: {', '.join(METRICS)}.")]
Delta = Annotated[float | None, typer.Option(metavar="D", help="Differences up to this are of no practical interest.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of folds and of training.")]
Size = Annotated[int | None, typer.Option(metavar="PIXELS", help="Image size. Default: fits the images.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, mps.")]
Flip = Annotated[str, typer.Option(metavar="WHEN", help="Mirrored views: auto, on, off.")]
PoolVal = Annotated[bool, typer.Option("--pool-val", help="Use val/ together with train/ in the folds.")]
CacheSize = Annotated[str | None, typer.Option(metavar="2GB", help="Disk space for stored activations; 0 for none.")]
AllowUnreadable = Annotated[bool, typer.Option("--allow-unreadable", help="Leave out images that cannot be read.")]
Label = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The table's column with the classes; A,B,C: a column a label, 1, 0 or empty."),
]
Delimiter = Annotated[str | None, typer.Option(metavar="TEXT", help="Between several labels of one cell. Default: a bar.")]
PathColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column with the image paths.")]
SplitColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column with train, val and test.")]
Group = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column that no split may break (patient).")]
Subgroup = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Show scores also for each value of this column; repeatable.")
]
Specificity = Annotated[float, typer.Option(metavar="S", help="Two classes: sensitivity is shown at this specificity.")]
Test = Annotated[
    str | None, typer.Option(metavar="PATH", help="An external test set: a folder per class or an index.csv. Opened once, last.")
]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Use at most N images, stratified by class.")]
Curve = Annotated[bool, typer.Option("--learning-curve", help="Also train on parts of the images: what would more of them buy?")]
Deep = Annotated[bool, typer.Option("--deep", help="Also train with the source's first stages, depth by depth: what is general?")]
IncludeImages = Annotated[bool, typer.Option("--include-images", help="The report may show some of these images.")]

OwnBackbone = Annotated[
    str | None,
    typer.Option("--backbone", metavar="MODULE:FUNCTION", help="For a model on an own network: the function that makes it."),
]
AbstainBelow = Annotated[float, typer.Option(metavar="P", help="No label where the model is less sure than this.")]
Threshold = Annotated[
    str | None,
    typer.Option(metavar="T", help="Two classes: say the second from this probability on: a number, youden or specificity."),
]
BackendName = Annotated[str, typer.Option("--backend", metavar="NAME", help="Who carries out trials: auto, serial, process.")]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Trials at a time. Default: suits the machine.")]


@app.command()
def demo(out: Out = None, time: Time = DEMO_TIME) -> None:
    """A search with public flags on embedded images and weights: some minutes, offline."""
    from frostline import api

    data, backbone = api.demo_source()
    folder = out or Path("frostline-demo")
    _note("$ " + shlex.join(_demo_line(data, backbone, folder, time)))
    _search(str(data), folder, time, {"backbone": [backbone], **DEMO_OPTIONS})


def _demo_line(data: Path, backbone: str, folder: Path, time: str | None) -> list[str]:
    line = ["frostline", "search", str(data), "-b", backbone]
    line += [f"--{name}={value}" for name, value in DEMO_OPTIONS.items() if not isinstance(value, tuple)]
    line += [f"--recipe={recipe}" for recipe in DEMO_OPTIONS["recipe"]]
    return [*line, *([f"--time={time}"] if time else []), "-o", str(folder)]


@app.command()
def search(
    data: Data,
    backbone: Backbones = None,
    time: Time = None,
    out: Out = None,
    recipe: Recipes = None,
    metric: MetricName = None,
    delta: Delta = None,
    seed: Seed = 0,
    size: Size = None,
    device: Device = "auto",
    flip: Flip = "auto",
    pool_val: PoolVal = False,
    cache_size: CacheSize = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    learning_curve: Curve = False,
    deep: Deep = False,
    include_images: IncludeImages = False,
    backend: BackendName = "auto",
    workers: Workers = None,
) -> None:
    """The main job: which recipe to use on DATA, by how much it wins, and why."""
    options = _checked(
        backbone=backbone, recipe=recipe, metric=metric, delta=delta, seed=seed, size=size, device=device, flip=flip,
        pool_val=pool_val, cache_size=cache_size, allow_unreadable=allow_unreadable, label=label, group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, test=test,
        limit=limit, backend=backend, workers=workers, specificity=specificity, subgroup=tuple(subgroup or ()),
        learning_curve=learning_curve, deep=deep, include_images=include_images,
    )  # fmt: skip
    _search(data, out or Path(f"frostline-{Path(data).resolve().name}"), time, options)


def _checked(**given: Any) -> dict[str, Any]:
    """The options that `search` and `plan` have in common, as `frostline.api` takes them.

    Raises:
        OptionError: one of them is out of range.
    """
    choices = {"metric": METRICS, "flip": FLIPS, "backend": BACKENDS}
    least = {"delta": 0, "seed": 0, "size": 8, "limit": 1, "workers": 1}
    found = dict(given, backbone=given["backbone"] or None, recipe=tuple(given["recipe"] or ()))
    found |= {name: _one_of(f"--{name}", given[name], choices[name]) for name in choices if given.get(name) is not None}
    found |= {name: _at_least(f"--{name}", given[name], least[name]) for name in least if name in given}
    if given["cache_size"] is not None:
        found["cache_size"] = byte_count(given["cache_size"])
    return found


def _search(data: str, folder: Path, time: str | None, options: dict[str, Any]) -> None:
    time_s = None if time is None else seconds(time)
    from frostline import api
    from frostline.report.terminal import LiveView

    with LiveView() as view:
        run = api.search(data, out=folder, time=time_s, listener=view, **options)
    _print_run(run)
    if run.verdict.interim:
        raise typer.Exit(INTERRUPTED)
    _note(f"Report:  {run.report_path}")
    if run.has_model:
        _note(f"Next:    frostline predict {shlex.quote(str(run.path))} IMAGES...")


@app.command()
def train(
    data: Data,
    recipe: Annotated[str, typer.Option(metavar="LINE", help="The recipe.")],
    backbone: Backbones = None,
    time: Time = None,
    out: Out = None,
    metric: MetricName = None,
    seed: Seed = 0,
    size: Size = None,
    device: Device = "auto",
    flip: Flip = "auto",
    pool_val: PoolVal = False,
    cache_size: CacheSize = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    include_images: IncludeImages = False,
    backend: BackendName = "auto",
    workers: Workers = None,
) -> None:
    """One recipe on DATA, without a search: its score, and the model."""
    from frostline import api

    options = _checked(
        backbone=backbone, recipe=[api.trainable(recipe)], metric=metric, delta=None, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, cache_size=cache_size, allow_unreadable=allow_unreadable, label=label, group=group,
        test=test, limit=limit, backend=backend, workers=workers, specificity=specificity, subgroup=tuple(subgroup or ()),
        learning_curve=False, include_images=include_images, path_column=path_column, split_column=split_column,
        delimiter=delimiter,
    )  # fmt: skip
    _search(data, out or Path(f"frostline-{Path(data).resolve().name}-one"), time, options)


@app.command()
def plan(
    data: Data,
    backbone: Backbones = None,
    time: Time = None,
    recipe: Recipes = None,
    metric: MetricName = None,
    delta: Delta = None,
    seed: Seed = 0,
    size: Size = None,
    device: Device = "auto",
    flip: Flip = "auto",
    pool_val: PoolVal = False,
    cache_size: CacheSize = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    learning_curve: Curve = False,
    deep: Deep = False,
    include_images: IncludeImages = False,
) -> None:
    """A dry run of `search`: recipes, shared work, cost, what fits into a time, and the smallest difference it can detect."""
    options = _checked(
        backbone=backbone, recipe=recipe, metric=metric, delta=delta, seed=seed, size=size, device=device, flip=flip,
        pool_val=pool_val, cache_size=cache_size, allow_unreadable=allow_unreadable, label=label, group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, test=test,
        limit=limit, specificity=specificity, subgroup=tuple(subgroup or ()), learning_curve=learning_curve,
        deep=deep, include_images=include_images,
    )  # fmt: skip
    time_s = None if time is None else seconds(time)
    from frostline import api
    from frostline.report.terminal import plan_table

    _console().print(plan_table(api.plan(data, time=time_s, **options)))


@app.command()
def check(
    data: Data,
    label: Label = None,
    delimiter: Delimiter = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The contact sheet, an HTML page.")] = None,
) -> None:
    """What is wrong with the images: a table, findings, and a contact sheet. Nothing is changed."""
    _at_least("--limit", limit, 1)
    sheet = out or Path(f"frostline-check-{Path(data).resolve().name}.html")
    from frostline import api
    from frostline.report.checkup import checkup_table, findings_text

    found = api.check(
        data, label=label, group=group, path_column=path_column, split_column=split_column, delimiter=delimiter, test=test,
        limit=limit, sheet=sheet,
    )  # fmt: skip
    console = _console()
    if found.kinds:
        console.print(checkup_table(found))
        console.print()
    console.print(findings_text(found))
    _note(f"Sheet:   {sheet} (it shows images and names of files)")
    if found.refused:
        raise typer.Exit(OptionError.exit_code)


@app.command()
def stages(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A backbone: `timm/resnet18`, or NAME=FILE with weights.")],
    all_cuts: Annotated[bool, typer.Option("--all", help="Every cut that a recipe may name.")] = False,
    size: Size = None,
) -> None:
    """The backbone's stages (or all cuts): modules, shapes, parameters, FLOPs, bytes an image."""
    from frostline import api
    from frostline.report.terminal import stages_table

    weights = "=" in name.partition("?")[0] or name.startswith("demo/")
    _console().print(stages_table(api.load_backbone(name, pretrained=weights, size=size).description, all_cuts))


@app.command()
def backbones(pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Part of a name, or with * and ?.")] = "") -> None:
    """What can be used."""
    from frostline import api
    from frostline.report.terminal import backbones_table

    names = api.list_backbones(pattern)
    if not names:
        raise OptionError(f"no backbone matches {pattern!r}. Try a part of a name such as `resnet` or `mobilenet`.")
    if sys.stdout.isatty():
        _console().print(backbones_table(names))
    else:
        _echo("\n".join(names))


@app.command()
def show(
    run: RunPath,
    methods: Annotated[bool, typer.Option("--methods", help="Only a methods paragraph, ready to paste into a paper.")] = False,
) -> None:
    """The table and the verdict again."""
    from frostline import api

    found = api.open_run(run)
    if methods:
        _echo(found.methods)
        return
    _print_run(found)
    _note(f"Report:  {found.report_path}")


@app.command()
def report(run: RunPath) -> None:
    """Write the HTML page again."""
    from frostline import api

    _echo(str(api.rewrite_report(run)))


@app.command()
def predict(
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run's folder, or its model/.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES...", help="Files, folders, quoted patterns, tables of paths, or - (stdin).")
    ],
    format: Annotated[str, typer.Option(metavar="FORMAT", help="csv or jsonl (a JSON object a line).")] = "csv",
    backbone: OwnBackbone = None,
    abstain_below: AbstainBelow = 0.0,
    threshold: Threshold = None,
) -> None:
    """The label and the probability of each class for each image, as soon as it is known."""
    form = _one_of("--format", format, FORMATS)
    from frostline import api

    failed = 0
    writer = _JsonLines() if form == "jsonl" else _Csv()
    found = api.predict(source, images, backbone=backbone, abstain_below=abstain_below, threshold=threshold)
    with _progress(found.total) as advance:
        for prediction in found:
            writer.write(prediction)
            advance()
            if prediction.error:
                failed += 1
                _note(f"frostline: {prediction.error}")
    writer.close()
    if failed:
        raise typer.Exit(2)


@app.command()
def export(
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run's folder, or its model/.")],
    to: Annotated[
        str, typer.Option("--to", metavar="FORM", help="onnx, torch, timm, code (plain PyTorch that retrains), or model.")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FOLDER", help="Default: export/FORM in the run.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(metavar="IMAGES", help="Files to compare on; repeatable. Default: some of the run's own.")
    ] = None,
    backbone: OwnBackbone = None,
    include_images: Annotated[
        bool, typer.Option("--include-images", help="With --to model: small training images, for `serve` to show like ones.")
    ] = False,
) -> None:
    """The model in a form that needs no frostline, compared with frostline on real files."""
    from frostline import api

    made = api.export_model(source, to, out, check=check or (), backbone=backbone, include_images=include_images)
    _echo(f"{made.folder}: " + ", ".join(f"{name} ({size:,} bytes)" for name, size in made.files))
    _echo(f"{made.parity}.")


@app.command()
def serve(
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run's folder, or its model/.")],
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="0.0.0.0 lets everybody in the network ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Of the address.")] = 8000,
    backbone: OwnBackbone = None,
    abstain_below: AbstainBelow = 0.0,
    threshold: Threshold = None,
) -> None:
    """HTTP, and a page to drop an image on."""
    from frostline import api

    _note(f"http://{host}:{port} (POST /predict, /docs, /health, /metrics); Ctrl-C ends it.")
    api.serve(source, host=host, port=port, backbone=backbone, abstain_below=abstain_below, threshold=threshold)


# --- printing --------------------------------------------------------------------------------------------------------


def _print_run(run: Run) -> None:
    """The ranked table and the verdict: framed on a terminal, plain sentences anywhere else."""
    from frostline.report.details import short_lines
    from frostline.report.more_images import curve_answer
    from frostline.report.terminal import label_table, ranked_table, verdict_panel
    from frostline.report.words import summary

    console = _console()
    console.print(ranked_table(run.verdict))
    if console.is_terminal:
        console.print(verdict_panel(run.verdict))
    else:
        _echo("\n".join(["", *summary(run.verdict), "", f"Use: {run.verdict.chosen.recipe}"]))
    if run.verdict.detail is not None:
        _print_detail(console, short_lines(run.verdict.detail))
        if run.verdict.detail.several:
            _echo("")
            console.print(label_table(run.verdict.detail))
    if run.evidence.curve is not None:
        _echo("\n".join(["", *curve_answer(run.evidence.curve)]))


def _print_detail(console: Console, lines: Sequence[str]) -> None:
    """What stands beside the primary metric, in a few lines."""
    if console.is_terminal:
        for line in lines:
            console.print(line, markup=False, style="dim")
    else:
        _echo("\n".join(["", *lines]))


class _JsonLines:
    """An object a line: file, label, probabilities, error."""

    def write(self, item: Prediction) -> None:
        fields = {
            "file": item.file, "label": item.label, "confidence": item.confidence, "abstained": item.abstained,
            "probabilities": item.probabilities, "error": item.error,
        }  # fmt: skip
        _echo(json.dumps(fields, ensure_ascii=False))

    def close(self) -> None:
        pass


class _Csv:
    """Columns file, label, confidence, error, then one a class; rows wait until the first readable image names the classes."""

    def __init__(self) -> None:
        self._classes: list[str] | None = None
        self._waiting: list[Prediction] = []
        self._rows = csv.writer(sys.stdout, lineterminator="\n")

    def write(self, item: Prediction) -> None:
        self._waiting.append(item)
        if self._classes is None and item.probabilities:
            self._classes = list(item.probabilities)
            self._rows.writerow(["file", "label", "confidence", "error", *map(cell, self._classes)])
        if self._classes is not None:
            self._flush(self._classes)

    def close(self) -> None:
        if self._classes is None:
            self._rows.writerow(["file", "label", "confidence", "error"])
            self._flush([])

    def _flush(self, classes: list[str]) -> None:
        for item in self._waiting:
            numbers = [f"{item.probabilities[name]:.6g}" if item.probabilities else "" for name in classes]
            sure = "" if item.confidence is None else f"{item.confidence:.6g}"
            self._rows.writerow([cell(item.file), cell(item.label or ""), sure, cell(item.error or ""), *numbers])
        self._waiting.clear()
        sys.stdout.flush()


@contextlib.contextmanager
def _progress(total: int | None) -> Iterator[Callable[[], None]]:
    """A function that counts one image more: a bar on a screen, nothing where nobody looks or where results fill the screen."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("predict"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _console() -> Console:
    """Standard output; wide enough for whole rows where nobody looks at it on a screen."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(width=wide, soft_wrap=False, highlight=False)


def _echo(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _note(text: str) -> None:
    """For people, not for pipes."""
    print(text, file=sys.stderr, flush=True)


# --- parsing ---------------------------------------------------------------------------------------------------------


def _one_of(option: str, given: str, choices: Sequence[str]) -> str:
    if given not in choices:
        raise OptionError(f"{option} {given!r} is not one of {', '.join(choices)}.{nearest(given, choices)}")
    return given


def _at_least(option: str, given: float | None, least: float) -> float | None:
    if given is not None and not given >= least:
        raise OptionError(f"{option} {given} is too small: the least is {least}.")
    return given


def hyphenated(arguments: Iterable[str]) -> list[str]:
    """`--pool_val` as `--pool-val`: option names take - and _ alike; values and what follows `--` stay as they are."""
    result: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        option = argument.startswith("--") and "--" not in result
        result.append(name.replace("_", "-") + equals + value if option else argument)
    return result


def _show_version(wanted: bool) -> None:
    if wanted:
        _echo(f"frostline {version('frostline')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of `frostline ARGUMENTS`.

    0 done, 2 refused input or a full disk, 3 every trial failed, 130 interrupted, 1 our fault.
    """
    try:
        code = int(app(hyphenated(arguments), prog_name="frostline", standalone_mode=False) or 0)
    except FrostlineError as error:
        _note(f"frostline: {error}")
        return error.exit_code
    except TyperException as error:
        return _usage(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        _note(f"frostline: an unexpected error, which is our fault: {type(error).__name__}: {_first_line(error)}")
        _note(f"The traceback is in {_log_traceback()}; please report it with the command that you typed.")
        return 1
    if code == INTERRUPTED:
        _note("Interrupted. Nothing that was finished is lost: the same command continues.")
    return code


def _usage(error: TyperException, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "frostline"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    _note(f"frostline: {message}\nYou typed `frostline {shlex.join(arguments)}`; `{command} --help` says what it takes.")
    return int(getattr(error, "exit_code", 2))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _log_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"frostline-{clock.strftime('%Y%m%d-%H%M%S')}-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"frostline {version('frostline')}\n{shlex.join(sys.argv)}\n\n{traceback.format_exc()}")
    return file.name


if __name__ == "__main__":
    main()
