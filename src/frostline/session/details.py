"""What stands beside the primary metric of a final verdict, from the run's own predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from frostline.session.work import Work
from frostline.stats.detail import DetailSettings, Fold, Model, describe, out_of_fold
from frostline.terms.result import FloatArray
from frostline.terms.verdict import Row, Verdict


def detailed(work: Work, verdict: Verdict, named: Mapping[str, Row], seen: Mapping[str, FloatArray]) -> Verdict:
    """`verdict` with its detail.

    Args:
        named: `chosen`, and `control` and `softmax-only` where they exist: their rows.
        seen: name -> (sealed images, classes): predictions of the refitted models; empty where the test set was not opened
            for this verdict.
    """
    sealed, pool, splits = np.asarray(work.plan.sealed, np.int64), work.pool, work.plan.splits
    chosen = named["chosen"]
    models = {
        name: Model(
            row.recipe,
            row.backbone,
            out_of_fold(work.ledger.results, row, splits),
            Fold("sealed", sealed, seen[name], pool) if name in seen else None,
        )
        for name, row in named.items()
        if name == "chosen" or (row.recipe, row.backbone) != (chosen.recipe, chosen.backbone)
    }
    settings = DetailSettings(work.settings.metric, work.settings.specificity, _columns(work))
    with work.phase("describe"):
        return replace(verdict, detail=describe(models, work.truth, settings))


def _columns(work: Work) -> dict[str, np.ndarray]:
    """Subgroup column -> (N,) values."""
    rows = [dict(sample.subgroups) for sample in work.dataset.samples]
    return {name: np.array([row.get(name, "") for row in rows], dtype=object) for name in _names(rows)}


def _names(rows: list[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
