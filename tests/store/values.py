"""Small values that the tests of the store share."""

from __future__ import annotations

import numpy as np

from frostline.terms.activations import ActivationKey, View
from frostline.terms.data import Dataset, Sample, Split, SplitPlan
from frostline.terms.recipe import Recipe
from frostline.terms.result import Outcome, Result
from frostline.terms.settings import Settings
from frostline.terms.trial import Budget, Trial
from frostline.terms.verdict import Claim, Comparison, Interval, Row, Score, Verdict, Word

SETTINGS = Settings(
    data="/images/x",
    fingerprint="f00d",
    backbones=("timm/resnet18",),
    size=96,
    metric="auroc",
    seed=0,
    recipes=("pixels: forest",),
)
DATASET = Dataset(
    root="/images/x",
    samples=tuple(Sample(f"{'ab'[i % 2]}/{i}.png", i % 2, group=f"patient {i // 2}", part=None) for i in range(6)),
    classes=("a", "b"),
    fingerprint="f00d",
)
PLAN = SplitPlan("folds", (Split("r0f0", 0, 0, 7, (0, 1), (2, 3)), Split("r0f1", 0, 1, 7, (2, 3), (0, 1))), (4, 5), "rule", 7)


def trial(seed: int = 0) -> Trial:
    return Trial(
        backbone="timm/resnet18",
        weights="abc",
        recipe=Recipe.parse("stem .. layer3: freeze | layer4: tune | head: linear | train: lr=1e-3"),
        family="deeper-tuned",
        options=(("epochs", "3"), ("lr", "0.001")),
        split="r0f1",
        seed=seed,
        budget=Budget("full", 96, None, 3),
        configurations=("l2=0.1", "l2=1"),
    )


def result(seed: int = 0, outcome: Outcome = Outcome.DONE) -> Result:
    rows = np.random.default_rng(seed).dirichlet([1, 1], size=(2, 3))
    curve = ((1.0, 0.7, 0.5), (2.0, float("nan"), 0.6))
    return Result(trial(seed), outcome, np.array([0, 2, 5]), rows, curve, 1.5, 1234, None, "naïve | ok")


def key(cut: str = "layer3") -> ActivationKey:
    return ActivationKey("w", "g", "d", "t", View(1, True), 96, cut, False, "f32->f16")


def verdict() -> Verdict:
    row = Row("all: tune | head: linear", "whole", "timm/resnet18", "auroc", Interval(0.9, 0.88, 0.92), 5, 5, 60.5, 11, "chosen")
    control = Row("pixels: forest", "pixels", "", "auroc", None, 1, 0, 2.0, 0, "failed", screened=0.5, note="=1+1")
    compared = Comparison("a", "b", Interval(0.05, 0.01, 0.09), 0.99, 0.1, "group", 40, ("r0f0", "r0f1"), ("folds overlap",))
    return Verdict(
        metric="auroc",
        delta=0.01,
        chosen=row,
        control=control,
        score=Score("auroc", Interval(0.89, 0.85, 0.93), "sealed-test", 120),
        claims=(
            Claim("pretraining-helps", Word.HELPS, compared),
            Claim("tuning-beats-freezing", Word.UNDETERMINED, None, None, "not enough images"),
        ),
        tied=("all: freeze | head: linear",),
        rows=(row, control),
        smallest_detectable_difference=0.02,
        seconds=61.0,
        test_opened_at="2026-01-01T00:00:00Z",
        notes=("a note",),
        test={"chosen": Score("auroc", Interval(0.89, 0.85, 0.93), "sealed-test", 120)},
    )
