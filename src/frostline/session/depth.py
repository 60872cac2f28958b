"""With `--deep`: what of the source is general, what is specific, and what only works together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from frostline.compute.depth import Grafted, grafts
from frostline.compute.trials import as_options
from frostline.session.clock import TimeUp
from frostline.session.explanation import FAILURES
from frostline.session.work import Lane, Work
from frostline.stats.metrics import score
from frostline.stats.paired import paired_change
from frostline.terms.evidence import DepthPoint, Evidence
from frostline.terms.recipe import Family
from frostline.terms.verdict import Row, Verdict

EPOCHS, RATE = 12, "0.001"  # where no scratch was run


def deepened(work: Work, evidence: Evidence, lane: Lane, verdict: Verdict, reserve_s: float) -> Evidence:
    """`evidence` with the curves of Yosinski 2014 on the common fold; what did not fit into the time is noted."""
    if not work.settings.deep or len(lane.backbone.stages) < 2:
        return evidence
    row = _scratch(verdict, lane.name)
    options = as_options(row.configuration) if row is not None else {"lr": RATE}
    epochs = int(options.pop("epochs", EPOCHS))
    split = work.common
    train, validation = np.asarray(split.train, np.int64), np.asarray(split.validation, np.int64)
    total = 1 + 3 * (len(lane.backbone.stages) - 1)
    base: Grafted | None = None
    points: list[DepthPoint] = []
    try:
        with work.phase("depth by depth", total, "trainings") as phase:
            watch = work.clock.watch(reserve_s)
            for done, one in enumerate(grafts(lane.bench, options, epochs, train, validation, split.seed, watch), start=1):
                if base is None:
                    base = one
                else:
                    before, after = base.probabilities, one.probabilities
                    change = paired_change(work.settings.metric, work.truth, validation, before, after)
                    points.append(DepthPoint(one.kind, one.stage, change))
                phase.done(done)
        notes = evidence.notes
    except (TimeUp, *FAILURES) as error:
        why = "the time was up" if isinstance(error, TimeUp) else str(error)
        notes = (*evidence.notes, f"Depth by depth {len(points)} of {total - 1} trainings were run: {why}.")
    value = None if base is None else score(work.settings.metric, work.truth.labels[validation], base.probabilities)
    return replace(evidence, depth=tuple(points), base=value, notes=notes)


def _scratch(verdict: Verdict, backbone: str) -> Row | None:
    rows = (row for row in verdict.rows if row.family == Family.SCRATCH and row.backbone == backbone and row.score is not None)
    return next(rows, None)
