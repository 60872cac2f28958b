"""What the engine says of simulated runs, against what is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.calibration.rivals import best_mean, one_standard_error
from benchmarks.calibration.worlds import Drawn, World, draw
from frostline.stats.decide import DecideSettings, decide
from frostline.stats.pool import Pool, gather
from frostline.stats.rule import choosable, simplicity
from frostline.stats.weighted import mean_of_defined
from frostline.terms.verdict import Verdict, Word

Array = npt.NDArray[Any]

REPLICATES = 500


@dataclass(frozen=True)
class Judged:
    """One run; scores and differences in the metric's own unit.

    Attributes:
        word: of the claim `pretraining-helps`.
        difference, difference_low, difference_high: as claimed; `true_difference` of the two recipes that it names.
        score, score_low, score_high: as reported; `true_score` of the chosen recipe.
        naive_score, naive_difference: the uncorrected means of the best recipe, and of the best of both sides.
        naive_true_score, naive_true_difference: what is true of these.
        chance, chance_difference: by how much all recipes' scores lie above their truths by the accident of these images;
            expected 0, and shared by all estimates: what is left of an estimate's noise without it is small.
        regret, regret_best, regret_one_error: true score of the best recipe that may be chosen minus that of the rule's choice,
            of the best mean and of the one-standard-error rule.
        detectable: the printed smallest detectable difference.
    """

    word: str
    difference: float
    difference_low: float
    difference_high: float
    true_difference: float
    score: float
    score_low: float
    score_high: float
    true_score: float
    naive_score: float
    naive_true_score: float
    naive_difference: float
    naive_true_difference: float
    chance: float
    chance_difference: float
    regret: float
    regret_best: float
    regret_one_error: float
    detectable: float


def judge(world: World, seed: int, replicates: int = REPLICATES) -> Judged:
    """The verdict on the run of that seed, beside the truth."""
    drawn = draw(world, seed)
    verdict = decide(drawn.results, drawn.truth, drawn.candidates, DecideSettings(world.metric, replicates=replicates, seed=seed))
    pool = gather(drawn.results, drawn.truth, drawn.candidates, world.metric)
    return _against_truth(world, drawn, verdict, pool)


def _against_truth(world: World, drawn: Drawn, verdict: Verdict, pool: Pool) -> Judged:
    true = {one.recipe: float(value) for one, value in zip(drawn.candidates, drawn.truths, strict=True)}
    claim = next(one for one in verdict.claims if one.claim == "pretraining-helps")
    assert claim.comparison is not None and pool.candidates == drawn.candidates
    found, score = claim.comparison, verdict.score.interval
    means, ours = mean_of_defined(pool.recipe_scores, axis=1), np.arange(len(true)) < world.transfer
    first, second = int(np.where(ours, means, -1).argmax()), int(np.where(ours, -1, means).argmax())
    allowed = choosable(drawn.candidates)
    scores, truths = pool.recipe_scores[allowed], drawn.truths[allowed]
    simple = simplicity([one for one in drawn.candidates if one.choosable])
    best, above = int(means.argmax()), _above_truth(pool, drawn)
    return Judged(
        claim.verdict.value,
        found.difference.value, found.difference.low, found.difference.high, true[found.first] - true[found.second],
        score.value, score.low, score.high, true[verdict.chosen.recipe],
        float(means[best]), float(drawn.truths[best]),
        float(means[first] - means[second]), float(drawn.truths[first] - drawn.truths[second]),
        float(above.mean()), float(above[ours].mean() - above[~ours].mean()),
        float(truths.max()) - true[verdict.chosen.recipe],
        float(truths.max() - truths[best_mean(scores)]), float(truths.max() - truths[one_standard_error(scores, simple)]),
        float(verdict.smallest_detectable_difference or np.nan),
    )  # fmt: skip


def _above_truth(pool: Pool, drawn: Drawn) -> Array:
    """(R,) mean score over folds and all of a recipe's settings, chosen or not, minus its truth: expected 0."""
    by_setting = mean_of_defined(pool.scores, axis=1)
    return np.array([by_setting[pool.owners == one].mean() for one in range(len(drawn.truths))]) - drawn.truths


@dataclass(frozen=True)
class Summary:
    """Of many runs of one world; shares 0..1, the rest in points (hundredths of the metric's unit).

    Attributes:
        covered_score, covered_difference: shares of intervals that hold the truth, the estimand of `stats.compare`: the expected
            true score (difference) of the *procedure*, its mean over these runs.
        covered_chosen, covered_named: the same for the recipes that each run itself chose and named.
        helps, harms, no_difference, undetermined: shares of the words.
        optimism, optimism_difference: mean of reported minus true, with its standard error; `naive`: of the uncorrected.
        regret: of the rule, of the best mean, of the one-standard-error rule.
        difference: the true one of the best recipes; detectable: the mean printed one.
    """

    world: str
    runs: int
    covered_score: float
    covered_chosen: float
    covered_difference: float
    covered_named: float
    helps: float
    harms: float
    no_difference: float
    undetermined: float
    optimism: float
    optimism_error: float
    naive_optimism: float
    optimism_difference: float
    optimism_difference_error: float
    naive_optimism_difference: float
    regret: float
    regret_best: float
    regret_one_error: float
    difference: float
    detectable: float


def summarise(world: World, runs: Sequence[Judged]) -> Summary:
    of = {one.name: np.array([getattr(run, one.name) for run in runs]) for one in fields(Judged)}
    words = {word: float((of["word"] == word.value).mean()) for word in Word}
    score = _without_chance(of["score"] - of["true_score"], of["chance"])
    difference = _without_chance(of["difference"] - of["true_difference"], of["chance_difference"])
    return Summary(
        world.name, len(runs),
        _covered(of, "score", of["true_score"].mean()), _covered(of, "score", of["true_score"]),
        _covered(of, "difference", of["true_difference"].mean()), _covered(of, "difference", of["true_difference"]),
        words[Word.HELPS], words[Word.HARMS], words[Word.NO_DIFFERENCE], words[Word.UNDETERMINED],
        *score, _without_chance(of["naive_score"] - of["naive_true_score"], of["chance"])[0],
        *difference, _without_chance(of["naive_difference"] - of["naive_true_difference"], of["chance_difference"])[0],
        *(100 * float(of[name].mean()) for name in ("regret", "regret_best", "regret_one_error")),
        100 * world.difference, 100 * float(of["detectable"].mean()),
    )  # fmt: skip


def _covered(of: dict[str, Array], name: str, truth: Any) -> float:
    tolerance = 1e-9  # bounds clipped at a possible score's end
    return float(((of[f"{name}_low"] <= truth + tolerance) & (truth <= of[f"{name}_high"] + tolerance)).mean())


def _without_chance(errors: Array, chance: Array) -> tuple[float, float]:
    """Mean error and its standard error, in points, with `chance` (expected 0) as a control variate."""
    slope = float(np.cov(errors, chance)[0, 1] / chance.var(ddof=1)) if chance.std() > 0 else 0.0
    left = errors - slope * chance
    return 100 * float(left.mean()), 100 * float(left.std(ddof=1) / np.sqrt(len(left)))


def study(world: World, runs: int, replicates: int = REPLICATES, seed: int = 0) -> Summary:
    """`runs` runs of one world, of the seeds from `seed` on."""
    return summarise(world, [judge(world, seed + number, replicates) for number in range(runs)])


def kept(world: World, runs: int, folder: Path, say: Callable[[str], None] = print) -> Summary:
    """The same, each run kept in a file of the world: the command goes on where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / f"{world.name.replace(',', '').replace(' ', '-')}.jsonl"
    lines = store.read_text(encoding="utf-8").splitlines()[:runs] if store.exists() else []
    found = [Judged(**json.loads(line)) for line in lines]
    with store.open("a", encoding="utf-8") as stream:
        for seed in range(len(found), runs):
            found.append(judge(world, seed))
            stream.write(json.dumps(asdict(found[-1])) + "\n")
    summary = summarise(world, found)
    say(f"{world.name}: {summary}")
    return summary
