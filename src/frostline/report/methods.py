"""The methods paragraph of a paper, ready to paste: what this run did, in the past tense, with its own numbers."""

from __future__ import annotations

from frostline.report.facts import RunFacts
from frostline.report.numbers import listed, metric_name, points
from frostline.report.words import CONTROLS, budget_caveat, score_words
from frostline.strategy.families import Line
from frostline.terms.candidate import TUNED
from frostline.terms.quantities import count, plural, plural_of
from frostline.terms.recipe import Family, Recipe
from frostline.terms.settings import Settings
from frostline.terms.verdict import IMAGE, NOT_AT_FULL_SIZE, STOPPED_IN_SCREENING, STOPPED_ON, Row, Verdict

FOR_WANT_OF_TIME = (NOT_AT_FULL_SIZE, STOPPED_ON, STOPPED_IN_SCREENING)

KINDS = {
    "folds": "stratified cross-validation in {0} folds",
    "repeated-folds": "stratified cross-validation, {0} folds in all from repeats with new seeds",
    "hold-outs": "{0} stratified hold-outs of a fifth each, with different seeds",
    "own-validation": "the given validation set, {1} images",
}


def methods(verdict: Verdict, settings: Settings, facts: RunFacts) -> str:
    """One paragraph: data and splits, what was compared, how it was decided, and what was not done."""
    said = [
        _data(facts),
        _splits(verdict, facts),
        _compared(verdict, settings),
        _controls(verdict),
        _training(verdict),
        _decided(verdict, facts),
        _claims(verdict, facts),
        _registered(facts),
        _tested(verdict, facts),
        _left_out(verdict),
        _software(facts, settings),
    ]
    return " ".join(sentence for sentence in said if sentence)


def _data(facts: RunFacts) -> str:
    classes = listed([f"{item.name} ({count(item.total)})" for item in facts.classes])
    groups = f" from {plural(facts.groups, 'group')} (such as patients), none of which was split" if facts.groups else ""
    several = "; each may have several labels" if facts.counted is not None else ""
    return f"We used {plural(facts.images, 'image')}{groups}{several}: {classes}."


def _splits(verdict: Verdict, facts: RunFacts) -> str:
    sealed = {
        "rule": f"A stratified fifth ({plural(facts.sealed, 'image')}) was set aside by rule as a test set before the search;",
        "user": f"The given test set ({plural(facts.sealed, 'image')}) scored no model until the decision had been made;",
        "none": "The data were too few to set a test set aside;",
    }[facts.sealed_by]
    if facts.split_kind == "own-validation" and facts.sealed_by == "none":
        sealed = "There was no test set beside the given validation set;"
    held = facts.folds[0].validation if facts.folds else 0
    kind = KINDS.get(facts.split_kind, "{0} splits").format(len(facts.folds), count(held))
    used = max((row.folds for row in verdict.rows), default=0)
    part = f" ({used} of them were run)" if 0 < used < len(facts.folds) else ""
    fewer = any(row.score is not None and row.folds < used for row in verdict.rows)
    same = (
        "on those of the best one, and for a claim on those that its two leading recipes share" if fewer else "the same for all"
    )
    return f"{sealed} recipes were compared by {kind}{part}, {same}, so that every difference is paired."


def _compared(verdict: Verdict, settings: Settings) -> str:
    ran = [row for row in verdict.rows if row.score is not None]
    backbones = list(dict.fromkeys(row.backbone for row in verdict.rows if row.backbone))
    names = listed([*backbones, *(["raw pixels"] if any(not row.backbone for row in ran) else [])])
    screened = [row for row in verdict.rows if row.status == "screened"]
    behind = sum(not _trained(row) for row in screened)
    late = sum(any(f"'{row.recipe}' {why}" in said for said in verdict.not_run for why in FOR_WANT_OF_TIME) for row in screened)
    also = _further(len(screened) - behind - late, "dropped by successive halving")
    also += _further(late, "screened, and not run at full size for want of time")
    also += _further(behind, "clearly behind another one of the same family on a part of the images, and left out")
    return (
        f"{plural(len(ran), 'recipe')} for {names or 'no network'} at {settings.size} x {settings.size} pixels ran at full size"
        f" on at least one split{also}."
    )


def _trained(row: Row) -> bool:
    """Its trunk, or a head through feature maps: such recipes are screened by training, others on a part of the images."""
    return Line(row.backbone, Recipe.parse(row.recipe), Family(row.family)).deep


def _further(number: int, what: str) -> str:
    return f"; {plural(number, 'further one')} {'was' if number == 1 else 'were'} {what}" if number else ""


def _controls(verdict: Verdict) -> str:
    ran = dict.fromkeys(row.family for row in verdict.rows if row.family in CONTROLS and row.score is not None)
    if not ran:
        return "No control without pre-trained features was run."
    return f"Controls without pre-trained features were {listed([CONTROLS[name] for name in ran])}."


def _training(verdict: Verdict) -> str:
    said = "Regularisation and learning rates were chosen for each recipe and control alike"
    tuned = {family.value for family in TUNED} & {row.family for row in verdict.rows if row.score is not None}
    if not tuned:
        return f"{said}; no stage of a pre-trained network was trained."
    return (
        f"{said}; tuned recipes started from the head fitted on frozen features (Kumar et al. 2022), and normalisation in frozen"
        " stages kept its pre-trained statistics."
    )


def _decided(verdict: Verdict, facts: RunFacts) -> str:
    labels = f" (the mean over {len(facts.classes)} labels, each on the images whose answer is known)"
    over = labels if facts.counted is not None else ""
    return (
        f"The primary metric was {metric_name(verdict.metric)}{over}, computed in each split and averaged. By a rule"
        f" fixed in advance the simplest recipe whose mean was at most {points(verdict.delta, verdict.metric)} below the best was"
        " chosen, and the best recipe where a control led by more."
    )


def _claims(verdict: Verdict, facts: RunFacts) -> str:
    stratum = "class" if facts.counted is None else "the rarest label that they have"
    unit = plural_of(next((claim.comparison.unit for claim in verdict.claims if claim.comparison), IMAGE))
    family = " (stage by stage: Holm 1979)" if any(claim.claim.startswith("stage-") for claim in verdict.claims) else ""
    return (
        f"Intervals (95 %) and claims come from a bootstrap over {unit}, stratified by {stratum}, that repeats the whole choice"
        " in every replicate and measures it on what was not drawn (after Tsamardinos et al. 2018), with the variance between"
        f" repeats added; a claim needed a probability of .95{family}."
    )


def _registered(facts: RunFacts) -> str:
    if len(facts.registered) != 2:
        return ""
    digest, at = facts.registered
    return f"Recipes, metric, splits and rule were recorded before the first result (plan.json, {at}, SHA-256 {digest})."


def _tested(verdict: Verdict, facts: RunFacts) -> str:
    scored = f"The chosen recipe reached {score_words(verdict.score)}"
    if verdict.score.how == "sealed-test":
        return f"{scored}; the models tested were trained on everything outside the test set."
    if facts.sealed and verdict.test_opened_at is None:
        return f"{scored}; the test set is still sealed."
    return f"{scored}."


def _left_out(verdict: Verdict) -> str:
    missing = [row for row in verdict.rows if row.status in ("not-run", "failed")]
    said = f"{plural(len(missing), 'planned recipe')} did not run or failed ({listed(_families(missing))})." if missing else ""
    caveats = [budget_caveat(claim) for claim in verdict.claims if claim.claim == "pretraining-helps"]
    return " ".join([said, *(f"What is said of pre-training holds {caveat}." for caveat in caveats if caveat)]).strip()


def _families(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.family for row in rows))


def _software(facts: RunFacts, settings: Settings) -> str:
    known = dict(facts.versions)
    names = [f"{name} {known[name]}" for name in ("frostline", "torch", "timm", "scikit-learn") if name in known]
    return f"Software: {', '.join(names)}; seed {settings.seed}." if names else f"Seed {settings.seed}."
