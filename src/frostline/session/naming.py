"""What backbones are called in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from frostline.errors import OptionError


def names_apart(given: Sequence[tuple[str, str]]) -> list[str]:
    """Of (name, digest of its weights) names that differ: several weights for one architecture have the digest's start behind it.

    Raises:
        OptionError: the very same weights twice.
    """
    count = Counter(name for name, _ in given)
    names = [f"{name}@{digest[:6]}" if count[name] > 1 else name for name, digest in given]
    again = next((name for name, times in Counter(names).items() if times > 1), None)
    if again is not None:
        raise OptionError(f"the weights of {again} were given twice; name each backbone once.")
    return names
