"""What a search leaves beside its verdict: the model, the images it has seen, and the run's facts."""

from __future__ import annotations

import os
import platform
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

from frostline.terms.verdict import Verdict

if TYPE_CHECKING:
    from frostline.report.facts import NetworkFacts, RunFacts
    from frostline.session import Handover, Work
    from frostline.session.work import Lane
    from frostline.terms.kernels import Kernels
    from frostline.terms.settings import Settings

SHOWN_VERSIONS = ("frostline", "torch", "timm", "torchvision", "numpy", "scikit-learn")


def keep_model(work: Work, verdict: Verdict, handover: Handover) -> None:
    from frostline.export.bundle import Provenance, save

    provenance = Provenance(
        handover.configuration, handover.seed, work.dataset.fingerprint, len(work.pool), work.folder.version, handover.thresholds
    )
    save(work.folder.model_path, handover.network, handover.lane.backbone, handover.recipe, work.dataset.classes, provenance)
    _write_trained_on(work, handover)
    write_facts(work)


def _write_trained_on(work: Work, handover: Handover) -> None:
    """Digests of the images that the exported weights have seen, so that as a source it is not tested on them."""
    from frostline.backbones.exported import TRAINED_ON, digests_text
    from frostline.store.files import write_text
    from frostline.terms.recipe import Weights

    transferred = handover.recipe.weights is Weights.PRETRAINED
    before = handover.lane.backbone.trained_on if transferred else frozenset()
    own = (work.dataset.samples[index].digest for index in work.pool)
    write_text(work.folder.model_path / TRAINED_ON, digests_text([*own, *before]))


def write_facts(work: Work) -> None:
    from frostline.store.values import write_value

    write_value(work.folder.facts_path, _facts(work))


def _facts(work: Work) -> RunFacts:
    from frostline.report.facts import run_facts
    from frostline.terms.finding import serious

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
        phases=(*([("earlier starts", work.earlier_s)] if work.earlier_s else []), *work.clock.spent.items()),
        command=_command(work.settings),
        kernels=(*kernels, *(note for lane in work.lanes for note in _kernel_notes(lane.bench.kernels))),
        cores=os.cpu_count() or 1,
        stages=tuple((lane.name, lane.backbone.stage_names) for lane in work.lanes),
        registered=work.registered,
        networks=tuple(_network(lane) for lane in work.lanes),
        warnings=serious(work.notes),
    )


def _network(lane: Lane) -> NetworkFacts:
    from frostline.report.facts import NetworkFacts, StageFacts

    stages = (StageFacts(one.name, one.parameters, one.flops, one.cut.shape) for one in lane.backbone.stages)
    return NetworkFacts(lane.name, lane.bench.kernels.forward_s, tuple(stages))


def _kernel_notes(kernels: Kernels) -> list[tuple[str, str]]:
    where = f"{kernels.backbone} at {kernels.size} px"
    return [(f"{where}, threads", str(kernels.threads)), *((f"{where}, tried", note) for note in kernels.notes)]


def _command(settings: Settings) -> str:
    """What repeats a run, as typed in a shell."""
    words = ["frostline", "search", settings.data]
    words += [word for name in settings.backbones for word in ("-b", name)]
    words += [word for line in settings.recipes for word in ("--recipe", line)]
    words += ["--size", str(settings.size), "--metric", settings.metric, "--seed", str(settings.seed)]
    given = {
        "--delta": settings.delta,
        "--limit": settings.limit,
        "--flip": settings.flip if settings.flip != "auto" else None,
        "--first-rung": settings.first_rung if settings.first_rung != "auto" else None,
        "--label": settings.label,
        "--group": settings.group,
        "--path-column": settings.path_column,
        "--split-column": settings.split_column,
        "--delimiter": settings.delimiter,
        "--positive": settings.positive,
    }
    words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
    words += [word for column in settings.subgroups for word in ("--subgroup", column)]
    words += ["--specificity", f"{settings.specificity:g}"] if settings.specificity != 0.9 else []
    words += ["--test", settings.test] if settings.test is not None else []
    flags = {
        "--learning-curve": settings.learning_curve,
        "--deep": settings.deep,
        "--include-images": settings.include_images,
        "--pool-val": settings.pool_val,
        "--allow-unreadable": settings.allow_unreadable,
    }
    words += [option for option, wanted in flags.items() if wanted]
    words += ["--device", settings.device] if settings.device != "cpu" else []
    words += ["--backend", settings.backend, "--workers", str(settings.workers)] if settings.backend != "serial" else []
    words += ["--devices-per-trial", str(settings.devices_per_trial)] if settings.devices_per_trial > 1 else []
    words += ["--address", settings.address] if settings.address is not None else []
    words += ["--time", f"{settings.time_s:g}s"] if settings.time_s is not None else []
    return shlex.join(words)
