"""When finalists are dropped, and when further folds would only confirm what is known."""

from frostline.strategy.racing import agree, clearly_worse


def test_a_ranking_that_is_the_same_on_both_rungs_agrees() -> None:
    assert agree({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.85, "b": 0.84, "c": 0.6}, tolerance=0.0)


def test_a_pair_that_changed_places_disagrees_unless_it_was_close_on_a_rung() -> None:
    before, now = {"a": 0.9, "b": 0.8}, {"a": 0.84, "b": 0.85}
    assert not agree(before, now, tolerance=0.005)
    assert agree(before, now, tolerance=0.02)
    assert agree(now, before, tolerance=0.02)


def test_entries_that_were_dropped_between_the_rungs_do_not_count() -> None:
    assert agree({"a": 0.9, "b": 0.8, "c": 0.95}, {"a": 0.9, "b": 0.8}, tolerance=0.0)


def test_a_finalist_that_trails_on_every_fold_is_clearly_worse_and_one_that_wins_some_is_not() -> None:
    assert clearly_worse([0.7, 0.71, 0.69], [0.9, 0.9, 0.9], delta=0.01)
    assert not clearly_worse([0.95, 0.6, 0.9], [0.9, 0.9, 0.9], delta=0.01)
