"""Writes the documents that are made from code and from real runs, and their pictures.

python docs/make.py recipes              docs/recipes.md and its drawings
python docs/make.py why RUN [RUN ...]    docs/why-transfer-works.md, its pictures and numbers, from finished runs
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

import frostline as fl
from frostline import api
from frostline.backbones.exported import TRAINED_ON
from frostline.report.drawing import legend, recipe_drawing
from frostline.report.facts import RunFacts
from frostline.report.numbers import metric_name, score, score_range
from frostline.report.ranking import is_control
from frostline.report.view import Page, page
from frostline.report.words import claim_sentence, recipe_words
from frostline.store.run_folder import RunFolder
from frostline.store.values import read_value
from frostline.strategy.families import Line, panel, pixel_lines
from frostline.terms.quantities import duration
from frostline.terms.verdict import Claim, Row

DOCS = Path(__file__).parent
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")  # of a ResNet
EXAMPLE = "timm/resnet18"
FIGURE_STYLE = (
    "svg{--ink:#14212b;--muted:#4d6170;--line:#d5e1e9;--frost:#17699a;--ember:#a94c17;--stone:#647480;--paper:#fff;--good:#1d6b57}"
    "text{font-family:system-ui,'DejaVu Sans',sans-serif!important}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e3edf3;--muted:#9db2c0;--line:#263743;--frost:#7fcbf0;--ember:#f0a36e;"
    "--stone:#a2b1bb;--paper:#111b23;--good:#7fd3b8}}"
)

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


# --- why transfer works ----------------------------------------------------------------------------------------------


def _values(title: str, run: fl.Run) -> dict[str, Any]:
    """What the document says of one run, and its pictures under `svg`."""
    verdict, evidence, page = run.verdict, run.evidence, page_of(run)
    rows = [row for row in verdict.rows if row.score is not None]
    lines = [line for line in page.stages if line.random]
    probes = page.questions[1].picture
    name = "".join(one if one.isalnum() else "-" for one in title.lower())
    drawn = {f"{name}-chosen.svg": recipe_drawing(verdict.chosen.recipe, _stages(run), alone=True)}
    return {
        "name": name,
        "title": title,
        "images": f"{page.facts.images:,}",
        "size": page.settings.size,
        "seconds": duration(verdict.seconds),
        "probes": probes,
        "probes_alt": probes.alt if probes else "",
        "layers_answer": page.questions[1].lead,
        "help_answer": " ".join((page.questions[0].lead, page.questions[0].rest[0])),
        "rewinds": [(line.name, line.pretrained or "unchanged", line.random) for line in lines],
        "measured_on": evidence.measured_on,
        "unit_words": f"Changes{page.unit}, with 95 % intervals.",
        "best": _best(rows, lambda row: not is_control(row)),
        "random": _best(rows, lambda row: row.family == "random-features"),
        "pixels": _best(rows, lambda row: row.family == "pixels"),
        "scratch": _best(rows, lambda row: row.family == "scratch"),
        "random_answer": page.questions[2].lead if evidence.fates else "",
        "chosen_words": page.chosen_words,
        "chosen_family": verdict.chosen.family,
        "open_sentence": page.sentences[-1],
        "svg": drawn | ({f"{name}-probes.svg": alone(probes.wide)} if probes else {}),
    }


def page_of(run: fl.Run) -> Page:
    """The values of the run's report."""
    facts = read_value(run.path / "facts.json", RunFacts)
    return page(run.verdict, run.evidence, RunFolder.open(run.path).settings, facts)


def _stages(run: fl.Run) -> tuple[str, ...]:
    return dict(read_value(run.path / "facts.json", RunFacts).stages).get(run.verdict.chosen.backbone, ())


def _best(rows: Sequence[Row], wanted: Callable[[Row], bool]) -> str:
    """`AUROC .968 (.955 to .979)` of the best of them."""
    found = [row for row in rows if wanted(row) and row.score is not None]
    best = max(found, key=lambda row: row.score.value, default=None)  # type: ignore[union-attr]
    if best is None or best.score is None:
        return "not run"
    return f"{metric_name(best.metric)} {score(best.score.value, best.metric)} ({score_range(best.score, best.metric)})"


def alone(svg: str) -> str:
    """A figure of the page as a file of its own."""
    start = svg.index(">") + 1
    opening = svg[:start].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{opening}<style>{FIGURE_STYLE}</style>{svg[start:]}"


def _worked(first: fl.Run, second: fl.Run) -> dict[str, Any]:
    one, two = page_of(first), page_of(second)
    probes = two.questions[1].picture
    assert probes is not None
    sources = [claim for claim in second.verdict.claims if claim.claim.startswith("source-")]
    said = [claim_sentence(claim, second.verdict.metric, second.verdict.delta) for claim in sources]
    return {
        "first": _command(one.facts.command, first),
        "second": _command(two.facts.command, second),
        "first_said": one.sentences[0],
        "first_images": f"{len((first.path / 'model' / TRAINED_ON).read_text().split()):,}",
        "word": _word(sources, first),
        "said": [*two.sentences, *said],
        "alt": probes.alt,
        "layers": " ".join((two.questions[1].lead, *two.questions[1].rest)),
        "svg": {"sources-probes.svg": alone(probes.wide)},
    }


def _word(sources: Sequence[Claim], first: fl.Run) -> str:
    """What is claimed of the source that was trained from scratch, against the other one."""
    about = f"source-frostline/{first.path.resolve().name}-beats-"
    return next((claim.verdict.value for claim in sources if claim.claim.startswith(about)), "")


def _command(command: str, run: fl.Run) -> str:
    """The command over several lines, without the folders of the machine that it ran on."""
    words = [
        Path(word).name if "/" in word and not word.startswith("-") and "=" not in word else word for word in shlex.split(command)
    ]
    words = [
        f"{word.partition('=')[0]}={Path(word.partition('=')[2]).name}" if word.endswith(".safetensors") else word
        for word in words
    ]
    text = shlex.join([*words, "-o", run.path.name])
    return text.replace(" -b ", " \\\n  -b ").replace(" --recipe ", " \\\n  --recipe ").replace(" --size", " \\\n  --size")


def write_why(docs: Path, runs: dict[str, fl.Run]) -> None:
    worked = _worked(runs.pop("first"), runs.pop("second")) if "first" in runs and "second" in runs else None
    values = [_values(title, run) for title, run in runs.items()]
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    template = environment.from_string((docs / "why-transfer-works.md.j2").read_text(encoding="utf-8"))
    (docs / "why-transfer-works.md").write_text(template.render(runs=values, worked=worked), encoding="utf-8")
    for one in [*values, *([worked] if worked else [])]:
        _write(docs / "pictures" / "why", one["svg"].items())


def main(words: Sequence[str]) -> int:
    if list(words) == ["recipes"]:
        write_recipes(DOCS)
        return 0
    if words[:1] == ["why"] and len(words) > 1 and all("=" in word for word in words[1:]):
        pairs = [word.split("=", 1) for word in words[1:]]
        write_why(DOCS, {title.replace("_", " "): api.open_run(path) for title, path in pairs})
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
