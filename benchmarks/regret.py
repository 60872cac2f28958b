"""P5: what a search loses against an exhaustive run under the same rule.

python -m benchmarks.regret DATA ... --backbone NAME [--limit N] [--size S] [--time T] [--only exhaustive|search] -o FOLDER

The exhaustive run carries out every line of the panel at full size on every fold of the first draw, each deep line with every
rate, and applies the rule. The search chooses in the time it is given, with public flags. Both choices are scored by the
exhaustive run: excess regret is the score of its own choice minus that of the search's choice, in points.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import searches
from frostline import session
from frostline.planning.allot import FREE_EPOCHS, FREE_SCRATCH_EPOCHS
from frostline.session.clock import Clock
from frostline.session.dispatch import Task, give_out
from frostline.session.frozen import draws, run_frozen
from frostline.session.prepare import prepare
from frostline.session.ranking import mean_scores
from frostline.session.screening import deep_trial, settings_of
from frostline.session.work import Work
from frostline.stats.decide import DecideSettings, choose_now
from frostline.strategy.families import Line
from frostline.terms.recipe import Weights
from frostline.terms.trial import Budget

BOOTSTRAPS = 10_000

HEADING = "data set                 regret  to best   time"


def exhaustive(data: Path, backbone: str, limit: int, size: int, out: Path) -> dict[str, Any]:
    """The rule's choice among everything, and the mean score of every recipe over the folds of the first draw."""
    request = session.Request(data=data, out=out, backbones=(backbone,), limit=limit, size=size)
    work = prepare(request, session.Silent(), Clock(), "benchmark")
    try:
        first = list(draws(work.plan.splits)[0])
        work.plan = replace(work.plan, splits=tuple(first))
        run_frozen(work)
        for line in (line for line in work.lines() if line.deep):
            _run(work, line)
        settings = DecideSettings(metric=work.settings.metric)
        chosen = choose_now(work.ledger.results, work.truth, work.candidates(), settings)
        complete = {recipe: of for (_, recipe), of in mean_scores(work).items() if len(of) == len(first)}
        scores = {recipe: statistics.mean(of.values()) for recipe, of in complete.items()}
        control = {str(line.recipe) for line in work.lines() if line.family.control}
        return {
            "chosen": str(chosen.recipe) if chosen else None,
            "scores": scores,
            "controls": sorted(control),
            "folds": len(first),
        }
    finally:
        work.folder.close()


def _run(work: Work, line: Line) -> None:
    """Every setting of one deep line on every fold; kept by the run folder, told when all are finished."""
    epochs = FREE_SCRATCH_EPOCHS if line.recipe.weights is not Weights.PRETRAINED else FREE_EPOCHS
    budget = Budget("full", work.settings.size, None, epochs)
    pairs = [(setting, split) for setting in settings_of(line) for split in work.plan.splits]
    tasks = iter([Task(deep_trial(work, line, split, setting, budget), split, line.backbone) for setting, split in pairs])
    give_out(work, [work.lane(line.backbone).bench], lambda: next(tasks, None), lambda task, result: None)
    print(f"{work.dataset.root}: {line.recipe} at {work.clock.elapsed():.0f} s", flush=True)


def regret(reference: Mapping[str, Any], chosen: str) -> float | None:
    """Points that `chosen` lies below the exhaustive run's own choice; None where it was not in the panel."""
    scores = reference["scores"]
    return 100 * (scores[reference["chosen"]] - scores[chosen]) if {chosen, reference["chosen"]} <= scores.keys() else None


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over data sets."""
    draws = np.random.default_rng(seed).choice(np.asarray(values), (BOOTSTRAPS, len(values)))
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    given = _arguments()
    found = {}
    for data in given.data:
        store, asked = given.out / f"{data.name}.json", [str(data), given.backbone, given.limit, given.size]
        if given.only != "search":
            reference = exhaustive(data, given.backbone, given.limit, given.size, given.out / f"{data.name}-exhaustive")
            store.write_text(json.dumps(reference | {"asked": asked}, indent=1), encoding="utf-8")
        if given.only == "exhaustive":
            continue
        reference = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
        if reference.get("asked") != asked:
            raise SystemExit(
                f"{store} is not there, or of other options: run --only exhaustive with the same words and -o first."
            )
        options = ("--limit", str(given.limit), "--size", str(given.size), *(("--time", given.time) if given.time else ()))
        run = searches.measured(data, given.backbone, given.out / f"{data.name}-search", options)
        found[data.name] = _compare(reference, run)
    if found:
        (given.out / "regret.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(_table(found))


def _compare(reference: dict[str, Any], run: searches.Record) -> dict[str, Any]:
    chosen, scores = run.verdict["chosen"]["recipe"], reference["scores"]
    transfer = {recipe: score for recipe, score in scores.items() if recipe not in reference["controls"]}
    return {
        "search": chosen,
        "exhaustive": reference["chosen"],
        "best": max(transfer, key=lambda recipe: transfer[recipe]),
        "regret": regret(reference, chosen),
        "regret_to_best": 100 * (max(transfer.values()) - scores[chosen]) if chosen in scores else None,
        "seconds": run.wall_s,
    }


def _table(found: Mapping[str, dict[str, Any]]) -> str:
    rows = [
        f"{name:24} {_points(one['regret'])} {_points(one['regret_to_best'])} {one['seconds']:6.0f} s  {one['search']}"
        f"  (exhaustive: {one['exhaustive']})"
        for name, one in found.items()
    ]
    values = [one["regret"] for one in found.values() if one["regret"] is not None]
    if not values:
        return "\n".join([HEADING, *rows, "no choice of a search is in the exhaustive run's panel"])
    low, high = interval(values)
    mean = (
        f"mean excess regret {statistics.mean(values):+.2f} points ({low:+.2f} to {high:+.2f}), {len(values)} data sets; goal .5"
    )
    return "\n".join([HEADING, *rows, mean])


def _points(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{value:+6.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--time", default="2m", help="for each search; empty for none")
    parser.add_argument("--only", choices=("exhaustive", "search"))
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
