"""Who is clearly behind on part of the images, and who goes on whatever it scored there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frostline.stats.first_rung import clearly_behind
from frostline.terms.candidate import Candidate
from frostline.terms.recipe import Family
from frostline.terms.result import Result
from tests.stats.simulate import Array, candidate, result, scores_to_probabilities, truth

RUNG = "first"
STAGES = ("s1", "s2", "s3")


def truncated(kept: int, **more: object) -> Candidate:
    head = "head: linear"
    text = f"s1 .. s{kept}: freeze | s{kept + 1} .. s9: drop | {head}" if kept > 1 else f"s1: freeze | s2 .. s9: drop | {head}"
    return candidate(Family.TRUNCATED, text, transferred=STAGES[:kept], **more)


def small(width: int) -> Candidate:
    return candidate(Family.NEW_LAYERS, f"all: freeze | head: mlp({width})", transferred=STAGES)


def random_at(kept: int) -> Candidate:
    text = f"weights: random | s1 .. s{kept}: freeze | s{kept + 1} .. s9: drop | head: linear"
    return candidate(Family.RANDOM_FEATURES, text, transferred=())


def results(
    strengths: dict[Candidate, float], images: int = 2_000, parameters: dict[Candidate, int] | None = None
) -> list[Result]:
    """One hold-out of so many images; the larger its strength the better a recipe tells two classes apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) % 2
    noise: Array = rng.normal(size=images)
    found = []
    for one, strength in strengths.items():
        own = strength * (2 * labels - 1) + 0.9 * noise + 0.4 * rng.normal(size=images)
        trained = (parameters or {}).get(one, 10)
        indices = np.arange(images)
        found.append(result(one, "h0", indices, scores_to_probabilities(own)[None], rung=RUNG, trained_parameters=trained))
    return found


def behind(found: list[Result], listed: list[Candidate], images: int = 2_000) -> set[str]:
    keys = clearly_behind(found, truth(np.arange(images) % 2), listed, "auroc", None, 0, RUNG)
    return {recipe for _, recipe in keys}


def test_only_the_clearly_worse_of_a_family_is_dropped() -> None:
    best, near, bad = small(2), small(3), small(4)
    strengths = {best: 0.6, near: 0.59, bad: 0.1}
    assert behind(results(strengths), list(strengths)) == {bad.recipe}


def test_families_are_never_compared() -> None:
    strengths = {
        candidate(Family.SOFTMAX_ONLY, transferred=STAGES): 0.0,
        candidate(Family.ALL_LAYER, transferred=STAGES): 0.9,
        small(2): 0.0,
    }
    assert behind(results(strengths), list(strengths)) == set()


def test_controls_go_on_whatever_they_score() -> None:
    """By the best of them it is judged whether pre-training helps: a look at fewer would favour a yes."""
    strengths = {candidate(Family.PIXELS, "pixels: logistic"): 0.0, candidate(Family.PIXELS, "pixels: forest"): 0.9}
    strengths |= {random_at(2): 0.9, random_at(3): 0.0}
    assert behind(results(strengths), list(strengths)) == set()


def test_a_wider_head_is_not_dropped_for_a_narrower_one() -> None:
    narrow, wide = small(2), small(3)
    strengths = {narrow: 0.6, wide: 0.1}
    assert behind(results(strengths, parameters={narrow: 10, wide: 1000}), list(strengths)) == set()
    assert behind(results(strengths, parameters={narrow: 1000, wide: 10}), list(strengths)) == {wide.recipe}


def test_the_best_without_a_stage_goes_on_unless_a_control_does_better_without_it() -> None:
    """What stage s2 is worth is asked of the best recipe that does without it."""
    shallow, deep, control = truncated(1), truncated(2), candidate(Family.PIXELS, "pixels: logistic", transferred=())
    assert behind(results({shallow: 0.2, deep: 0.8, control: 0.0}), [shallow, deep, control]) == set()
    assert behind(results({shallow: 0.2, deep: 0.8, control: 0.4}), [shallow, deep, control]) == {shallow.recipe}


def test_what_is_transferred_is_not_known_so_it_goes_on() -> None:
    bad = replace(small(3), transferred=None)
    strengths = {small(2): 0.6, bad: 0.0}
    assert behind(results(strengths), list(strengths)) == set()


@pytest.mark.parametrize("images", [60, 2_000])
def test_few_images_drop_nothing_that_many_would(images: int) -> None:
    best, other = small(2), small(3)
    strengths = {best: 0.5, other: 0.35}
    dropped = behind(results(strengths, images), list(strengths), images)
    assert dropped == (set() if images < 100 else {other.recipe})


def test_other_rungs_are_not_looked_at() -> None:
    strengths = {small(2): 0.6, small(3): 0.1}
    found = results(strengths)
    assert clearly_behind(found, truth(np.arange(2_000) % 2), list(strengths), "auroc", None, 0, "full") == ()
