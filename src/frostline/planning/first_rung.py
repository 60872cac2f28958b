"""How many images the first rung takes: heads on part of the images, with an interim verdict, before all are run through."""

from __future__ import annotations

from frostline.terms.settings import AUTO, OFF

FROM = 20_000  # images that are not sealed: below, both passes take minutes, and a tenth of them says little
SHARE = 0.1
MOST = 50_000  # images: a fifth of them, by which is judged, shows a difference of one point; more would only come later


def first_share(asked: str, pool: int) -> float:
    """The share of `pool` images that comes first; 0 where there is no such rung.

    Args:
        asked: `auto`, `off`, or a share.
    """
    if asked == OFF:
        return 0.0
    if asked != AUTO:
        return float(asked)
    return min(SHARE, MOST / pool) if pool >= FROM else 0.0
