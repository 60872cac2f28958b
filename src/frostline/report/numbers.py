"""Numbers as people read them: scores, points, times and counts."""

from __future__ import annotations

import math

from frostline.terms.verdict import Interval

_NAMES = {
    "auroc": "AUROC",
    "balanced-accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "average-precision": "average precision",
    "log-loss": "negated log-loss",
}
UNBOUNDED = ("log-loss",)  # in its own unit, not in points; negated, so that higher is better as everywhere


def metric_name(metric: str) -> str:
    """`AUROC` for `auroc`; an unknown metric keeps its own name, an empty one is a `score`."""
    return _NAMES.get(metric, metric or "score")


def score(value: float, metric: str) -> str:
    """`.945` for shares; `-0.345` for negated log-loss; `not measured` for what is not a number."""
    if not math.isfinite(value):
        return "not measured"
    text = f"{value:.3f}"
    return text if metric in UNBOUNDED else text.replace("0.", ".", 1) if abs(value) < 1 else text


def score_range(interval: Interval, metric: str) -> str:
    """`.959 to .976`."""
    return f"{score(interval.low, metric)} to {score(interval.high, metric)}"


def half_width(interval: Interval, metric: str) -> str:
    """`±.009`: the wider of the two sides, so that it never looks more exact than it is."""
    wide = max(interval.value - interval.low, interval.high - interval.value)
    return f"±{score(wide, metric)}" if math.isfinite(wide) else ""


def points(difference: float, metric: str) -> str:
    """A difference without its sign: `2.3 points`; `0.023` for log-loss."""
    if metric in UNBOUNDED:
        return f"{abs(difference):.3f}"
    return f"{abs(difference) * 100:.1f} points"


def points_range(interval: Interval, metric: str) -> str:
    """`-0.8 to 2.6 points`."""
    if metric in UNBOUNDED:
        return f"{_zero(f'{interval.low:.3f}')} to {_zero(f'{interval.high:.3f}')}"
    return f"{_zero(f'{interval.low * 100:.1f}')} to {_zero(f'{interval.high * 100:.1f}')} points"


def signed_points(difference: float, metric: str) -> str:
    """`+2.3` (points) or `-0.023`."""
    text = f"{difference:+.3f}" if metric in UNBOUNDED else f"{difference * 100:+.1f}"
    return _zero(text)


def _zero(text: str) -> str:
    """No sign on a number that rounds to nothing."""
    return text.lstrip("+-") if float(text) == 0 else text


def clock(seconds: float) -> str:
    """`4:12` or `1:04:12`: narrow, for tables and live lines."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def big(number: float) -> str:
    """`950`, `12.3 k`, `2.2 M`, `1.8 G`."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.1f} {unit}" if abs(number) < 100 * limit else f"{number / limit:.0f} {unit}"
    return f"{number:.0f}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
