"""What more images would buy, in plain words: before the run from its plan, after it from its learning curve."""

from __future__ import annotations

from frostline.report.figures import CurveLine
from frostline.report.numbers import points, points_range, signed_points
from frostline.terms.curve import Crossing, LearningCurve, Overtaking, RecipeCurve
from frostline.terms.plan import Plan
from frostline.terms.quantities import count, plural
from frostline.terms.verdict import IMAGE, Interval

NAMES = {"frozen": "softmax-only", "scratch": "training from scratch"}


def equality_sentence(plan: Plan) -> str:
    """How many images the claim *no practical difference* needs."""
    needed = plural(plan.equality_units, plan.unit)
    return (
        f"To claim no practical difference, within {points(plan.delta, plan.metric)}, takes some {needed} to validate on,"
        " and more where training again would change the scores."
    )


def curve_answer(curve: LearningCurve) -> list[str]:
    """What twice as many images would probably buy, from how many on another way would be better, and how that was found."""
    ordered = sorted(curve.curves, key=lambda one: one.role != "chosen")
    said = [_doubling_words(one, curve, first=one is ordered[0]) for one in ordered]
    said += [crossing_words(item, curve) for item in curve.crossings]
    said.append(
        f"Every size was scored on the same {plural(curve.validation, 'image')}, which no training part contains"
        f"{f' ({plural(curve.units, curve.unit)})' if curve.unit != IMAGE else ''}; smaller parts lie in larger ones,"
        f" {plural(curve.draws, 'draw')} of each."
    )
    return [*said, *curve.notes]


def recipe_name(curve: RecipeCurve) -> str:
    """`softmax-only`, `training from scratch`, `the chosen recipe (whole)`, `tuning (whole)`."""
    other = "the chosen recipe" if curve.role == "chosen" else "tuning"
    return NAMES.get(curve.role, f"{other} ({curve.family})")


def _doubling_words(one: RecipeCurve, curve: LearningCurve, first: bool) -> str:
    name, metric = recipe_name(one), curve.metric
    if one.doubling is not None:
        sizes = f", {count(2 * curve.images)} instead of {count(curve.images)}," if first else ""
        return (
            f"Twice as many training images{sizes} would probably buy"
            f" {name} {points(one.doubling.value, metric)} (95 % interval {points_range(one.doubling, metric)})."
        )
    return f"What twice as many images would buy {name} cannot be read from a curve: {one.reason}{_fall_words(one, metric)}."


def _fall_words(one: RecipeCurve, metric: str) -> str:
    if one.fall is None or len(one.points) < 2:
        return ""
    sizes = f"from {one.points[0].images:,.0f} to {one.points[-1].images:,.0f} images"
    return f" ({sizes} the score changed by {signed_points(one.fall.value, metric)}, {points_range(one.fall, metric)})"


def crossing_words(item: Crossing, curve: LearningCurve) -> str:
    """One sentence on which of two recipes is better at which sizes; nothing beyond twice the images."""
    of = {one.role: one for one in curve.curves}
    first, second = recipe_name(of[item.first]), recipe_name(of[item.second])
    smallest, twice = max(of[role].points[0].images for role in (item.first, item.second)), 2 * curve.images
    if item.answer is Overtaking.WITHIN and item.images is not None:
        low, high = item.images.low, item.images.high
        if item.images.value <= smallest * (1 + 1e-6):
            return (
                f"{_capital(first)} is ahead of {second} at every size, from {smallest:,.0f} training images up to"
                f" {count(twice)}; with 95 % confidence from {_round(high)} on."
            )
        return (
            f"{_capital(first)} overtakes {second} from about {_round(item.images.value)} training images on"
            f" (95 % interval {_round(low)} to {_round(high)})."
        )
    if item.answer is Overtaking.ALWAYS:
        return f"{_capital(first)} is ahead of {second} at every size, from {smallest:,.0f} training images up to {count(twice)}."
    if item.answer is Overtaking.BEYOND:
        return (
            f"{_capital(first)} does not overtake {second} within {count(twice)} training images:"
            " from how many on, if at all, is beyond your data."
        )
    return f"Whether {first} is better than {second} within {count(twice)} training images cannot be told from these curves."


def _round(images: float) -> str:
    """Two digits: more would look more exact than a crossing ever is."""
    return f"{float(f'{images:.2g}'):,.0f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def curve_lines(curve: LearningCurve) -> list[CurveLine]:
    """The curves as the figure draws them: scores instead of errors."""
    return [
        CurveLine(
            one.role,
            "scratch" if one.role == "scratch" else one.family,
            tuple((point.images, _score_of(point.error, curve.metric)) for point in one.points),
            tuple((point.images, _score_of(point.error, curve.metric)) for point in one.band),
        )
        for one in curve.curves
    ]


def _score_of(error: Interval, metric: str) -> Interval:
    best = 0.0 if metric == "log-loss" else 1.0
    return Interval(best - error.value, best - error.high, best - error.low)
