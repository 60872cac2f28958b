"""The default panel: every family of recipes on a backbone's stages, cheapest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frostline.terms.recipe import Family, Recipe, family

MLP_WIDTHS = (256, 512)
CONV_HEAD = "conv(256)x2"
DEEPEST = 3  # how many depths of tuning and of truncated conv heads are tried


@dataclass(frozen=True)
class Line:
    """A line of the panel.

    Attributes:
        backbone: name; empty for pixels, which need none.
    """

    backbone: str
    recipe: Recipe
    family: Family

    @property
    def deep(self) -> bool:
        """Trained by gradient descent through feature maps: screened before it may be a finalist."""
        head = self.recipe.head
        conv = head is not None and head.kind.value == "conv"
        tuned = any(item.action.value in ("tune", "reinit") for item in self.recipe.ranges)
        return conv or tuned


def panel(backbone: str, stages: Sequence[str], maps: Sequence[str]) -> list[Line]:
    """The lines for one backbone.

    Args:
        stages: names in order; any number from one up.
        maps: those after which there is a feature map, so that a conv head can follow.
    """
    texts = [
        *_random_features(stages),
        "all: freeze | head: linear",
        "all: freeze | head: all-layer",
        *_truncated(stages, stages[:-1], "linear"),
        *(f"all: freeze | head: mlp({width})" for width in MLP_WIDTHS),
        *([f"all: freeze | head: {CONV_HEAD}"] if stages[-1] in maps else []),
        *_truncated(stages, [name for name in stages[:-1][-DEEPEST:] if name in maps], CONV_HEAD),
        *(_deeper(stages, start, "tune", "linear") for start in range(max(1, len(stages) - DEEPEST), len(stages))),
        *(_deeper(stages, start, "reinit", "linear") for start in range(max(1, len(stages) - 2), len(stages))),
        *_single(stages),
        *([_deeper(stages, len(stages) - 1, "tune", f"mlp({MLP_WIDTHS[0]})")] if len(stages) > 1 else []),
        "all: tune | head: linear",
        "weights: matched | all: tune | head: linear",
        "weights: random | all: tune | head: linear",
    ]
    recipes = [Recipe.parse(text) for text in dict.fromkeys(texts)]
    return [Line(backbone, recipe, family(recipe, stages)) for recipe in recipes]


def pixel_lines(asked: Sequence[str] = ()) -> list[Line]:
    """The two pixel controls, once a run; of recipes that were asked for those that are among them."""
    every = [Line("", Recipe.parse(f"pixels: {kind}"), Family.PIXELS) for kind in ("logistic", "forest")]
    wanted = {str(Recipe.parse(text)) for text in asked}
    return [line for line in every if not asked or str(line.recipe) in wanted]


def _span(stages: Sequence[str]) -> str:
    return stages[0] if len(stages) == 1 else f"{stages[0]} .. {stages[-1]}"


def _kept(stages: Sequence[str], last: str) -> str:
    """`a .. last: freeze | next .. z: drop`."""
    end = list(stages).index(last) + 1
    if end == len(stages):
        return "all: freeze"
    return f"{_span(stages[:end])}: freeze | {_span(stages[end:])}: drop"


def _truncated(stages: Sequence[str], after: Sequence[str], head: str) -> list[str]:
    return [f"{_kept(stages, name)} | head: {head}" for name in after]


def _random_features(stages: Sequence[str]) -> list[str]:
    return [f"weights: random | {_kept(stages, name)} | head: linear" for name in stages]


def _deeper(stages: Sequence[str], start: int, action: str, head: str) -> str:
    return f"{_span(stages[:start])}: freeze | {_span(stages[start:])}: {action} | head: {head}"


def _single(stages: Sequence[str]) -> list[str]:
    """The first stage alone, and the middle one: X-rays differ from photographs at the input (Lee 2022)."""
    if len(stages) < 3:
        return []
    middle = (len(stages) - 1) // 2
    first = f"{stages[0]}: tune | {_span(stages[1:])}: freeze | head: linear"
    inner = f"{_span(stages[:middle])}: freeze | {stages[middle]}: tune | {_span(stages[middle + 1 :])}: freeze | head: linear"
    return [first, inner]
