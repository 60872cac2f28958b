"""Writes the documents that are made from code and from real runs, and their pictures.

python docs/make.py recipes              docs/recipes.md and its drawings
python docs/make.py why RUN [RUN ...]    docs/why-transfer-works.md, its pictures and numbers, from finished runs
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from frostline.report.drawing import legend, recipe_drawing
from frostline.report.words import recipe_words
from frostline.strategy.families import Line, panel, pixel_lines

DOCS = Path(__file__).parent
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")  # of a ResNet
EXAMPLE = "timm/resnet18"

# The learner's six ways, then what is compared with them: (title, what it says, families)
GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Replace only the softmax",
        "Everything that was learned before stays; only the last layer is new.",
        ("softmax-only", "all-layer"),
    ),
    (
        "Freeze the earlier layers, retrain or replace the deeper ones",
        "`tune` goes on from the transferred weights; `reinit` starts the stage from random ones, to see whether they were worth"
        " anything.",
        ("deeper-tuned", "deeper-replaced", "single-stage"),
    ),
    ("Retrain the whole network", "The transferred weights are no more than a start.", ("whole",)),
    ("Freeze everything and add new layers", "New layers learn what the old ones do not say.", ("new-layers",)),
    ("Add new layers and unfreeze some of the old ones", "Both together.", ("new-layers+unfreeze",)),
    (
        "Keep only the first stages",
        "Lines, curves and edges are common to all images, a cat's ear is not: what comes after them is cut away, and the model"
        " is smaller and faster.",
        ("truncated",),
    ),
    (
        "Controls: no pre-trained features",
        "What any of the above has to beat. A network that does not beat raw pixels has not helped; one that does not beat random"
        " weights owes nothing to what was learned before.",
        ("pixels", "random-features", "random-matched", "scratch"),
    ),
)


def recipes_page() -> str:
    """The text of docs/recipes.md."""
    lines = [*panel(EXAMPLE, STAGES, STAGES), *pixel_lines()]
    parts = [
        "# Recipes, drawn",
        "<!-- made by `make docs`: change docs/make.py instead -->",
        "",
        "A recipe says what happens to each stage of a pre-trained network, and what is new behind it. Here is the whole default"
        f" panel for a network of five stages (`{EXAMPLE}`): the image comes in on the left, the label goes out on the right."
        " `frostline plan DATA -b NAME` lists it for your network, the report draws it in the same way.",
        "",
        "![What the blocks mean](pictures/recipes/legend.svg)",
        "",
    ]
    for title, said, families in GROUPS:
        chosen = [line for name in families for line in lines if line.family.value == name]
        parts += [f"## {title}", "", said, "", *_table(chosen), ""]
    parts += [
        "## Written by hand",
        "",
        "Every stage has exactly one action; `drop` only at the end. Any cut that `frostline stages NAME --all` shows may be"
        " named in place of a stage. What `train:` does not say is the search's to choose:",
        "",
        "```text",
        'recipe  = [ "weights:" ("pretrained"|"random"|"matched") "|" ] action { "|" action } "|" "head:" head',
        '          [ "|" "train:" option { option } ]',
        'action  = range ":" ("freeze"|"tune"|"reinit"|"drop")        range = "all" | stage [ " .. " stage ]',
        'head    = "linear" | "all-layer" | "mlp(" width ")" | "conv(" width ")" [ "x" depth ]',
        'pixels  = "pixels:" ("forest"|"logistic")',
        "```",
        "",
        "`matched` weights are random with the mean and the variance of the pre-trained ones: they separate what pre-training"
        " does for the scale of the weights from what it does for their patterns.",
        "",
    ]
    return "\n".join(parts)


def _table(lines: Sequence[Line]) -> list[str]:
    rows = ["| drawing | recipe | in words |", "|---|---|---|"]
    for line in lines:
        said = recipe_words(str(line.recipe), line.family.value)
        text = str(line.recipe).replace("|", "\\|")
        rows.append(f"| ![{said}](pictures/recipes/{file_name(str(line.recipe))}) | `{text}` | {said} |")
    return rows


def file_name(recipe: str) -> str:
    """A name that only letters, digits and dashes are in."""
    words = "".join(one if one.isalnum() or one == "." else " " for one in recipe.replace(" .. ", " to ")).split()
    return f"{'-'.join(words)}.svg"


def recipe_pictures() -> dict[str, str]:
    """File name -> SVG."""
    lines = [*panel(EXAMPLE, STAGES, STAGES), *pixel_lines()]
    drawn = {file_name(str(line.recipe)): recipe_drawing(str(line.recipe), STAGES, alone=True) for line in lines}
    return drawn | {"legend.svg": legend(alone=True)}


def write_recipes(docs: Path) -> None:
    (docs / "recipes.md").write_text(recipes_page(), encoding="utf-8")
    _write(docs / "pictures" / "recipes", recipe_pictures().items())


def _write(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files:
        (folder / name).write_text(text.rstrip() + "\n", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    if list(words) == ["recipes"]:
        write_recipes(DOCS)
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
