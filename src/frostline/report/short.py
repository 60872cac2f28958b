"""Recipe lines and names cut to fit a column, without losing what tells them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from frostline.errors import RecipeError
from frostline.terms.recipe import Action, HeadKind, Range, Recipe, Weights


def short_recipe(line: str, width: int, stages: Sequence[str] = ()) -> str:
    """The longest of the forms of `line` that fits in `width` characters; at last with `…` in its middle.

    Args:
        stages: all that there are, so that their names can be shortened where the line does not fit as it is typed.
    """
    names = short_stages(stages)
    forms = [line, *(_renamed(form, names) for form in recipe_forms(line)[1:])]
    return next((form for form in forms if len(form) <= width), middle(forms[-1], width))


def short_recipes(lines: Sequence[str], width: int) -> list[str]:
    """Every line in the same form, the longest that fits for all: forms side by side would look like different recipes.

    Where lines do not fit as they are typed, stages go by their short names, as in the figures.
    """
    names = short_stages(sorted({name for line in lines for name in _stages_in(line)}))
    forms = [[line, *(_renamed(form, names) for form in recipe_forms(line)[1:])] for line in lines]
    last = max(map(len, forms), default=1) - 1
    shown = [[of[min(form, len(of) - 1)] for of in forms] for form in range(last + 1)]
    fitting = next((texts for texts in shown if all(len(text) <= width for text in texts)), shown[-1] if shown else [])
    return [middle(text, width) for text in fitting]


def _stages_in(line: str) -> frozenset[str]:
    try:
        return frozenset(Recipe.parse(line).named)
    except RecipeError:
        return frozenset()


def _renamed(text: str, names: Mapping[str, str]) -> str:
    words = re.split(r"([ :,|]+)", text)
    return "".join(names.get(word, word) for word in words)


def short_stages(names: Sequence[str], width: int = 16) -> dict[str, str]:
    """Stage names without what all have in common at their ends: `features.4` for `features.4.squeeze_activation`.

    One that would then be called like another keeps its own name, cut behind: what comes first tells stages apart.
    """
    heads = {name: ".".join(name.split(".")[:2]) for name in dict.fromkeys(names) if name}
    often = Counter([*heads.values(), *(name for name in heads if name != heads[name])])
    return {
        name: head if len(name) > width and often[head] == 1 and head not in heads else _cut(name, width)
        for name, head in heads.items()
    }


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


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
