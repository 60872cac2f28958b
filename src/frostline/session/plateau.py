"""How long is long enough: scratch trains until twice the epochs gain nothing; what it overtakes then trains as it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from frostline.session.ranking import mean_scores
from frostline.session.screening import Screened
from frostline.session.work import Work
from frostline.stats.rule import LARGEST_DELTA
from frostline.strategy.families import Line
from frostline.terms.recipe import Family
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import FULL, Trial

MOST_EPOCHS = 80
CONTROLS = (Family.SCRATCH, Family.RANDOM_MATCHED)


def open_ended(one: Screened) -> bool:
    """Nobody said how many epochs it is to be trained for."""
    return one.line.recipe.option("epochs") is None


def free(work: Work, one: Screened) -> bool:
    """It may train until its plateau: nobody limited its time or its epochs."""
    return work.clock.limit_s is None and open_ended(one)


def plateau(work: Work, one: Screened, least: int) -> int:
    """Epochs after which twice as many gained nothing on the common fold; the most that were tried where there is no such."""
    tried = {
        result.trial.budget.epochs: result.converged
        for result in work.ledger.results
        if _finished_on_common(work, result) and _with_setting(result.trial, one)
    }
    reached = [epochs // 2 for epochs, converged in tried.items() if converged]
    return max(least, min(reached, default=max(tried, default=least)))


def judge(work: Work, before: float | None, result: Result) -> Result:
    score = work.ledger.best(result)[0]
    gained = before is None or score is None or score - before > (work.settings.delta or LARGEST_DELTA) / 2
    return replace(result, converged=not gained)


def challenged(work: Work, entries: Sequence[Screened]) -> Iterator[tuple[Screened, Screened, int]]:
    """Finalists that tune the whole network, each as it is, and with the setting and the epochs of the control that trains and is
    ahead on the common fold of all that transfers; nobody where none is, or where epochs or settings were given."""
    scores = {key: of[work.common.name] for key, of in mean_scores(work).items() if work.common.name in of}
    controls = [one for one in entries if one.line.family in CONTROLS and _key(one.line) in scores]
    ahead = max(controls, key=lambda one: scores[_key(one.line)], default=None)
    transferred = [scores[_key(line)] for line in work.lines() if not line.family.control and _key(line) in scores]
    if ahead is None or not transferred or scores[_key(ahead.line)] <= max(transferred):
        return
    for one in entries:
        given = [name for name in ("lr", "norm", "epochs", "start") if one.line.recipe.option(name) is not None]
        if one.line.family is Family.WHOLE and not given and open_ended(ahead):
            yield one, replace(one, setting=replace(ahead.setting, start="random")), _best(work, ahead.line).trial.budget.epochs


def leads(work: Work, one: Screened) -> bool:
    """No other setting of its line scores better on the common fold."""
    return _with_setting(_best(work, one.line).trial, one)


def _best(work: Work, line: Line) -> Result:
    """Of the full-size trials of a line on the common fold the one that scores best."""
    own = [one for one in work.ledger.results if _finished_on_common(work, one) and _of(one.trial, line)]
    return max(own, key=lambda one: _or_least(work.ledger.best(one)[0]))


def _or_least(score: float | None) -> float:
    return -inf if score is None else score


def _finished_on_common(work: Work, result: Result) -> bool:
    return result.outcome is Outcome.DONE and result.trial.budget.rung == FULL and result.trial.split == work.common.name


def _key(line: Line) -> tuple[str, str]:
    return line.backbone, str(line.recipe)


def _of(trial: Trial, line: Line) -> bool:
    return (trial.backbone, str(trial.recipe)) == _key(line)


def _with_setting(trial: Trial, one: Screened) -> bool:
    said = dict(trial.recipe.train)
    return _of(trial, one.line) and one.setting.options | said == dict(trial.options) | said
