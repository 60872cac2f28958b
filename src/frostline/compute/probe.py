"""A linear head on the pooled features of one cut: how far along the network the classes can be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frostline.compute.bench import Bench
from frostline.compute.heads import predict, sample_weights
from frostline.compute.logistic import logistic_path
from frostline.stats.metrics import score
from frostline.terms.data import Split, Targets
from frostline.terms.recipe import Weights

PROBE_STRENGTHS = (1.0, 0.1, 0.01, 1e-3)


def probe_scores(
    bench: Bench, weights: Weights, cut: str, splits: Sequence[Split], metric: str, scored: Targets | None = None
) -> list[float]:
    """The score on each split, of the strength that is best on average; a description of the features, not a claim.

    Args:
        scored: (N,) or (N, classes) what is scored, where that is less than what is learned.
    """
    truth = bench.labels if scored is None else scored
    features = bench.taps(weights).features((cut,), len(bench.labels))
    scores = np.empty((len(splits), len(PROBE_STRENGTHS)))
    for fold, split in enumerate(splits):
        train, validation = np.asarray(split.train, np.int64), np.asarray(split.validation, np.int64)
        weight = sample_weights(bench.labels[train], bench.classes, bench.balanced)
        path = logistic_path(features.sample(train), bench.labels[train], bench.classes, PROBE_STRENGTHS, weight)
        seen = predict(path, features.sample(validation))
        scores[fold] = [score(metric, truth[validation], probabilities) for probabilities in seen]
    return [float(value) for value in scores[:, int(scores.mean(axis=0).argmax())]]
