"""How long is long enough: training until twice the epochs gain nothing, for scratch and for what scratch has overtaken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from frostline.session.ranking import mean_scores
from frostline.session.screening import Screened
from frostline.session.work import Work
from frostline.stats.rule import LARGEST_DELTA
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result

MOST_EPOCHS = 80
CONTROLS = (Family.SCRATCH, Family.RANDOM_MATCHED)


def free(work: Work, one: Screened) -> bool:
    """It may train until its plateau: nobody limited its time or its epochs."""
    return work.clock.limit_s is None and one.line.recipe.option("epochs") is None


def plateau(work: Work, one: Screened, least: int) -> int:
    """Epochs after which twice as many gained nothing on the common fold; the most that were tried where there is no such."""
    tried = {
        result.trial.budget.epochs: result.converged
        for result in work.ledger.results
        if result.trial.budget.rung == "full"
        and result.outcome is Outcome.DONE
        and result.trial.split == work.common.name
        and (result.trial.backbone, result.trial.recipe) == (one.line.backbone, one.line.recipe)
    }
    reached = [epochs // 2 for epochs, converged in tried.items() if converged]
    return max(least, min(reached, default=max(tried, default=least)))


def judge(work: Work, before: float | None, result: Result) -> Result:
    score = work.ledger.best(result)[0]
    gained = before is None or score is None or score - before > (work.settings.delta or LARGEST_DELTA) / 2
    return replace(result, converged=not gained)


def overtaken(work: Work, entries: Sequence[Screened]) -> dict[Screened, float]:
    """The best of `entries` that transfers, and the one that tunes all, with their scores on the common fold; nobody unless a
    control that trains is ahead there of all that transfers."""
    scores = {key: of[work.common.name] for key, of in mean_scores(work).items() if work.common.name in of}
    controls = {(line.backbone, str(line.recipe)) for line in work.lines() if line.family in CONTROLS}
    others = {(line.backbone, str(line.recipe)) for line in work.lines() if not line.family.control}
    ahead = max((scores[key] for key in controls & scores.keys()), default=-inf)
    if max((scores[key] for key in others & scores.keys()), default=inf) >= ahead:
        return {}
    keys = {one: (one.line.backbone, str(one.line.recipe)) for one in entries}
    own = {one: scores[key] for one, key in keys.items() if key in others & scores.keys()}
    best = max(own, key=lambda one: own[one], default=None)
    return {one: score for one, score in own.items() if one is best or one.line.family is Family.WHOLE}
