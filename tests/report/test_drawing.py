"""Recipes as drawings: each stage in its place, with its fate, and words for those who do not see it."""

from __future__ import annotations

import re

import pytest

from frostline.report.drawing import LOOKS, WORDS, legend, parts_of, recipe_drawing
from tests.report.examples import HOSTILE, STAGES


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("all: freeze | head: linear", ["frozen"] * 6),
        ("stem .. features.13: freeze | features.16 .. features.18: tune | head: linear", ["frozen"] * 4 + ["tuned"] * 2),
        ("stem: tune | features.3 .. features.18: freeze | head: linear", ["tuned"] + ["frozen"] * 5),
        ("stem .. features.16: freeze | features.18: reinit | head: linear", ["frozen"] * 5 + ["random"]),
        ("stem .. features.13: freeze | features.16 .. features.18: drop | head: linear", ["frozen"] * 4 + ["dropped"] * 2),
        ("weights: random | all: freeze | head: linear", ["random-frozen"] * 6),
        ("weights: random | all: tune | head: linear", ["random"] * 6),
        ("weights: matched | all: tune | head: linear", ["matched"] * 6),
    ],
)
def test_each_stage_is_drawn_as_what_becomes_of_it(line: str, kinds: list[str]) -> None:
    parts = parts_of(line, STAGES)
    assert [part.kind for part in parts] == kinds
    assert [part.name for part in parts] == list(STAGES)
    drawn = recipe_drawing(line, STAGES)
    titles = re.findall(r"<title>([^:<]+): ([^<]+)</title>", drawn)
    assert titles == [(part.name, WORDS[part.kind]) for part in parts]


def test_what_was_cut_away_comes_after_the_head() -> None:
    drawn = recipe_drawing("stem .. features.13: freeze | features.16 .. features.18: drop | head: conv(256)x2", STAGES)
    places = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', drawn)]
    assert places == sorted(places)
    assert drawn.count('fill="var(--ember)"') == 3, "two convolutions and a softmax"
    assert drawn.index("var(--ember)") < drawn.index("stroke-dasharray")


def test_trained_blocks_carry_a_mark_so_that_gray_tells_them_apart() -> None:
    assert recipe_drawing("all: tune | head: linear", STAGES).count("<circle") == 6
    assert recipe_drawing("all: freeze | head: linear", STAGES).count("<circle") == 0
    looks = [(fill, border, dashed, marked) for fill, border, dashed, marked in LOOKS.values()]
    assert len(set(looks)) == len(looks)


def test_pixels_finer_cuts_and_unknown_lines() -> None:
    assert 'aria-label="no network, forest on raw pixels"' in recipe_drawing("pixels: forest", STAGES)
    finer = parts_of("stem .. features.9: freeze | features.10 .. features.18: drop | head: linear", STAGES)
    assert [(part.name, part.kind) for part in finer] == [
        ("stem .. features.9", "frozen"),
        ("features.10 .. features.18", "dropped"),
    ]
    assert recipe_drawing("no recipe at all", STAGES) == ""


def test_names_are_escaped_and_a_file_of_its_own_brings_its_colours() -> None:
    line = f"stem .. {HOSTILE}: freeze | head: linear"
    drawn = recipe_drawing(line, ("stem", HOSTILE), alone=True)
    assert HOSTILE not in drawn and "&lt;script&gt;" in drawn
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"') and "prefers-color-scheme:dark" in drawn
    used = set(re.findall(r"var\((--[\w-]+)\)", drawn + legend(alone=True)))
    assert used and all(f"{name}:" in drawn for name in used)
