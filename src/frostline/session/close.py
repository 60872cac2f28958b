"""Stage 3: decide, fit the chosen recipe and its rivals again on everything that is not sealed, open the test set once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork
from frostline.compute.train import predict
from frostline.compute.trials import as_options, fit_network, pixel_classifier
from frostline.session.clock import TimeUp
from frostline.session.curve import draw_curve
from frostline.session.depth import deepened
from frostline.session.details import detailed
from frostline.session.evidence import gather_evidence
from frostline.session.explanation import explained
from frostline.session.finals import refit_s
from frostline.session.work import Lane, Work
from frostline.stats.decide import DecideSettings, decide
from frostline.stats.detail import label_thresholds, out_of_fold
from frostline.stats.sealed import with_test
from frostline.store.files import require_room
from frostline.store.records import write_evidence, write_predictions, write_results_csv, write_verdict
from frostline.strategy.families import Line
from frostline.terms.curve import CURVE
from frostline.terms.data import Split
from frostline.terms.evidence import Evidence
from frostline.terms.recipe import Family, Recipe
from frostline.terms.result import FloatArray, IntArray, Outcome, Result
from frostline.terms.trial import FIRST, FULL, SEALED, Budget
from frostline.terms.verdict import Row, Verdict

REPORT_S = 8.0  # writing the page and the model
ROOM_TO_CLOSE = 2**20  # bytes: what is seen of the test set must not be lost to a full disk


@dataclass(frozen=True, eq=False)
class Handover:
    """The chosen recipe, fitted on everything that is not sealed: these weights are scored, and these are exported.

    Attributes:
        thresholds: (labels,) above which an image is said to have each, where it may have several; else empty.
    """

    network: TransferNetwork
    lane: Lane
    recipe: Recipe
    configuration: str
    seed: int
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Finished:
    """What a search ends with.

    Attributes:
        handover: None when only controls finished, or when the search was interrupted.
    """

    work: Work
    verdict: Verdict
    evidence: Evidence | None
    handover: Handover | None = None


Keep = Callable[[Work, Verdict, Handover], None]


def verdict_now(work: Work, interim: bool) -> Verdict:
    """The decision on what has finished; the test set stays sealed.

    An interim one may rest on the first rung, before anything has run on all images.
    """
    results, notes = _compared(work), tuple(work.notes)
    if interim and not any(_counts(result, FULL) for result in results) and any(_counts(result, FIRST) for result in results):
        results = [_as_full(result) if _counts(result, FIRST) else result for result in results]
        notes = (f"All this rests on {work.first_images:,} of {len(work.pool):,} images, which came first.", *notes)
    settings = DecideSettings(
        metric=work.settings.metric,
        delta=work.settings.delta,
        seed=work.settings.seed,
        seconds=work.seconds,
        not_run=tuple(dict.fromkeys(work.not_run)),
        notes=notes,
        interim=interim,
    )
    verdict = decide(results, work.truth, work.candidates(), settings)
    return replace(verdict, test_opened_at=work.opened_at)


def _counts(result: Result, rung: str) -> bool:
    return result.trial.budget.rung == rung and result.outcome is Outcome.DONE


def _as_full(result: Result) -> Result:
    """As if the images of the first rung were all that there are."""
    budget = replace(result.trial.budget, rung=FULL, images=None)
    return replace(result, trial=replace(result.trial, budget=budget))


def _compared(work: Work) -> list[Result]:
    """Every result but those of the learning curve, which trained on parts of the images."""
    return [result for result in work.ledger.results if result.trial.budget.rung != CURVE]


def write_down(work: Work, verdict: Verdict) -> None:
    """results.csv, predictions.parquet and verdict.json as they stand."""
    write_results_csv(work.folder.table_path, verdict)
    write_predictions(work.folder.predictions_path, _compared(work), work.dataset, work.truth.numbered().groups)
    write_verdict(work.folder.verdict_path, verdict)


def close(work: Work, keep: Keep) -> Finished:
    """The final verdict, with the test set opened if there is one, after the exported weights were kept."""
    with work.phase("decide"):
        verdict = verdict_now(work, interim=False)
        work.decided = True
        write_down(work, replace(verdict, interim=True))
    draw_curve(work, verdict)
    handover = _refit_chosen(work, verdict)
    if handover is None:
        return _without_model(work, verdict)
    keep(work, verdict, handover)
    with work.phase("gather evidence"):
        evidence = gather_evidence(work, handover.network, handover.lane, handover.recipe, handover.seed)
    write_evidence(work.folder.evidence_path, evidence)
    if work.plan.sealed:
        verdict = _tested(work, verdict, handover)
    verdict = detailed(work, verdict, _tested_rows(verdict), _seen(work, verdict))
    evidence = explained(work, evidence, handover.lane, _line_of(work, verdict.chosen), verdict.chosen, REPORT_S)
    work.checkpoints.clear()  # nobody looks back any more
    evidence = deepened(work, evidence, handover.lane, verdict, REPORT_S)
    write_evidence(work.folder.evidence_path, evidence)
    verdict = _up_to_now(work, verdict)
    write_down(work, verdict)
    return Finished(work, verdict, evidence, handover)


def _without_model(work: Work, verdict: Verdict) -> Finished:
    work.checkpoints.clear()  # there is nothing to look at
    evidence = gather_evidence(work, None, None, None, work.settings.seed)
    write_evidence(work.folder.evidence_path, evidence)
    verdict = _up_to_now(work, detailed(work, verdict, _tested_rows(verdict), {}))
    write_down(work, verdict)
    return Finished(work, verdict, evidence)


def _up_to_now(work: Work, verdict: Verdict) -> Verdict:
    return replace(verdict, seconds=work.seconds, not_run=tuple(dict.fromkeys(work.not_run)))


def _line_of(work: Work, row: Row) -> Line:
    return next(line for line in work.lines() if (line.backbone, str(line.recipe)) == (row.backbone, row.recipe))


def _refit_chosen(work: Work, verdict: Verdict) -> Handover | None:
    line = _line_of(work, verdict.chosen)
    if line.family.control and line.family is not Family.SCRATCH:
        return None  # the verdict says so itself
    with work.phase("refit the chosen recipe"):
        network = _refit(work, line, verdict.chosen.configuration)
    lane, configuration = work.lane(line.backbone), verdict.chosen.configuration
    return Handover(network, lane, line.recipe, configuration, work.settings.seed, _thresholds(work, verdict))


def _thresholds(work: Work, verdict: Verdict) -> tuple[float, ...]:
    """Of each of several labels, fixed on out-of-fold predictions of the chosen recipe."""
    if not work.dataset.several:
        return ()
    return label_thresholds(out_of_fold(work.ledger.results, verdict.chosen, work.plan.splits), work.truth)


def _refit(work: Work, line: Line, configuration: str, reserve_s: float | None = None) -> TransferNetwork:
    """Fitted on everything that is not sealed, as the trials were: same options, same epochs."""
    options = as_options(configuration)
    epochs = int(options.pop("epochs", line.recipe.option("epochs") or 0))
    bench = work.lane(line.backbone).bench
    watch = work.clock.watch(reserve_s)
    return fit_network(bench, line.recipe, options, epochs, work.pool, work.settings.seed, watch).network


def _tested(work: Work, verdict: Verdict, handover: Handover) -> Verdict:
    """`verdict` scored on the sealed images: looked at now, or by an earlier start of this run that decided the same."""
    if work.opened_at is None:
        _open_test(work, verdict, handover)
    seen = _seen(work, verdict)
    if "chosen" not in seen or work.opened_at is None:
        return _opened_before(work, verdict)
    rows, truth = np.asarray(work.plan.sealed, np.int64), work.truth
    tested = {name: (truth.labels[rows], probabilities, truth.groups[rows]) for name, probabilities in seen.items()}
    return with_test(verdict, tested, work.opened_at)


def _open_test(work: Work, verdict: Verdict, handover: Handover) -> None:
    """Look at the sealed images, once: by the chosen model and its rivals, whose predictions are kept as one finished trial."""
    rivals, rows = _rivals(work, verdict, handover), np.asarray(work.plan.sealed, np.int64)
    require_room(work.folder.path, ROOM_TO_CLOSE + 8 * len(rivals) * len(rows) * (1 + work.classes))
    work.opened_at = datetime.now(UTC).isoformat(timespec="seconds")
    work.folder.write_section("opened", work.opened_at)  # before it is looked at
    write_verdict(work.folder.verdict_path, replace(verdict, interim=True, test_opened_at=work.opened_at))
    with work.phase("open the test set", len(rows), "images"):
        predictions = {name: make(rows) for name, make in rivals.items()}
    named = _tested_rows(verdict)
    titles = tuple(_title(name, named[name]) for name in predictions)
    sealed = Split("sealed", 0, 0, work.settings.seed, work.plan.pool, work.plan.sealed)
    trial = work.trial(_line_of(work, verdict.chosen), sealed, titles, Budget(SEALED, work.settings.size, None, 0))
    work.ledger.keep(Result(trial, Outcome.DONE, rows, np.stack(list(predictions.values()))))


def _tested_rows(verdict: Verdict) -> dict[str, Row]:
    """What is tested, by the name under which its score is reported."""
    plain = next((row for row in verdict.rows if row.family == Family.SOFTMAX_ONLY and row.score is not None), None)
    rows = {"chosen": verdict.chosen, "softmax-only": plain, "control": verdict.control}
    return {name: row for name, row in rows.items() if row is not None}


def _title(name: str, row: Row) -> str:
    return f"{name}: {row.backbone} {row.recipe} {row.configuration}"


def _seen(work: Work, verdict: Verdict) -> dict[str, FloatArray]:
    """Name -> (sealed images, classes): what was kept of a look at them, of the very models that `verdict` names."""
    names = {_title(name, row): name for name, row in _tested_rows(verdict).items()}
    for found in work.ledger.found.values():
        if found.trial.budget.rung == SEALED:
            kept = zip(found.trial.configurations, found.probabilities, strict=True)
            seen = {names[title]: probabilities for title, probabilities in kept if title in names}
            if "chosen" in seen:
                return seen
    return {}


def _opened_before(work: Work, verdict: Verdict) -> Verdict:
    """A decision made after the sealed images were seen is scored by cross-validation, which is what `verdict` holds."""
    work.notes.append("The test set had been opened before this decision was made, so it is not opened again.")
    return replace(verdict, notes=(*verdict.notes, work.notes[-1]))


def _rivals(work: Work, verdict: Verdict, handover: Handover) -> dict[str, Callable[[IntArray], FloatArray]]:
    """What predicts the test set: everything is fitted before any test image is looked at."""
    bench = handover.lane.bench
    makers: dict[str, Callable[[IntArray], FloatArray]] = {"chosen": _predictor(bench, handover.network)}
    for name, row in _tested_rows(verdict).items():
        if name == "chosen":
            continue
        if (row.recipe, row.backbone) == (verdict.chosen.recipe, verdict.chosen.backbone):
            makers[name] = makers["chosen"]
            continue
        maker = _rival(work, row)
        if maker is None:
            work.not_run.append(f"The {name} ('{row.recipe}') was not fitted again for the test set: no time.")
        else:
            makers[name] = maker
    return makers


def _rival(work: Work, row: Row) -> Callable[[IntArray], FloatArray] | None:
    line = _line_of(work, row)
    bench = work.lane(line.backbone).bench
    if line.recipe.pixels is not None:
        with work.phase(f"refit {line.family.value}"):
            fitted = pixel_classifier(bench, line.recipe, (row.configuration,), work.pool, work.settings.seed)
        return lambda rows: fitted(rows)[0]
    epochs = int(as_options(row.configuration).get("epochs", 0))
    if epochs and not work.clock.allows(refit_s(work, line, epochs), REPORT_S):
        return None
    try:
        with work.phase(f"refit {line.family.value}"):
            network = _refit(work, line, row.configuration, REPORT_S if epochs else None)
    except TimeUp:
        return None
    return _predictor(bench, network)


def _predictor(bench: Bench, network: TransferNetwork) -> Callable[[IntArray], FloatArray]:
    return lambda rows: predict(network, bench.pixels(), rows, bench.kernels.forward, bench.several)
