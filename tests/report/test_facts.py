"""Facts are counted from the data set and its splits."""

from __future__ import annotations

from frostline.report.facts import run_facts
from frostline.terms.data import Dataset, Sample, Split, SplitPlan


def facts(parts: tuple[str | None, ...], sealed: tuple[int, ...] = ()):  # type: ignore[no-untyped-def]
    samples = tuple(Sample(f"{i}.png", i % 2, group=f"p{i // 2}", part=part) for i, part in enumerate(parts))
    dataset = Dataset("/d", samples, ("no", "yes"), "f")
    plan = SplitPlan("folds", (Split("r0f0", 0, 0, 1, (0, 1), (2,)),), sealed, "rule" if sealed else "none", 1)
    return run_facts(dataset, plan, versions=(), phases=(), command="", kernels=(), cores=1)


def test_counts_by_the_users_own_parts() -> None:
    found = facts(("train", "train", "train", "val", "test", "test"))
    assert found.parts == ("train", "val", "test")
    assert [(item.name, item.counts) for item in found.classes] == [("no", (2, 0, 1)), ("yes", (1, 1, 1))]


def test_counts_by_search_and_sealed_where_there_are_no_parts() -> None:
    found = facts((None,) * 5, sealed=(3, 4))
    assert found.parts == ("search", "sealed")
    assert [item.counts for item in found.classes] == [(2, 1), (1, 1)]
    assert (found.images, found.groups, found.sealed) == (5, 3, 2)
