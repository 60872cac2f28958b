"""Plain sentences made from values, never stronger than the evidence behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from frostline.errors import RecipeError
from frostline.report.numbers import listed, metric_name, points, points_range, score, score_range
from frostline.report.ranking import is_control
from frostline.terms.quantities import count, plural, plural_of
from frostline.terms.recipe import Action, Head, HeadKind, Range, Recipe, Weights
from frostline.terms.verdict import IMAGE, NOT_AT_FULL_SIZE, STOPPED_ON, Claim, Comparison, Row, Score, Verdict, Word

# claim -> verdict word -> the first half of its sentence. The closed list of claims; {0} and {1} are names in the claim.
LEADS: dict[str, dict[Word, str]] = {
    "pretraining-helps": {
        Word.HELPS: "pre-training helps",
        Word.NO_DIFFERENCE: "pre-training makes no practical difference",
        Word.HARMS: "pre-training harms",
        Word.UNDETERMINED: "whether pre-training helps is undetermined",
    },
    "tuning-beats-freezing": {
        Word.HELPS: "tuning beats freezing",
        Word.NO_DIFFERENCE: "tuning instead of freezing makes no practical difference",
        Word.HARMS: "tuning does worse than freezing",
        Word.UNDETERMINED: "whether tuning beats freezing is undetermined",
    },
    "stage": {
        Word.HELPS: "stage {0} is worth transferring",
        Word.NO_DIFFERENCE: "transferring stage {0} makes no practical difference",
        Word.HARMS: "transferring stage {0} harms",
        Word.UNDETERMINED: "whether stage {0} is worth transferring is undetermined",
    },
    "source": {
        Word.HELPS: "source {0} beats {1}",
        Word.NO_DIFFERENCE: "between the sources {0} and {1} there is no practical difference",
        Word.HARMS: "source {0} does worse than {1}",
        Word.UNDETERMINED: "whether source {0} beats {1} is undetermined",
    },
}
_LEADING_ZERO = re.compile(r"(?<![\d.])0\.(?=\d)")  # scores are written .987 everywhere
_NAMED = {"stage": r"stage-(.+)-worth-transferring", "source": r"source-(.+)-beats-(.+)"}

HOW: dict[str, str] = {
    "sealed-test": "measured once, after the decision, on {images} of the sealed test set",
    "hold-out-corrected": "measured on {images} held out for validation and corrected for having chosen among recipes there",
    "cross-validation": "estimated by cross-validation on {images}",
}

HOW_SHORT: dict[str, str] = {
    "sealed-test": "sealed test set",
    "hold-out-corrected": "hold-out, corrected for the choice among recipes",
    "cross-validation": "cross-validated, corrected for the choice among recipes",
}
OVER_FOLDS = "mean over the folds, corrected for the choice among settings only"

ACTIONS: dict[Action, str] = {
    Action.FREEZE: "keep {0} frozen",
    Action.TUNE: "tune {0}",
    Action.REINIT: "re-initialise {0} and train it",
    Action.DROP: "drop {0}",
}

CONTROLS: dict[str, str] = {
    "pixels": "raw pixels",
    "random-features": "frozen random features",
    "random-matched": "training from random weights with the pre-trained mean and variance",
    "scratch": "training from scratch",
}

SMALL = {2: "two", 3: "three", 4: "four", 5: "five"}


# --- recipes ---------------------------------------------------------------------------------------------------------


def recipe_words(recipe_line: str, family: str) -> str:
    """`keep everything up to layer3 frozen, tune layer4, new softmax`; a line that does not parse comes back as it is."""
    try:
        recipe = Recipe.parse(recipe_line)
    except RecipeError:
        return recipe_line
    if recipe.pixels is not None:
        model = "a forest of random trees" if recipe.pixels == "forest" else "logistic regression"
        return f"no network: {model} on raw pixels"
    assert recipe.head is not None
    if recipe.weights is not Weights.PRETRAINED or family == "scratch":
        return f"{_random_words(recipe)}, {head_words(recipe.head)}"
    parts = [_range_words(item, recipe.ranges) for item in recipe.ranges]
    return ", ".join([*parts, head_words(recipe.head)])


def head_words(head: Head) -> str:
    """`new softmax`, or what is new before it."""
    if head.kind is HeadKind.LINEAR:
        return "new softmax"
    if head.kind is HeadKind.ALL_LAYER:
        return "new softmax on the pooled features of every kept stage"
    noun = "hidden layer" if head.kind is HeadKind.MLP else "convolution"
    unit = "units" if head.kind is HeadKind.MLP else "channels"
    if head.depth == 1:
        return f"one new {noun} of {head.width} {unit} and a new softmax"
    return f"{SMALL.get(head.depth, str(head.depth))} new {noun}s of {head.width} {unit} and a new softmax"


def _random_words(recipe: Recipe) -> str:
    matched = recipe.weights is Weights.MATCHED
    weights = "random weights with the pre-trained mean and variance" if matched else "random weights"
    actions = {item.action for item in recipe.ranges}
    if actions == {Action.FREEZE}:
        return f"keep the whole network frozen at {weights}"
    if not actions & {Action.FREEZE, Action.DROP}:
        return f"train the whole network from {weights}"
    parts = [_range_words(item, recipe.ranges) for item in recipe.ranges]
    return f"start from {weights}, " + ", ".join(parts)


def _range_words(item: Range, ranges: tuple[Range, ...]) -> str:
    if item.first == item.last == "all":
        return ACTIONS[item.action].format("the whole network")
    if item.first == item.last:
        return ACTIONS[item.action].format(item.first)
    if item is ranges[0] and len(ranges) > 1:
        return ACTIONS[item.action].format(f"everything up to {item.last}")
    if item is ranges[-1] and len(ranges) > 1:
        return ACTIONS[item.action].format(f"everything from {item.first} on")
    return ACTIONS[item.action].format(f"{item.first} to {item.last}")


def row_name(row: Row) -> str:
    """A short noun phrase for a row: `training from scratch`, `truncated (stem .. layer2: freeze | ...)`."""
    if row.family in CONTROLS:
        return CONTROLS[row.family]
    return f"{row.family} ({row.recipe})"


def side_name(text: str) -> str:
    """One side of a comparison in words: a control is named, another recipe line is quoted, anything else is kept.

    Where a run has several backbones the line is followed by its backbone: `all: tune | head: linear (timm/resnet18)`.
    """
    line, backbone = _line_and_backbone(text)
    where = f" on {backbone}" if backbone else ""
    try:
        recipe = Recipe.parse(line)
    except RecipeError:
        return text
    if recipe.pixels is not None:
        return "raw pixels"
    if recipe.weights is Weights.PRETRAINED:
        return f"'{line}'{where}"
    if all(item.action in (Action.FREEZE, Action.DROP) for item in recipe.ranges):
        return CONTROLS["random-features"] + where
    return CONTROLS["random-matched" if recipe.weights is Weights.MATCHED else "scratch"] + where


def _line_and_backbone(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+) \((.+)\)", text)
    return (match[1], match[2]) if match else (text, "")


# --- claims ----------------------------------------------------------------------------------------------------------


def claim_lead(claim: Claim) -> str:
    """What the claim says, without numbers: `stage layer2 is worth transferring`."""
    if claim.claim in LEADS:
        return LEADS[claim.claim][claim.verdict]
    for kind, pattern in _NAMED.items():
        match = re.fullmatch(pattern, claim.claim)
        if match:
            return LEADS[kind][claim.verdict].format(*match.groups())
    return f"{claim.claim}: {claim.verdict.value}"


def claim_sentence(claim: Claim, metric: str, delta: float | None = None, against: str = "") -> str:
    """One sentence that says the claim, the difference with its interval, and against what.

    Args:
        delta: the run's; named where there is no practical difference.
        against: words for the other side, instead of those made from the comparison.
    """
    if claim.verdict is Word.UNDETERMINED:
        return _undetermined(claim, metric, against)
    caveat = budget_caveat(claim)
    lead = f"At this budget {claim_lead(claim)}" if caveat else _capital(claim_lead(claim))
    parts = [_evidence(claim, claim.comparison, metric, delta, against)] if claim.comparison else []
    return f"{': '.join([lead, *parts])}{_after(caveat)}."


def budget_caveat(claim: Claim) -> str:
    """Why the claim holds for this budget only (scratch short of its plateau), with these words in front; else empty."""
    start = claim.reason.lower().find("at this budget")
    return claim.reason[start:].rstrip(".") if start >= 0 else ""


def _after(caveat: str) -> str:
    """The caveat without its first words, which stand in front of the sentence."""
    said = caveat[len("at this budget") :].lstrip(": ")
    return f"; {said}" if said else ""


def _evidence(claim: Claim, comparison: Comparison, metric: str, delta: float | None, against: str) -> str:
    interval = f"95 % interval {points_range(comparison.difference, metric)}"
    text = f"{_compared(comparison, metric, against)}, corrected for the choice ({interval})"
    if claim.verdict is Word.NO_DIFFERENCE and delta is not None:
        text += f", within the {points(delta, metric)} that count as no difference"
    return text


def _compared(comparison: Comparison, metric: str, against: str) -> str:
    """`2.3 points of AUROC better than training from scratch`."""
    direction = "better" if comparison.difference.value >= 0 else "worse"
    size = f"{points(comparison.difference.value, metric)} of {metric_name(metric)}"
    return f"{size} {direction} than {against or side_name(comparison.second)}"


def _undetermined(claim: Claim, metric: str, against: str) -> str:
    lead, caveat = _capital(claim_lead(claim)), budget_caveat(claim)
    if claim.comparison is None:
        return f"{lead}: {claim.reason.rstrip('.') or 'nothing was run that could decide it'}."
    text = (
        f"{lead}: {_compared(claim.comparison, metric, against)}, corrected for the choice, "
        f"but the 95 % interval is {points_range(claim.comparison.difference, metric)}"
    )
    return f"{text}; {needed_words(claim)}{f'; {caveat}' if caveat else ''}."


def needed_words(claim: Claim) -> str:
    """What would decide an undetermined claim, or why that cannot be said."""
    if claim.needed_images is not None:
        unit = claim.comparison.unit if claim.comparison else IMAGE
        alike = "" if unit == IMAGE else f", with more {plural_of(unit)} in proportion,"
        return f"about {count(claim.needed_images)} validated images{alike} would probably decide it"
    caveat = budget_caveat(claim)
    reason = claim.reason.rstrip(".").removesuffix(caveat).rstrip("; ") or "no estimate was possible"
    return f"how many images would decide it cannot be said ({reason})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the verdict -----------------------------------------------------------------------------------------------------


def summary(verdict: Verdict) -> list[str]:
    """The verdict: what must be said first, if anything; which recipe; whether pre-training helped; what is open."""
    first = [_sentence(_LEADING_ZERO.sub(".", verdict.first_words))] if verdict.first_words else []
    if verdict.interim:
        sealed = "" if verdict.test_opened_at else ", and no test image has been looked at"
        first.append(f"Interim: the search is not finished{sealed}; this may change.")
    return [*first, use_sentence(verdict), pretraining_sentence(verdict), open_sentence(verdict)]


def use_sentence(verdict: Verdict) -> str:
    """Which recipe to use, its score with the interval, and how that was measured."""
    chosen = verdict.chosen
    start = "So far the choice is to" if verdict.interim else "Use this recipe:"
    where = f" on {chosen.backbone}" if chosen.backbone else ""
    what = recipe_words(chosen.recipe, chosen.family)
    return f"{start} {what}{where}; {score_words(verdict.score)}{_unsealed(verdict)}."


def score_words(value: Score) -> str:
    """`AUROC .968 (95 % interval .959 to .976), measured once, ...`."""
    how = HOW.get(value.how, f"{value.how} on {{images}}").format(images=plural(value.images, "image"))
    number = f"{metric_name(value.metric)} {score(value.interval.value, value.metric)}"
    return f"{number} (95 % interval {score_range(value.interval, value.metric)}), {how}"


def _unsealed(verdict: Verdict) -> str:
    """Why the score is not a sealed test's, where that is not plain."""
    if verdict.score.how == "sealed-test" or verdict.interim:
        return ""
    if verdict.test_opened_at is not None:
        return "; the test set had been opened before this decision, so it does not count for it"
    return "; there was no sealed test set"


def pretraining_sentence(verdict: Verdict) -> str:
    """Whether pre-training helped: difference, interval, control."""
    claim = next((item for item in verdict.claims if item.claim == "pretraining-helps"), None)
    if claim is None:
        return "Nothing is claimed about whether pre-training helps" + (
            ": no control finished." if verdict.control is None else "."
        )
    against = f"the best control, {side_name(claim.comparison.second)}" if claim.comparison else ""
    return claim_sentence(claim, verdict.metric, verdict.delta, against)


def open_sentence(verdict: Verdict) -> str:
    """What was not distinguishable, and what was not run."""
    return f"{_tied_words(verdict)}; {_not_run_words(verdict)}."


def _tied_words(verdict: Verdict) -> str:
    if not verdict.tied:
        others = [row for row in verdict.rows if row.score is not None and row.status != "chosen"]
        alone = "No other recipe was run in full"
        return "The evidence distinguishes it from every other recipe that was run in full" if others else alone
    recipes, controls = tied_kinds(verdict)
    parts = []
    if recipes:
        parts.append(f"{plural(len(recipes), 'recipe')} ({_some(list(dict.fromkeys(recipes)))})")
    if controls:
        parts.append(f"{plural(len(controls), 'control')} ({_some(list(dict.fromkeys(controls)))})")
    return f"Not distinguishable from it: {' and '.join(parts)}"


def tied_kinds(verdict: Verdict) -> tuple[list[str], list[str]]:
    """Families of the recipes that are tied with the chosen one: (those that could be handed over, controls)."""
    rows = {name: row for row in verdict.rows for name in (row.recipe, f"{row.recipe} ({row.backbone})")}
    tied = [rows[line] for line in verdict.tied if line in rows]
    return [row.family for row in tied if not is_control(row)], [row.family for row in tied if is_control(row)]


def _not_run_words(verdict: Verdict) -> str:
    rows = [row for row in verdict.rows if row.status == "not-run"]
    names = list(dict.fromkeys(row.family for row in rows))
    if rows:
        return f"not run: {plural(len(rows), 'recipe')} ({_some(names)})"
    screened = [row for row in verdict.rows if row.status == "screened"]
    if verdict.not_run and screened:
        families = list(dict.fromkeys(row.family for row in screened))
        said = f"screened only, on smaller or fewer images: {plural(len(screened), 'recipe')} ({_some(families)})"
        return f"{said}; {_first(verdict.not_run)}"
    if verdict.not_run:
        return f"not run: {_first(verdict.not_run)}"
    ran = [row for row in verdict.rows if row.score is not None]
    fewer = [row for row in ran if row.folds < max(one.folds for one in ran)]
    if fewer:
        families = list(dict.fromkeys(row.family for row in fewer))
        return f"run on fewer folds than the others: {plural(len(fewer), 'recipe')} ({_some(families)})"
    return "nothing that was planned was left out"


def _first(sentences: Sequence[str]) -> str:
    """One of them, how a recipe fared at full size before how the others did, and how many more there are."""
    late = [sentence for sentence in sentences if NOT_AT_FULL_SIZE in sentence or STOPPED_ON in sentence]
    more = len(sentences) - 1
    return (late or sentences)[0].rstrip(".") + (f", and {more} more" if more else "")


def _some(names: list[str], most: int = 3) -> str:
    """At most `most` names; how many more there are is said."""
    if len(names) <= most:
        return listed(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if text.endswith((".", "!", "?")) else f"{text}."
