"""A smaller data set that looks like the whole."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from frostline.data.entries import Entry
from frostline.errors import OptionError
from frostline.terms.finding import Note, Weight

Stratum = tuple[str | None, str]  # (part, class), or (part, rarest label, empty for none)
FEWEST = 2
ENOUGH_GROUPS = 40  # of all classes together: with fewer, intervals over groups are wider than most differences


def stratified(entries: Sequence[Entry], limit: int, seed: int) -> list[Entry]:
    """At most `limit` entries, in whole groups, with classes and parts in their old proportion as far as groups allow.

    Groups are visited in an order that depends on the seed and on their names alone, so that the subset of a smaller
    limit is mostly contained in that of a larger one.

    Raises:
        OptionError: the limit leaves fewer than two images a class and part.
    """
    common = Counter(name for entry in entries for name in entry.names)
    wanted = _quotas(Counter(_stratum(entry, common) for entry in entries), limit)
    units: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        units["g" + entry.group if entry.group is not None else "p" + entry.path].append(entry)
    order = sorted(units, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest())
    taken: list[Entry] = []
    for name in order:
        gain = Counter(_stratum(entry, common) for entry in units[name])
        if len(taken) + len(units[name]) <= limit and _fits(gain, wanted):
            taken += units[name]
            wanted.subtract(gain)
    return taken


def limit_note(entries: Sequence[Entry], kept: Sequence[Entry], limit: int, seed: int) -> str:
    """What the limit left; with groups also how many of these, because they are what counts."""
    said = f"Limited to {limit:,} of {len(entries):,} images, stratified by class (seed {seed})"
    groups, left = ({entry.group for entry in some if entry.group is not None} for some in (entries, kept))
    if not groups:
        return f"{said}."
    said += f", in whole groups: {len(kept):,} images of {len(left):,} groups, of {len(groups):,}."
    if len(left) >= ENOUGH_GROUPS:
        return said
    return Note(f"{said} So few groups decide little, whatever the number of images: raise --limit.", Weight.LOOK)


def _stratum(entry: Entry, common: Counter[str]) -> Stratum:
    return entry.part, min(entry.names, key=lambda name: (common[name], name), default="")


def _fits(gain: Counter[Stratum], wanted: Counter[Stratum]) -> bool:
    """Whether taking the unit brings the numbers nearer to what is wanted."""
    return sum(abs(wanted[key] - count) - abs(wanted[key]) for key, count in gain.items()) < 0


def _quotas(counts: Counter[Stratum], limit: int) -> Counter[Stratum]:
    """Images a stratum, by largest remainders; at least two each where there are as many."""
    least = sum(min(FEWEST, count) for count in counts.values())
    if limit < least:
        raise OptionError(
            f"a limit of {limit} images is too small: at least {least} are needed, {FEWEST} of every class in every part."
        )
    total = sum(counts.values())
    exact = {key: limit * count / total for key, count in counts.items()}
    quotas = Counter({key: max(int(share), min(FEWEST, counts[key])) for key, share in exact.items()})
    while sum(quotas.values()) > limit:  # the minimum of two was given to rare strata: the largest pay
        quotas[max(quotas, key=lambda key: (quotas[key], str(key)))] -= 1
    for key in sorted(exact, key=lambda key: (int(exact[key]) - exact[key], str(key))):
        if sum(quotas.values()) >= limit:
            break
        quotas[key] += 1 if quotas[key] < counts[key] else 0
    return quotas
