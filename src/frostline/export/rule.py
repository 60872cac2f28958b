"""From what a person asks for to the rule by which probabilities become labels."""

from __future__ import annotations

import json
from pathlib import Path

from frostline.backbones.description import DESCRIPTION
from frostline.errors import OptionError, nearest
from frostline.export.bundle import Classifier, model_folder
from frostline.export.predict import Rule


def label_rule(source: str | Path, model: Classifier, abstain_below: float, threshold: str | float | None) -> Rule:
    """The rule for the model in `source`.

    Args:
        threshold: a probability of the second class, or the name of a rule by which the search fixed one.

    Raises:
        OptionError: a number outside 0..1, a threshold for other than two classes, or a rule that the model does not hold.
    """
    if not 0 <= abstain_below <= 1:
        raise OptionError(f"a model cannot abstain below {abstain_below:g}; expected a probability, 0 to 1.")
    if model.thresholds and (abstain_below or threshold is not None):
        raise OptionError(
            "this model says several labels, each from its own threshold on (see thresholds in model.json): leave out --threshold"
            " and --abstain-below, and cut the probabilities elsewhere if these call too many."
        )
    if threshold is None:
        return Rule(abstain_below, several=model.thresholds)
    if len(model.classes) != 2:
        raise OptionError(f"a threshold tells two classes apart, and this model has {len(model.classes)}; leave it out.")
    number = _as_number(threshold)
    value = _stored(source, str(threshold)) if number is None else number
    if not 0 <= value <= 1:
        raise OptionError(f"threshold {threshold} is no probability; expected 0 to 1.")
    return Rule(abstain_below, model.classes[1], value)


def _as_number(given: str | float) -> float | None:
    try:
        return float(given)
    except ValueError:
        return None


def _stored(source: str | Path, rule: str) -> float:
    found = json.loads((model_folder(source) / DESCRIPTION).read_text()).get("operating_points") or []
    known = {str(one["rule"]): float(one["threshold"]) for one in found}
    if rule not in known:
        raise OptionError(
            f"threshold {rule!r} is neither a number nor one of those that the model holds ({', '.join(known) or 'none'})."
            f"{nearest(rule, known)}"
        )
    return known[rule]
