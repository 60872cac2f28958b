"""A recipe as a small drawing of the network, from the image on the left to the label on the right.

Colours are variables of the style sheet around it, as in figures; each kind of block also differs in its shape or mark, so that a
drawing reads in gray.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from frostline.errors import RecipeError
from frostline.terms.recipe import Action, Head, HeadKind, Recipe, Weights

HEIGHT, BLOCK, GAP, EDGE = 20.0, 18.0, 3.0, 1.5
BAR, SQUARE = 5.0, 10.0  # of the head: a linear layer, a convolution
PIXELS = 4  # squares along a side

# kind -> (fill, border, dashed, mark)
LOOKS: dict[str, tuple[str, str, bool, bool]] = {
    "frozen": ("ice", "ice-deep", False, False),
    "tuned": ("frost", "frost", False, True),
    "random": ("ember", "ember", False, True),
    "random-frozen": ("ember-soft", "ember-deep", False, False),
    "matched": ("ember", "frost", False, True),
    "matched-frozen": ("ember-soft", "frost", False, False),
    "dropped": ("none", "line-deep", True, False),
}
WORDS = {
    "frozen": "transferred, frozen",
    "tuned": "transferred, then tuned",
    "random": "random at the start, trained",
    "random-frozen": "random, frozen",
    "matched": "random with the pre-trained mean and variance, trained",
    "matched-frozen": "random with the pre-trained mean and variance, frozen",
    "dropped": "cut away",
}
# What a drawing needs of a page's style sheet, for files that stand alone.
STYLE = (
    "svg{--ice:#d9edf7;--ice-deep:#8cc4e2;--frost:#17699a;--ember:#a94c17;--ember-soft:#f8e4d6;--ember-deep:#e0a67f;"
    "--line-deep:#a9bac6;--paper:#fff;--muted:#4d6170}"
    "@media(prefers-color-scheme:dark){svg{--ice:#123a50;--ice-deep:#2d6c8e;--frost:#7fcbf0;--ember:#f0a36e;--ember-soft:#43281a;"
    "--ember-deep:#8a5433;--line-deep:#4a6374;--paper:#111b23;--muted:#9db2c0}}"
)


@dataclass(frozen=True)
class Part:
    """One stage of a drawing; `kind` is a key of `LOOKS`."""

    name: str
    kind: str


def parts_of(line: str, stages: Sequence[str]) -> tuple[Part, ...]:
    """A part for each stage; for each range of the line where its stages are not these. Empty for pixels."""
    recipe = Recipe.parse(line)
    try:
        actions = recipe.actions(stages) if stages else ()
    except RecipeError:  # on finer cuts than the stages
        actions = ()
    if actions:
        return tuple(Part(name, _kind(recipe, action)) for name, action in zip(stages, actions, strict=True))
    return tuple(Part(str(item).partition(":")[0], _kind(recipe, item.action)) for item in recipe.ranges)


def _kind(recipe: Recipe, action: Action) -> str:
    if action is Action.DROP:
        return "dropped"
    if recipe.weights is not Weights.PRETRAINED:
        return f"{recipe.weights.value}-frozen" if action is Action.FREEZE else recipe.weights.value
    return {Action.FREEZE: "frozen", Action.TUNE: "tuned", Action.REINIT: "random"}[action]


def recipe_drawing(line: str, stages: Sequence[str], *, alone: bool = False) -> str:
    """The drawing as an SVG element; empty where the line does not parse.

    Args:
        stages: the backbone's stage names, from the input on.
        alone: for a file of its own: it then brings the colours with it.
    """
    try:
        recipe, parts = Recipe.parse(line), parts_of(line, stages)
    except RecipeError:
        return ""
    if recipe.pixels is not None or recipe.head is None:
        shapes, width = _pixel_shapes(recipe.pixels or "")
        said = f"no network, {recipe.pixels} on raw pixels"
    else:
        shapes, width = _network_shapes(parts, recipe.head)
        said = "; ".join([*(f"{part.name}: {WORDS[part.kind]}" for part in parts), f"head: {recipe.head}, new"])
    return _svg(shapes, width, HEIGHT, said, alone)


def legend(*, alone: bool = False) -> str:
    """What the blocks mean."""
    shown = [kind for kind in LOOKS if not kind.startswith("matched")]
    shapes, x = [], 0.0
    for kind in shown:
        shapes += [_block(x, kind), _words(x + BLOCK + 6, WORDS[kind])]
        x += BLOCK + 18 + 6.4 * len(WORDS[kind])
    shapes += [_head_bar(x, BAR), _words(x + BAR + 6, "new head")]
    return _svg(shapes, x + BAR + 6 + 6.4 * 9, HEIGHT, "legend: " + ", ".join(WORDS[kind] for kind in shown), alone)


def _svg(shapes: Sequence[str], width: float, height: float, said: str, alone: bool) -> str:
    label = html.escape(said, quote=True)
    space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    opening = f'<svg{space} class="drawing" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    style = f"<style>{STYLE}</style>" if alone else ""
    return f'{opening} role="img" aria-label="{label}">{style}{"".join(shapes)}</svg>'


def _network_shapes(parts: Sequence[Part], head: Head) -> tuple[list[str], float]:
    """The blocks in a row, then the head behind the last one that is kept, then what was cut away."""
    kept = [part for part in parts if part.kind != "dropped"]
    shapes, x = [], 0.0
    for part in kept:
        shapes.append(_block(x, part.kind, part.name))
        x += BLOCK + GAP
    taps = [number * (BLOCK + GAP) + BLOCK / 2 for number in range(len(kept))]
    drawn, x = _head_shapes(x + GAP, head, taps)
    shapes += drawn
    x += GAP
    for part in parts:
        if part.kind == "dropped":
            x += GAP
            shapes.append(_block(x, part.kind, part.name))
            x += BLOCK
    return shapes, x if len(kept) < len(parts) else x - GAP


def _head_shapes(x: float, head: Head, taps: Sequence[float]) -> tuple[list[str], float]:
    shapes = []
    if head.kind is HeadKind.ALL_LAYER:
        base = HEIGHT - 0.8
        path = "".join(f"M{tap:g} {HEIGHT - 3:g}V{base:g}" for tap in taps) + f"M{taps[0]:g} {base:g}H{x + BAR / 2:g}"
        shapes.append(f'<path d="{path}" fill="none" stroke="var(--ember)" stroke-width="1.6"/>')
    for _ in range(head.depth if head.kind in (HeadKind.MLP, HeadKind.CONV) else 0):
        wide = BAR if head.kind is HeadKind.MLP else SQUARE
        shapes.append(_head_bar(x, wide))
        x += wide + 2
    shapes.append(_head_bar(x, BAR))
    return shapes, x + BAR


def _head_bar(x: float, width: float) -> str:
    high = HEIGHT - 4 if width == BAR else SQUARE
    top = (HEIGHT - high) / 2
    return f'<rect x="{x:g}" y="{top:g}" width="{width:g}" height="{high:g}" rx="2" fill="var(--ember)"/>'


def _block(x: float, kind: str, name: str = "") -> str:
    fill, border, dashed, marked = LOOKS[kind]
    title = f"<title>{html.escape(f'{name}: {WORDS[kind]}')}</title>" if name else ""
    dash = ' stroke-dasharray="2.5 2"' if dashed else ""
    body = (
        f'<rect x="{x + EDGE / 2:g}" y="{2 + EDGE / 2:g}" width="{BLOCK - EDGE:g}" height="{HEIGHT - 4 - EDGE:g}" rx="3"'
        f' fill="{fill if fill == "none" else f"var(--{fill})"}" stroke="var(--{border})" stroke-width="{EDGE:g}"{dash}/>'
    )
    dot = f'<circle cx="{x + BLOCK / 2:g}" cy="{HEIGHT / 2:g}" r="2.6" fill="var(--paper)"/>' if marked else ""
    return f"<g>{title}{body}{dot}</g>"


def _pixel_shapes(model: str) -> tuple[list[str], float]:
    """A patch of pixels, then what reads them."""
    side = (HEIGHT - 4) / PIXELS
    shapes = []
    for number in range(PIXELS * PIXELS):
        row, column = divmod(number, PIXELS)
        share = 0.15 + 0.7 * ((3 * row + 5 * column + row * column) % 7) / 6
        shapes.append(
            f'<rect x="{column * side:g}" y="{2 + row * side:g}" width="{side:g}" height="{side:g}"'
            f' fill="var(--muted)" fill-opacity="{share:.2f}"/>'
        )
    x = PIXELS * side + 2 * GAP
    shapes += [_head_bar(x, BAR)] if model == "logistic" else [_tree(x)]
    return shapes, x + (BAR if model == "logistic" else 14)


def _tree(x: float) -> str:
    path = f"M{x + 7:g} 4L{x + 3:g} 10M{x + 7:g} 4L{x + 11:g} 10M{x + 3:g} 10L{x + 1:g} 16M{x + 3:g} 10L{x + 6:g} 16"
    path += f"M{x + 11:g} 10L{x + 9:g} 16M{x + 11:g} 10L{x + 13:g} 16"
    return f'<path d="{path}" fill="none" stroke="var(--ember)" stroke-width="1.8" stroke-linecap="round"/>'


def _words(x: float, text: str) -> str:
    return (
        f'<text x="{x:g}" y="{HEIGHT / 2 + 4:g}" font-size="12" font-family="system-ui, sans-serif"'
        f' fill="var(--muted)">{html.escape(text)}</text>'
    )
