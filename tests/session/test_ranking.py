"""What is told of a recipe while a search runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from frostline.session import ranking
from frostline.strategy.families import Line
from frostline.terms.progress import Event, RecipeFinished
from frostline.terms.recipe import Family, Recipe
from frostline.terms.trial import FULL

LINE = Line("b", Recipe.parse("all: freeze | head: linear"), Family.SOFTMAX_ONLY)


def test_a_recipe_is_told_again_only_where_there_is_something_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finalist that has no time for a further fold ends there without anything new."""
    scores, heard = {"r0f0": 0.9}, list[Event]()
    monkeypatch.setattr(ranking, "mean_scores", lambda *_: {("b", str(LINE.recipe)): scores})
    trial = SimpleNamespace(id="t", backbone="b", recipe=LINE.recipe, budget=SimpleNamespace(rung=FULL))
    listener = SimpleNamespace(update=heard.append)
    ledger = SimpleNamespace(results=[SimpleNamespace(trial=trial, seconds=2.0)], carried_out={"t"}, listener=listener)
    work = SimpleNamespace(told={}, ledger=ledger, lines=lambda: [LINE])
    for _ in range(2):
        ranking.tell_finished(work, LINE)  # type: ignore[arg-type]
    scores["r0f1"] = 0.7
    ranking.tell_finished(work, LINE)  # type: ignore[arg-type]
    said = [(event.score, event.folds) for event in heard if isinstance(event, RecipeFinished)]
    assert said == [(0.9, 1), (pytest.approx(0.8), 2)]
