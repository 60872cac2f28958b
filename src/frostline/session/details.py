"""What stands beside the primary metric of a final verdict, from the run's own predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from frostline.session.work import Work
from frostline.stats.detail import DetailSettings, Fold, Model, describe, out_of_fold
from frostline.stats.ranking_curves import ranking_curve
from frostline.terms.detail import SEALED, RankingCurve
from frostline.terms.result import FloatArray
from frostline.terms.verdict import Row, Verdict

MOST_RANKED = 6  # classes with a curve of their own: more cannot be told apart in one picture


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
        detail = describe(models, work.truth, settings)
        if detail is not None:
            detail = replace(detail, rankings=_rankings(work, models, detail.how == SEALED))
        return replace(verdict, detail=detail)


def _rankings(work: Work, models: Mapping[str, Model], sealed: bool) -> tuple[RankingCurve, ...]:
    """Two classes: the positive one, by every model; more: each class, by the chosen recipe."""
    classes = work.dataset.classes
    two = len(classes) == 2
    wanted = [(name, 1) for name in models] if two else [("chosen", one) for one in range(min(len(classes), MOST_RANKED))]
    found = []
    for name, one in wanted:
        model = models[name]
        folds = ([model.sealed] if model.sealed is not None else []) if sealed else list(model.folds)
        found.append(ranking_curve(name, classes[one], [_ranked(work, fold, one) for fold in folds]))
    return tuple(curve for curve in found if curve is not None)


def _ranked(work: Work, fold: Fold, one: int) -> tuple[np.ndarray, np.ndarray]:
    """(0 or 1, probability) of class `one`, or of that label, for the images of which it is known."""
    labels = work.truth.labels[fold.indices]
    truth = labels[:, one] if labels.ndim > 1 else (labels == one).astype(int)
    known = np.isin(truth, (0, 1))
    return truth[known], fold.probabilities[known, one]


def _columns(work: Work) -> dict[str, np.ndarray]:
    """Subgroup column -> (N,) values."""
    rows = [dict(sample.subgroups) for sample in work.dataset.samples]
    return {name: np.array([row.get(name, "") for row in rows], dtype=object) for name in _names(rows)}


def _names(rows: list[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
