"""The command line: parsing and printing only. Everything else is one call of `frostline.api`, imported when needed."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time as clock
import traceback
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from frostline.cli.options import (
    METRICS,
    AbstainBelow,
    Address,
    AllowUnreadable,
    Backbones,
    BackendName,
    CacheSize,
    Curve,
    Data,
    Deep,
    Delimiter,
    Delta,
    Device,
    DevicesPerTrial,
    FirstRung,
    Flip,
    Group,
    IncludeImages,
    Label,
    Limit,
    MetricName,
    Out,
    OwnBackbone,
    PathColumn,
    PoolVal,
    Positive,
    Recipes,
    RunPath,
    Seed,
    Size,
    Specificity,
    SplitColumn,
    Store,
    Subgroup,
    Test,
    Threshold,
    Time,
    Workers,
)
from frostline.cli.printing import Csv, JsonLines, echo, looking, note, print_run, progress, stdout_console
from frostline.errors import FrostlineError, OptionError, nearest
from frostline.terms.quantities import byte_count, seconds
from frostline.terms.settings import BACKENDS, FLIPS, name_of

if TYPE_CHECKING:
    from frostline.api import Run

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


@app.command()
def demo(out: Out = None, time: Time = DEMO_TIME) -> None:
    """A search with public flags on embedded images and weights: some minutes, offline."""
    from frostline import api

    data, backbone = api.demo_source()
    folder = out or Path("frostline-demo")
    note("$ " + shlex.join(_demo_line(data, backbone, folder, time)))
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
    store: Store = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    positive: Positive = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    learning_curve: Curve = False,
    first_rung: FirstRung = "auto",
    deep: Deep = False,
    include_images: IncludeImages = False,
    backend: BackendName = "auto",
    workers: Workers = None,
    address: Address = None,
    devices_per_trial: DevicesPerTrial = 1,
) -> None:
    """The main job: which recipe to use on DATA, by how much it wins, and why."""
    options = _checked(
        backbone=backbone, recipe=recipe, metric=metric, delta=delta, seed=seed, size=size, device=device, flip=flip,
        pool_val=pool_val, cache_size=cache_size, store=store, allow_unreadable=allow_unreadable, label=label, group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, positive=positive, test=test,
        limit=limit, backend=backend, workers=workers, address=address, specificity=specificity, subgroup=tuple(subgroup or ()),
        learning_curve=learning_curve, first_rung=first_rung, deep=deep, include_images=include_images,
        devices_per_trial=devices_per_trial,
    )  # fmt: skip
    _search(data, out or Path(f"frostline-{name_of(str(Path(data).resolve()))}"), time, options)


def _checked(**given: Any) -> dict[str, Any]:
    """The options that `search` and `plan` have in common, as `frostline.api` takes them.

    Raises:
        OptionError: one of them is out of range.
    """
    choices = {"metric": METRICS, "flip": FLIPS, "backend": BACKENDS}
    least = {"delta": 0, "seed": 0, "size": 8, "limit": 1, "workers": 1, "devices_per_trial": 1}
    found = dict(given, backbone=given["backbone"] or None, recipe=tuple(given["recipe"] or ()))
    found |= {name: _one_of(f"--{name}", given[name], choices[name]) for name in choices if given.get(name) is not None}
    found |= {name: _at_least(f"--{name.replace('_', '-')}", given[name], least[name]) for name in least if name in given}
    if given["cache_size"] is not None:
        found["cache_size"] = byte_count(given["cache_size"])
    return found


def _search(data: str, folder: Path, time: str | None, options: dict[str, Any]) -> None:
    time_s = None if time is None else seconds(time)
    from frostline import api
    from frostline.report.terminal import LiveView

    with LiveView() as view:
        run = api.search(data, out=folder, time=time_s, listener=view, **options)
    print_run(run)
    if run.verdict.interim:
        raise typer.Exit(INTERRUPTED)
    _say_next(run)


def _say_next(run: Run) -> None:
    """Where the page is, and what to type next."""
    note(f"Report:  {run.report_path}")
    if run.has_model:
        note(f"Next:    frostline predict {shlex.quote(str(run.path))} IMAGES...")


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
    store: Store = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    positive: Positive = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    first_rung: FirstRung = "auto",
    include_images: IncludeImages = False,
    backend: BackendName = "auto",
    workers: Workers = None,
    address: Address = None,
    devices_per_trial: DevicesPerTrial = 1,
) -> None:
    """One recipe on DATA, without a search: its score, and the model."""
    from frostline import api

    options = _checked(
        backbone=backbone, recipe=[api.trainable(recipe)], metric=metric, delta=None, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, cache_size=cache_size, store=store, allow_unreadable=allow_unreadable, label=label,
        group=group, test=test, limit=limit, backend=backend, workers=workers, address=address, specificity=specificity,
        subgroup=tuple(subgroup or ()),
        learning_curve=False, first_rung=first_rung, include_images=include_images, path_column=path_column,
        split_column=split_column, delimiter=delimiter, positive=positive, devices_per_trial=devices_per_trial,
    )  # fmt: skip
    _search(data, out or Path(f"frostline-{name_of(str(Path(data).resolve()))}-one"), time, options)


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
    store: Store = None,
    allow_unreadable: AllowUnreadable = False,
    label: Label = None,
    delimiter: Delimiter = None,
    positive: Positive = None,
    group: Group = None,
    path_column: PathColumn = None,
    split_column: SplitColumn = None,
    test: Test = None,
    limit: Limit = None,
    subgroup: Subgroup = None,
    specificity: Specificity = 0.9,
    learning_curve: Curve = False,
    first_rung: FirstRung = "auto",
    deep: Deep = False,
    include_images: IncludeImages = False,
    devices_per_trial: DevicesPerTrial = 1,
) -> None:
    """A dry run of `search`: recipes, shared work, cost, what fits into a time, and the smallest difference it can detect."""
    options = _checked(
        backbone=backbone, recipe=recipe, metric=metric, delta=delta, seed=seed, size=size, device=device, flip=flip,
        pool_val=pool_val, cache_size=cache_size, store=store, allow_unreadable=allow_unreadable, label=label, group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, positive=positive, test=test,
        limit=limit, specificity=specificity, subgroup=tuple(subgroup or ()), learning_curve=learning_curve,
        first_rung=first_rung, deep=deep, include_images=include_images,
        devices_per_trial=devices_per_trial,
    )  # fmt: skip
    time_s = None if time is None else seconds(time)
    from frostline import api
    from frostline.report.terminal import plan_table

    stdout_console().print(plan_table(api.plan(data, time=time_s, **options)))


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
    sheet = out or Path(f"frostline-check-{name_of(str(Path(data).resolve()))}.html")
    from frostline import api
    from frostline.report.checkup import checkup_table, findings_text

    with looking() as telling:
        found = api.check(
            data, label=label, group=group, path_column=path_column, split_column=split_column, delimiter=delimiter, test=test,
            limit=limit, sheet=sheet, progress=telling,
        )  # fmt: skip
    console = stdout_console()
    if found.kinds:
        console.print(checkup_table(found))
        console.print()
    console.print(findings_text(found))
    note(f"Sheet:   {sheet} (it shows images and names of files)")
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
    stdout_console().print(stages_table(api.load_backbone(name, pretrained=weights, size=size).description, all_cuts))


@app.command()
def backbones(pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Part of a name, or with * and ?.")] = "") -> None:
    """What can be used."""
    from frostline import api
    from frostline.report.terminal import backbones_table

    names = api.list_backbones(pattern)
    if not names:
        raise OptionError(f"no backbone matches {pattern!r}. Try a part of a name such as `resnet` or `mobilenet`.")
    if sys.stdout.isatty():
        stdout_console().print(backbones_table(names))
    else:
        echo("\n".join(names))


@app.command()
def show(
    run: RunPath,
    methods: Annotated[bool, typer.Option("--methods", help="Only a methods paragraph, ready to paste into a paper.")] = False,
    whole: Annotated[bool, typer.Option("--all", help="Every recipe, also on a terminal.")] = False,
) -> None:
    """The table and the verdict again."""
    from frostline import api

    found = api.open_run(run)
    if methods:
        echo(found.methods)
        return
    print_run(found, whole)
    _say_next(found)


@app.command()
def report(run: RunPath) -> None:
    """Write the HTML page again."""
    from frostline import api

    echo(str(api.rewrite_report(run)))


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
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # else the network's threads spin where files should be decoded
    from frostline import api

    failed = 0
    writer = JsonLines() if form == "jsonl" else Csv()
    found = api.predict(source, images, backbone=backbone, abstain_below=abstain_below, threshold=threshold)
    with progress(found.total) as advance:
        for prediction in found:
            writer.write(prediction)
            advance()
            if prediction.error:
                failed += 1
                note(f"frostline: {prediction.error}")
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

    note(f"Writing the model as {to} and comparing it with frostline on real files; a large network takes a minute ...")
    made = api.export_model(source, to, out, check=check or (), backbone=backbone, include_images=include_images)
    echo(f"{made.folder}: " + ", ".join(f"{name} ({size:,} bytes)" for name, size in made.files))
    echo(f"{made.parity}.")


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

    note(f"http://{host}:{port} (POST /predict, /docs, /health, /metrics); Ctrl-C ends it.")
    api.serve(source, host=host, port=port, backbone=backbone, abstain_below=abstain_below, threshold=threshold)


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
        echo(f"frostline {version('frostline')}")
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

    0 done, 2 refused input, a full disk or a lost cluster, 3 every trial failed, 130 interrupted, 1 our fault.
    """
    try:
        code = int(app(hyphenated(arguments), prog_name="frostline", standalone_mode=False) or 0)
    except FrostlineError as error:
        note(f"frostline: {error}")
        return error.exit_code
    except TyperException as error:
        return _usage(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        note(f"frostline: an unexpected error, which is our fault: {type(error).__name__}: {_first_line(error)}")
        note(f"The traceback is in {_log_traceback()}; please report it with the command that you typed.")
        return 1
    if code == INTERRUPTED:
        note("Interrupted. Nothing that was finished is lost: the same command continues.")
    return code


def _usage(error: TyperException, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "frostline"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    note(f"frostline: {message}\nYou typed `frostline {shlex.join(arguments)}`; `{command} --help` says what it takes.")
    return int(getattr(error, "exit_code", 2))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _log_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"frostline-{clock.strftime('%Y%m%d-%H%M%S')}-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"frostline {version('frostline')}\n{shlex.join(sys.argv)}\n\n{traceback.format_exc()}")
    return file.name
