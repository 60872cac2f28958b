"""The order in which recipes are shown."""

from __future__ import annotations

import math
import string
from collections.abc import Collection, Sequence

from frostline.terms.recipe import Family
from frostline.terms.verdict import Row, Verdict

MARKS: dict[str, str] = {"chosen": "●", "tied": "≈", "control": "○", "failed": "×", "not-run": "–", "screened": "·"}
MEANINGS = {
    "chosen": "use this", "tied": "tied: not told apart from it on these images", "control": "control",
    "screened": "screened only (on smaller or fewer images)", "not-run": "not run", "failed": "failed",
}  # fmt: skip
STATUS_WORDS = {"chosen": "use this", "done": "told apart", "not-run": "not run", "screened": "screened only"}
TIME = "time: of all its trials, added up"  # some of which may have run side by side


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Measured in full first, best mean first (every metric is higher is better); then screened; then failed and not run."""
    return tuple(sorted(rows, key=_key))


def foremost(rows: Sequence[Row], most: int) -> tuple[Row, ...]:
    """At most `most` of them, ranked: the chosen one, the best of each family, then the best of the rest."""
    order = ranked(rows)
    best = {row.family: row for row in reversed(order)}
    wanted = [row for row in order if row.status == "chosen"]
    wanted += [row for row in order if row is best[row.family] and row.score is not None]
    kept = list(dict.fromkeys([*map(id, wanted), *map(id, order)]))[:most]
    return tuple(row for row in order if id(row) in kept)


def _key(row: Row) -> tuple[int, float]:
    if row.score is not None and math.isfinite(row.score.value):
        return (0, -row.score.value)
    if row.screened is not None and math.isfinite(row.screened):
        return (1, -row.screened)
    return (2 if row.status == "failed" else 3, 0.0)


def is_control(row: Row) -> bool:
    """Uses no pre-trained features."""
    return row.status == "control" or any(row.family == item.value and item.control for item in Family)


def mark(row: Row) -> str:
    """`●` use this, `≈` tied with it, `○` control, and so on; a blank for the rest."""
    if row.status in MARKS:
        return MARKS[row.status]
    return MARKS["control"] if is_control(row) else " "


def status(row: Row) -> str:
    """In words: `use this`, `tied` (not told apart from it), `told apart`, `control`, `screened only`, `not run`, `failed`."""
    return STATUS_WORDS.get(row.status, row.status)


def meanings(present: Collection[str]) -> list[str]:
    """What the marks of these statuses mean, and the column of times."""
    return [*(f"{MARKS[name]} {words}" for name, words in MEANINGS.items() if name in present), TIME]


def lettered(backbones: Collection[str]) -> dict[str, str]:
    """A letter for each of several backbones, in alphabetical order; none where there is one."""
    names = sorted({name for name in backbones if name})
    marks = [*string.ascii_uppercase, *string.ascii_lowercase, *map(str, range(len(names)))]
    return dict(zip(names, marks, strict=False)) if len(names) > 1 else {}


def backbones(verdict: Verdict) -> tuple[str, ...]:
    """The backbones that have rows, the chosen one first."""
    names = [verdict.chosen.backbone, *(row.backbone for row in verdict.rows)]
    return tuple(dict.fromkeys(name for name in names if name))
