"""The ranking so far, without intervals: for the live table and for choosing finalists."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

from frostline.session.work import Work
from frostline.strategy.families import Line
from frostline.terms.progress import Ranked, RankedRow, RecipeFinished
from frostline.terms.result import Outcome
from frostline.terms.trial import FIRST, FULL


def mean_scores(work: Work, rung: str = FULL) -> dict[tuple[str, str], dict[str, float]]:
    """(backbone, recipe) -> split -> score of the configuration that is best on average; trials of one rung only."""
    by_line: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for result in work.ledger.results:
        if result.trial.budget.rung == rung and result.outcome is Outcome.DONE:
            for name, value in work.ledger.scores(result).items():
                by_line[result.trial.backbone, str(result.trial.recipe)][name][result.trial.split] = value
    return {key: max(configurations.values(), key=_rank) for key, configurations in by_line.items()}


def _rank(scores: dict[str, float]) -> tuple[int, float]:
    return len(scores), sum(scores.values()) / len(scores)


def tell_ranking(work: Work) -> None:
    """Send the ranking so far to the listener: that of the first rung before anything has run on all images."""
    families = {(line.backbone, str(line.recipe)): line.family.value for line in work.lines()}
    rows = [
        RankedRow(recipe, families.get((backbone, recipe), ""), backbone, sum(scores.values()) / len(scores), len(scores))
        for (backbone, recipe), scores in (mean_scores(work) or mean_scores(work, FIRST)).items()
    ]
    work.ledger.listener.update(Ranked(tuple(sorted(rows, key=lambda row: -row.score))))


def tell_finished(work: Work, line: Line, rung: str = FULL) -> None:
    """Send what a line reached at full size (on that rung), if it was run at all, and the ranking with it."""
    key = (line.backbone, str(line.recipe))
    scores = mean_scores(work, rung).get(key, {})
    own = [
        one for one in work.ledger.results if (one.trial.backbone, str(one.trial.recipe)) == key and one.trial.budget.rung == rung
    ]
    if own:
        reached = mean(scores.values()) if scores else None
        seconds = sum(one.seconds for one in own if one.trial.id in work.ledger.carried_out)
        told = RecipeFinished(key[1], line.family.value, line.backbone, reached, max(1, len(scores)), seconds)
        if work.told.get(key) != told:  # a recipe that is left out on a further fold has nothing new
            work.told[key] = told
            work.ledger.listener.update(told)
    tell_ranking(work)
