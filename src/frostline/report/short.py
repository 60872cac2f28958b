"""Recipe lines and names cut to fit a column, without losing what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence

from frostline.errors import RecipeError
from frostline.terms.recipe import Action, HeadKind, Range, Recipe, Weights


def short_recipe(line: str, width: int) -> str:
    """The longest of the forms of `line` that fits in `width` characters; at last with `…` in its middle."""
    forms = recipe_forms(line)
    return next((form for form in forms if len(form) <= width), middle(forms[-1], width))


def recipe_forms(line: str) -> list[str]:
    """`line` ever shorter: as it is, ranges named by their last stage, a linear head left unsaid."""
    try:
        recipe = Recipe.parse(line)
    except RecipeError:
        return [line]
    if recipe.pixels is not None or recipe.head is None:
        return [line]
    head = "" if recipe.head.kind is HeadKind.LINEAR else str(recipe.head)
    weights = "" if recipe.weights is Weights.PRETRAINED else f"{recipe.weights.value}:"
    named = _ranges(recipe.ranges, verbose=True)
    brief = _ranges(recipe.ranges, verbose=False)
    return [
        line,
        _joined(weights, named, str(recipe.head)),
        _joined(weights, named, head),
        _joined(weights, brief, head),
    ]


def _joined(weights: str, parts: list[str], head: str) -> str:
    body = ", ".join([*parts, *([head] if head else [])])
    return f"{weights} {body}".strip()


def _ranges(ranges: tuple[Range, ...], verbose: bool) -> list[str]:
    """`to layer3 freeze`, `rest tune`; brief: `to layer3` alone before a dropped rest."""
    dropped = len(ranges) > 1 and ranges[-1].action is Action.DROP
    parts = []
    for position, item in enumerate(ranges):
        last = position == len(ranges) - 1
        if last and dropped and not verbose:
            continue
        action = "" if dropped and not verbose and item.action is Action.FREEZE else item.action.value
        parts.append(f"{_where(item, position, last, verbose)} {action}".strip())
    return parts


def _where(item: Range, position: int, last: bool, verbose: bool) -> str:
    if last and position > 0 and not (verbose and item.first == item.last):
        return "rest"
    if item.first == item.last:
        return item.first
    return f"to {item.last}" if position == 0 else f"{item.first} .. {item.last}"


def middle(text: str, width: int) -> str:
    """`text` in at most `width` characters, both ends kept."""
    if len(text) <= width:
        return text
    if width < 5:
        return text[: max(width, 0)]
    right = (width - 1) // 2
    return f"{text[: width - 1 - right]}…{text[-right:]}"


def short_backbones(names: Sequence[str]) -> dict[str, str]:
    """Names without their library where that leaves them different: `mobilenet_v2` for `torchvision/mobilenet_v2`."""
    tails = {name: name.rpartition("/")[2] or name for name in names}
    unique = len(set(tails.values())) == len(tails)
    return tails if unique else {name: name for name in names}
