"""From a request to everything a search needs: data, pixels, folds, backbones, kernels."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from frostline import backbones, data
from frostline.backbones import LoadedBackbone
from frostline.compute.bench import Bench
from frostline.compute.kernels import probe_kernels, timed_again
from frostline.compute.machine import choose_device, gpus, threads
from frostline.errors import FrostlineError, RunFolderError
from frostline.planning.cost import on_devices
from frostline.session.checking import check, metric_of, size_of
from frostline.session.clock import Clock
from frostline.session.ledger import Ledger, Listener
from frostline.session.naming import names_apart
from frostline.session.panels import cache_room
from frostline.session.profiles import Profile, remember
from frostline.session.registration import register
from frostline.session.request import Request
from frostline.session.sharing import shared_store
from frostline.session.sizing import at_size, lines_of
from frostline.session.sources import seen_before
from frostline.session.work import Lane, Work, truth_of
from frostline.session.workers import Machine, Staff, choose_staff, hire
from frostline.stats.metrics import METRICS
from frostline.store.activations import ActivationStore
from frostline.store.checkpoints import CheckpointStore
from frostline.store.records import read_verdict, write_splits
from frostline.store.run_folder import RunFolder
from frostline.store.shared import SharedStore, without_user
from frostline.store.values import read_document
from frostline.strategy.families import Line, pixel_lines
from frostline.terms.activations import VIEWS, View
from frostline.terms.backbone import InputSpec
from frostline.terms.data import Dataset, SplitPlan
from frostline.terms.finding import serious
from frostline.terms.kernels import Kernels
from frostline.terms.progress import BackboneLoaded, MetricChosen, PhaseEnded, PhaseStarted, Progressed
from frostline.terms.quantities import plural
from frostline.terms.result import Result
from frostline.terms.settings import Settings
from frostline.terms.trial import SEALED
from frostline.terms.verdict import Verdict

T = TypeVar("T")

READ = ("Grouped by", "Limited to")  # notes that a search says itself: which images it takes, and what no split breaks
WARNED = 3  # findings about the images that a search says itself


class AlreadyFinished(Exception):
    """The run folder holds this very search with its final verdict: the test set is not opened twice."""


def prepare(request: Request, listener: Listener, clock: Clock, version: str) -> Work:
    """Read, check and lay out everything; nothing is trained yet.

    Raises:
        InputError: anything that the user gave cannot be used; a new run folder is then gone again.
        AlreadyFinished: there is nothing left to do.
    """
    check(request)
    recognise(request)
    dataset = _timed(listener, clock, "read images", lambda: read(request, _telling("read images", listener, clock)))
    found = _timed(listener, clock, "load backbones", lambda: [backbones.load(name) for name in request.backbones])
    loaded = told_apart(found)
    for one in loaded:
        listener.update(BackboneLoaded(one.name, one.stage_names))
    size = size_of(request, [one.spec for one in loaded], partial(data.default_size, dataset))
    sized = [at_size(backbone, size, request) for backbone in loaded]
    lines = [lines_of(request, backbone) for backbone in sized]
    machine = Machine(choose_device(request.device), threads(), gpus())
    staff = choose_staff(
        request.backend, request.workers, request.backbones, machine, request.time_s, request.address, request.devices_per_trial
    )
    settings = _settings(request, dataset, size, machine, staff)
    listener.update(MetricChosen(settings.metric))
    shared = shared_store(request.store, listener, clock)
    folder = RunFolder.create(request.out, settings, version)
    try:
        before, damaged = _verdict_before(folder)
        probed_earlier = bool(folder.kernels())  # perhaps on another machine
        if before is not None and not before.interim and not damaged:
            raise AlreadyFinished
        work = _assemble(request, listener, clock, folder, settings, dataset, sized, lines, shared)
        if not probed_earlier:
            _remember(request, found, work)
        _tell_of_data(work)
        register(work)
        work.opened_at = folder.section("opened") or (before.test_opened_at if before is not None else None)
        work.earlier_s = folder.took_s
        work.notes += damaged
        _employ(work, staff, machine)
        return work
    except FrostlineError:
        folder.discard_if_new()  # mended data, or one more option, may use the same folder
        raise
    except BaseException:
        folder.close()
        raise


def _employ(work: Work, staff: Staff, machine: Machine) -> None:
    """Whoever carries out the trials, and how that differs from one after the other."""
    work.backend, work.pace = hire(staff, machine), staff.pace
    if staff.workers > 1:
        work.say(staff.words)
    if staff.devices > 1:
        work.say(f"Each network is trained on {plural(staff.devices, 'device')} at the same time, by a process each.")


def _remember(request: Request, found: Sequence[LoadedBackbone], work: Work) -> None:
    """Later plans go by what was measured here on one device; not where code was compiled, which does not pay for every number
    of images."""
    kernels = [lane.bench.kernels for lane in work.lanes]
    if work.settings.devices_per_trial > 1 or any(one.forward.compiled for one in kernels):
        return
    profiles = [
        Profile(
            replace(lane.backbone.description, name=one.name),
            replace(lane.bench.kernels, backbone=one.name),
            tuple(str(line.recipe) for line in lane.lines),
        )
        for lane, one in zip(work.lanes, found, strict=True)
    ]
    remember(request, [one.spec for one in found], profiles)


def _verdict_before(folder: RunFolder) -> tuple[Verdict | None, list[str]]:
    """The verdict that an earlier start left, and a sentence for each damaged file: all of them can be made again."""
    found, damaged = None, []
    try:
        found = read_verdict(folder.verdict_path) if folder.verdict_path.exists() else None
    except RunFolderError:
        damaged.append(f"{folder.verdict_path.name} was damaged; it was made again from the finished trials.")
    final = found is not None and not found.interim
    for path in (folder.evidence_path, folder.facts_path):
        try:
            if final or path.exists():
                read_document(path)
        except RunFolderError:
            damaged.append(f"{path.name} was missing or damaged and was made again.")
    return found, damaged


def _assemble(
    request: Request,
    listener: Listener,
    clock: Clock,
    folder: RunFolder,
    settings: Settings,
    dataset: Dataset,
    sized: Sequence[LoadedBackbone],
    lines: Sequence[list[Line]],
    shared: SharedStore | None = None,
) -> Work:
    dataset, stores = _stores(request, listener, clock, folder, dataset, sized)
    plan = data.plan_splits(dataset, settings.seed, settings.pool_val)
    seen = [note for backbone in sized for note in seen_before(backbone.name, backbone.trained_on, dataset, plan)]
    results = folder.results
    known = results.load_all()
    _refuse_other_splits(folder, plan, known.values())
    write_splits(folder.splits_path, dataset, plan)
    ledger = Ledger(results, listener, truth_of(dataset).labels, settings.metric, known)
    budget = cache_room(folder.path, settings.cache_bytes)
    classes, pool = len(dataset.classes), len(plan.pool)
    kernels = _timed(listener, clock, "probe kernels", lambda: _kernels(folder, sized, classes, settings, clock, pool))
    flip, reason = _flip(request, dataset)
    bench = partial(
        Bench, labels=dataset.targets(), classes=classes, balanced=settings.metric == "balanced-accuracy", seed=settings.seed,
        views=tuple(View(number, flip and number % 2 == 1) for number in range(VIEWS)), devices=settings.devices_per_trial,
        units=data.units_of(dataset),
    )  # fmt: skip
    lanes = [
        Lane(backbone, order, own, bench(backbone, found, store))
        for order, (backbone, found, store, own) in enumerate(zip(sized, kernels, stores, lines, strict=True))
    ]
    activations = ActivationStore(folder.activations_path, budget, shared=shared)
    checkpoints = CheckpointStore(folder.checkpoints_path, budget, beside=(folder.activations_path,))
    work = Work(
        folder, settings, dataset, plan, clock, ledger, activations, checkpoints, lanes,
        pixel_lines(request.recipes), stores[0], list(plan.splits), data.inner_split(dataset, plan.splits[0]),
    )  # fmt: skip
    work.notes += _notes(work, results.notes, seen, reason)
    return work


def _stores(
    request: Request, listener: Listener, clock: Clock, folder: RunFolder, dataset: Dataset, sized: Sequence[LoadedBackbone]
) -> tuple[Dataset, list[data.PixelStore]]:
    """The images as each backbone wants them, and the data set of those that could be read."""
    stores = []
    for backbone in sized:
        dataset, store = _pixels(request, listener, clock, dataset, backbone.spec, folder.cache_path)
        data.check_channels(store, backbone.spec, backbone.name)
        stores.append(store)
    return dataset, stores


def _notes(work: Work, stored: Sequence[str], seen: Sequence[str], flip: str) -> list[str]:
    """What the report says of data, splits and backbones.

    Args:
        stored: about results that were there already; seen: about images that a source has seen; flip: about mirrored views.
    """
    dataset, lanes = work.dataset, work.lanes
    return [
        *dataset.notes,
        *_over_labels(dataset, work.settings.metric),
        *(note for lane in lanes for note in data.input_notes(lane.bench.store, lane.backbone.spec, lane.name)),
        *stored,
        *work.plan.notes,
        *data.appearance_notes(dataset, work.store),
        *seen,
        flip,
        *(note for lane in lanes for note in lane.backbone.description.notes),
    ]


def _tell_of_data(work: Work) -> None:
    """Say what was read, and warn of what is wrong with the images, the worst first; of the rest only how much there is."""
    found = serious(work.notes)
    for note in work.notes:
        if note.startswith(READ) and note not in found:
            work.say(note)
    for note in found[:WARNED]:
        work.warn(note)
    if found:
        more = f"{plural(len(found) - WARNED, 'more finding')} like these: " if len(found) > WARNED else ""
        work.say(f"{more}`frostline check {shlex.quote(str(work.settings.data))}` shows which images.")


def _over_labels(dataset: Dataset, metric: str) -> list[str]:
    if not dataset.several:
        return []
    count = int(data.scored_labels(dataset).sum())
    return [f"{METRICS[metric].title} is the mean over {plural(count, 'label')}, each on the images whose answer is known."]


def _refuse_other_splits(folder: RunFolder, plan: SplitPlan, known: Iterable[Result]) -> None:
    """Results belong to the images that they were validated on: a test set sealed later may have been among them.

    Raises:
        RunFolderError: the run was begun with other splits.
    """
    validation = {split.name: frozenset(split.validation) for split in plan.splits}
    sealed = frozenset(plan.sealed)
    for result in known:
        seen, split = frozenset(result.indices.tolist()), result.trial.split
        if result.trial.budget.rung != SEALED and (seen & sealed or not seen <= validation.get(split, seen)):
            raise RunFolderError(
                f"the run folder {folder.path} was begun with other folds or another sealed test set ({split} validated on other"
                " images), by another version of frostline or of what decodes images. Its results do not fit these: give another"
                " folder with -o."
            )


def recognise(request: Request) -> None:
    """A name mistyped is told before minutes of reading.

    Raises:
        BackboneError: a network is not known, or its weights are not there.
    """
    for name in request.backbones:
        backbones.recognise(name)


def told_apart(loaded: Sequence[LoadedBackbone]) -> list[LoadedBackbone]:
    """Backbones whose names differ: of several weights for one architecture each gets the start of its digest behind its name.

    Raises:
        OptionError: the very same weights twice.
    """
    names = names_apart([(one.name, one.digest) for one in loaded])
    return [one if one.name == name else one.renamed(name) for one, name in zip(loaded, names, strict=True)]


def read(request: Request, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The data set; what cannot be decoded is refused now, before anything else is loaded.

    Raises:
        DataError: the data cannot be used.
    """
    found = data.read(
        request.data,
        limit=request.limit,
        seed=request.seed,
        allow_unreadable=request.allow_unreadable,
        label=request.label,
        group=request.group,
        subgroups=request.subgroups,
        path_column=request.path_column,
        split_column=request.split_column,
        delimiter=request.delimiter,
        positive=request.positive,
        frame=request.frame,
        test=request.test,
        progress=progress,
    )
    if not request.allow_unreadable:
        data.refuse_undecodable(found)
    return found


def _telling(phase: str, listener: Listener, clock: Clock) -> Callable[[int, int], None]:
    """Tells how far a phase has come, and stops it where the user asked for that."""
    stop = clock.watch()

    def progress(done: int, total: int) -> None:
        listener.update(Progressed(phase, done))
        stop()

    return progress


def _settings(request: Request, dataset: Dataset, size: int, machine: Machine, staff: Staff) -> Settings:
    return Settings(
        data=str(request.data),
        fingerprint=dataset.fingerprint,
        backbones=request.backbones,
        size=size,
        metric=metric_of(request, len(dataset.classes), dataset.several),
        seed=request.seed,
        delta=request.delta,
        recipes=request.recipes,
        pool_val=request.pool_val,
        flip=request.flip,
        limit=request.limit,
        device=machine.device,
        allow_unreadable=request.allow_unreadable,
        label=request.label,
        group=request.group,
        test=None if request.test is None else str(request.test),
        time_s=request.time_s,
        cache_bytes=request.cache_bytes,
        store=None if request.store is None else without_user(request.store),
        backend=staff.backend,
        workers=staff.workers,
        address=staff.address,
        devices_per_trial=staff.devices,
        trial_cpus=staff.threads if staff.address else None,
        trial_gpus=staff.gpus if staff.address else None,
        specificity=request.specificity,
        subgroups=request.subgroups,
        learning_curve=request.learning_curve,
        first_rung=request.first_rung,
        include_images=request.include_images,
        deep=request.deep,
        path_column=request.path_column,
        split_column=request.split_column,
        delimiter=request.delimiter,
        positive=request.positive,
    )


def _pixels(
    request: Request, listener: Listener, clock: Clock, dataset: Dataset, spec: InputSpec, cache: Path
) -> tuple[Dataset, data.PixelStore]:
    geometry = data.Geometry.of(spec)
    before = clock.elapsed()
    listener.update(PhaseStarted("decode", len(dataset.samples), "images"))
    found = data.build_store(
        dataset,
        geometry,
        cache,
        progress=_telling("decode", listener, clock),
        allow_unreadable=request.allow_unreadable,
    )
    clock.spend("decode", clock.elapsed() - before)
    listener.update(PhaseEnded("decode", clock.elapsed() - before))
    return found


def _kernels(
    folder: RunFolder, sized: Sequence[LoadedBackbone], classes: int, settings: Settings, clock: Clock, images: int
) -> list[Kernels]:
    return [kernels_for(folder, backbone, classes, settings, clock, images) for backbone in sized]


def kernels_for(
    folder: RunFolder, backbone: LoadedBackbone, classes: int, settings: Settings, clock: Clock, images: int = 0
) -> Kernels:
    """What a probe finds at the first start of a run, and the same modes with the seconds that they take now at every later one:
    the machine may have been busy. Written down, and torch is set accordingly.

    Args:
        images: of a pass of the trunk, where it may be long enough for compiled code.

    Returns:
        what training takes on the devices that a trial has; what was measured on one of them is what is written down.
    """
    known = folder.kernels()
    earlier = next((one for one in known if (one.backbone, one.size) == (backbone.name, backbone.spec.height)), None)
    if earlier is None:
        threads = known[0].threads if known else None  # the same for everything in a run
        found = probe_kernels(backbone, classes, settings.device, threads=threads, images=images, stop=clock.watch())
    else:
        found = timed_again(backbone, classes, earlier, stop=clock.watch())
    folder.write_section("kernels", [found if one is earlier else one for one in known] if earlier else [*known, found])
    return on_devices(found, settings.devices_per_trial)


def _flip(request: Request, dataset: Dataset) -> tuple[bool, str]:
    if request.flip == "auto":
        return data.suggest_flip(dataset)
    return request.flip == "on", f"Mirrored views are {request.flip}, as asked."


def _timed(listener: Listener, clock: Clock, name: str, action: Callable[[], T]) -> T:
    before = clock.elapsed()
    listener.update(PhaseStarted(name))
    found = action()
    clock.spend(name, clock.elapsed() - before)
    listener.update(PhaseEnded(name, clock.elapsed() - before))
    return found


def resized(bench: Bench, size: int, kernels: Kernels) -> Bench:
    """The same bench at another size, without passes."""
    return replace(bench, backbone=bench.backbone.at(size), kernels=kernels, passes={})
