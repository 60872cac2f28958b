"""Made-up but realistic runs: chest X-rays on MobileNetV2, and the odd ones that a report must survive."""

from __future__ import annotations

import dataclasses

from frostline.report.facts import ClassCount, FoldSize, NetworkFacts, RunFacts, StageFacts
from frostline.terms.curve import BandPoint, Crossing, Law, LearningCurve, Overtaking, RecipeCurve, SizePoint
from frostline.terms.detail import (
    Bin,
    ClassDetail,
    Detail,
    Measure,
    ModelDetail,
    OperatingPoint,
    PatientDetail,
    RankingCurve,
    Reliability,
    Subgroup,
    Subgroups,
)
from frostline.terms.evidence import Evidence, Fate, Filters, Likeness, Mistake, Probe, Rewind, Tile
from frostline.terms.settings import Settings
from frostline.terms.verdict import Claim, Comparison, Interval, Row, Score, Verdict, Word

MOBILENET = "torchvision/mobilenet_v2"
RESNET = "timm/resnet18.a1_in1k"
STAGES = ("stem", "features.3", "features.6", "features.13", "features.16", "features.18")
RESNET_STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
HOSTILE = "<script>alert(1)</script>"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
TILE = Tile(1, 1, PIXEL)


def around(value: float, half: float) -> Interval:
    return Interval(value, value - half, min(1.0, value + half))


def row(line: str, family: str, value: float | None, status: str = "done", **more: object) -> Row:
    control = family in ("pixels", "random-features", "random-matched", "scratch")
    fields: dict[str, object] = {
        "recipe": line,
        "family": family,
        "backbone": "" if family == "pixels" else MOBILENET,
        "metric": "auroc",
        "score": None if value is None else around(value, 0.011),
        "trials": 5,
        "folds": 0 if value is None else 5,
        "seconds": 12.5,
        "trained_parameters": 2562,
        "status": "control" if control and status == "done" else status,
        "configuration": "l2=0.01",
        "flops": 57_000_000,
    }
    return Row(**{**fields, **more})  # type: ignore[arg-type]


CHOSEN = row(
    "stem .. features.13: freeze | features.16 .. features.18: tune | head: linear",
    "deeper-tuned",
    0.968,
    "chosen",
    seconds=214.0,
    trained_parameters=1_641_602,
    configuration="adamw lr=3e-4 epochs=6",
)
FROM_SCRATCH = row(
    "weights: random | all: tune | head: linear",
    "scratch",
    0.945,
    seconds=512.0,
    trained_parameters=2_226_434,
    configuration="sgd lr=0.1 epochs=24",
)
ROWS = (
    CHOSEN,
    row("all: tune | head: linear", "whole", 0.966, "tied", seconds=388.0, trained_parameters=2_226_434),
    row("stem .. features.16: freeze | features.18: tune | head: linear", "deeper-tuned", 0.961, "tied", seconds=120.0),
    row("all: freeze | head: mlp(512)", "new-layers", 0.953, seconds=21.0, trained_parameters=657_410),
    row("pixels: forest", "pixels", 0.951, seconds=4.2, trained_parameters=0, configuration="trees=500"),
    row("all: freeze | head: all-layer", "all-layer", 0.951, seconds=9.0, trained_parameters=5_442),
    row("stem .. features.13: freeze | features.16 .. features.18: drop | head: linear", "truncated", 0.948, seconds=3.1),
    FROM_SCRATCH,
    row("all: freeze | head: linear", "softmax-only", 0.945, seconds=3.0),
    row("stem .. features.6: freeze | features.13 .. features.18: drop | head: conv(256)x2", "truncated", 0.94, seconds=66.0),
    row("weights: random | all: freeze | head: linear", "random-features", 0.927, seconds=2.2),
    row(
        "stem: tune | features.3 .. features.18: freeze | head: linear",
        "single-stage",
        None,
        "screened",
        screened=0.941,
        seconds=18.0,
    ),
    row(
        "stem .. features.13: freeze | features.16 .. features.18: tune | head: conv(256)x2",
        "new-layers+unfreeze",
        None,
        "not-run",
        seconds=0.0,
        note="no time was left for it",
    ),
    row(
        "weights: matched | all: tune | head: linear",
        "random-matched",
        None,
        "failed",
        seconds=31.0,
        note="the loss became NaN or infinite: try a smaller learning rate",
    ),
)


def comparison(value: float, half: float, second: str = FROM_SCRATCH.recipe, **more: object) -> Comparison:
    fields: dict[str, object] = {
        "first": CHOSEN.recipe,
        "second": second,
        "difference": Interval(value, value - half, value + half),
        "probability": 0.991,
        "within": 0.02,
        "unit": "image",
        "units": 4708,
        "folds": ("r0f0", "r0f1", "r0f2", "r0f3", "r0f4"),
    }
    return Comparison(**{**fields, **more})  # type: ignore[arg-type]


CLAIMS = (
    Claim("pretraining-helps", Word.HELPS, comparison(0.017, 0.011, "pixels: forest")),
    Claim("tuning-beats-freezing", Word.HELPS, comparison(0.015, 0.009, "all: freeze | head: mlp(512)")),
    Claim("stage-stem-worth-transferring", Word.NO_DIFFERENCE, comparison(0.001, 0.006, "random stem", within=0.97)),
    Claim("stage-features.13-worth-transferring", Word.UNDETERMINED, comparison(0.006, 0.012, "random features.13"), 14_200),
    Claim("stage-features.18-worth-transferring", Word.HARMS, comparison(-0.014, 0.008, "random features.18")),
)

VERDICT = Verdict(
    metric="auroc",
    delta=0.008,
    chosen=CHOSEN,
    control=ROWS[4],
    score=Score("auroc", Interval(0.968, 0.955, 0.979), "sealed-test", 624),
    claims=CLAIMS,
    tied=(ROWS[1].recipe, ROWS[2].recipe),
    rows=ROWS,
    smallest_detectable_difference=0.021,
    seconds=1483.0,
    test_opened_at="2026-11-02T14:05:11+00:00",
    not_run=("no time was left for 1 recipe: new-layers+unfreeze",),
    notes=("Prevalence differs: 74 % positive in training, 62 % in the test set.",),
    test={
        "chosen": Score("auroc", Interval(0.968, 0.955, 0.979), "sealed-test", 624),
        "control": Score("auroc", Interval(0.951, 0.935, 0.966), "sealed-test", 624),
        "softmax-only": Score("auroc", Interval(0.945, 0.928, 0.96), "sealed-test", 624),
    },
)


def probes(backbone: str, stages: tuple[str, ...], pretrained: list[float], random: list[float]) -> tuple[Probe, ...]:
    return tuple(
        Probe(backbone, weights, stage, stage, (index + 1) / len(stages), around(value, 0.012))
        for weights, scores in (("pretrained", pretrained), ("random", random))
        for index, (stage, value) in enumerate(zip(stages, scores, strict=True))
    )


EVIDENCE = Evidence(
    metric="auroc",
    probes=probes(MOBILENET, STAGES, [0.905, 0.931, 0.944, 0.952, 0.949, 0.941], [0.9, 0.915, 0.921, 0.912, 0.89, 0.861]),
    pixels=around(0.951, 0.009),
    fates=(
        *(Fate(name, "transferred", "a1b2c3d4", False, 40_000 * (index + 1), 0.0, 0.0) for index, name in enumerate(STAGES[:4])),
        Fate("features.16", "transferred", "a1b2c3d4", True, 319_000, 0.083, 0.21),
        Fate("features.18", "transferred", "a1b2c3d4", True, 1_320_000, 0.152, 0.38),
        Fate("head", "random", "seed 0", True, 2_562),
    ),
    rewinds=(
        *(Rewind(name, "random", around(-0.05 - 0.04 * index, 0.02)) for index, name in enumerate(STAGES)),
        Rewind("features.16", "pretrained", around(-0.011, 0.008)),
        Rewind("features.18", "pretrained", around(-0.024, 0.009)),
    ),
    likeness=tuple(Likeness(name, 1.0 - 0.08 * max(0, index - 3)) for index, name in enumerate(STAGES)),
    filters=(Filters("pretrained", "features.0.0.weight", 32, TILE), Filters("random", "features.0.0.weight", 32, TILE)),
    mistakes=(
        Mistake(17, "normal", "pneumonia", 0.987, TILE, TILE, TILE),
        Mistake(208, "pneumonia", "normal", 0.941, TILE, TILE, TILE),
    ),
    measured_on="942 images that fold r0f0 held out, by the chosen recipe fitted on its other 3,766 images",
    notes=("A note about what was not taken apart.",),
)

SETTINGS = Settings(
    data="/home/ana/data/chest-xrays",
    fingerprint="9f3a51c07be2d418",
    backbones=(MOBILENET,),
    size=96,
    metric="auroc",
    seed=0,
    time_s=1800.0,
)

FACTS = RunFacts(
    parts=("search", "sealed"),
    classes=(ClassCount("normal", (1214, 234)), ClassCount("pneumonia", (3494, 390))),
    groups=None,
    notes=("12 images are exact copies of others and were put on the same side of every split.",),
    split_kind="folds",
    folds=tuple(FoldSize(f"r0f{fold}", 3766, 942) for fold in range(5)),
    sealed=624,
    sealed_by="user",
    split_notes=("The folder test/ is the sealed test set.",),
    versions=(("frostline", "0.1.0"), ("torch", "2.10.0"), ("timm", "1.0.20"), ("Python", "3.11.7")),
    phases=(
        ("reading images", 11.2),
        ("features", 64.0),
        ("heads", 38.5),
        ("screening", 402.0),
        ("racing", 811.0),
        ("closing", 156.0),
    ),
    command="frostline search chest-xrays -b torchvision/mobilenet_v2 --time 30m --seed 0",
    kernels=(("computation", "float32"), ("stored activations", "float16"), ("memory format", "channels-last"), ("threads", "2")),
    cores=2,
    stages=((MOBILENET, STAGES),),
    networks=(
        NetworkFacts(
            MOBILENET,
            0.011,
            tuple(StageFacts(name, 40_000 * (index + 1), 9_500_000, (32, 12, 12)) for index, name in enumerate(STAGES)),
        ),
    ),
)

INTERIM = dataclasses.replace(
    VERDICT,
    interim=True,
    test={},
    test_opened_at=None,
    score=Score("auroc", around(0.966, 0.012), "cross-validation", 4708),
    first_words="raw pixels do as well",
)
NEEDED = Claim("pretraining-helps", Word.UNDETERMINED, comparison(0.009, 0.017), 1_400)
UNDETERMINED = dataclasses.replace(VERDICT, claims=(NEEDED, *CLAIMS[3:4]))
TWO = dataclasses.replace(
    VERDICT,
    rows=(
        *ROWS,
        row("stem .. layer3: freeze | layer4: tune | head: linear", "deeper-tuned", 0.959, backbone=RESNET),
        row("all: freeze | head: linear", "softmax-only", 0.939, backbone=RESNET),
    ),
    claims=(*CLAIMS, Claim(f"source-{MOBILENET}-beats-{RESNET}", Word.HELPS, comparison(0.009, 0.006, RESNET))),
)
TWO_EVIDENCE = dataclasses.replace(
    EVIDENCE,
    probes=EVIDENCE.probes + probes(RESNET, RESNET_STAGES, [0.91, 0.938, 0.946, 0.944, 0.936], [0.902, 0.911, 0.913, 0.9, 0.88]),
)
TWO_FACTS = dataclasses.replace(FACTS, stages=((MOBILENET, STAGES), (RESNET, RESNET_STAGES)))
HOSTILE_FACTS = dataclasses.replace(
    FACTS,
    classes=(ClassCount(HOSTILE, (10, 2)), ClassCount('"onmouseover="x', (12, 3))),
    notes=(f"left out: {HOSTILE}.png",),
    command=f"frostline search '{HOSTILE}'",
)
HOSTILE_SETTINGS = dataclasses.replace(SETTINGS, data=f"/data/{HOSTILE}", backbones=(HOSTILE,))
HOSTILE_CHOSEN = dataclasses.replace(CHOSEN, backbone=HOSTILE, recipe=f"stem .. {HOSTILE}: freeze | x: tune | head: linear")
HOSTILE_VERDICT = dataclasses.replace(
    VERDICT, chosen=HOSTILE_CHOSEN, rows=(HOSTILE_CHOSEN, *ROWS[1:]), notes=(HOSTILE,), first_words=HOSTILE, not_run=(HOSTILE,)
)
HOSTILE_EVIDENCE = dataclasses.replace(
    EVIDENCE,
    probes=probes(HOSTILE, (HOSTILE, "$\\frac{1}{2}$"), [0.8, 0.9], [0.7, 0.6]),
    rewinds=(Rewind(HOSTILE, "random", around(-0.1, 0.1)),),
    likeness=(Likeness(HOSTILE, 0.5),),
    filters=(Filters("pretrained", HOSTILE, 3, TILE),),
    mistakes=(Mistake(2, HOSTILE, HOSTILE, 0.9, TILE, TILE, TILE),),
    measured_on=HOSTILE,
    notes=(HOSTILE,),
    fates=(Fate(HOSTILE, "transferred", HOSTILE, False, 10, 0.0), Fate("head", "random", "seed 0", True, 5)),
)


def measures(auroc: float, *, images: bool = True) -> tuple[Measure, ...]:
    values = {"balanced-accuracy": 0.887, "accuracy": 0.902, "majority": 0.625, "log-loss": 0.345, "brier": 0.081}
    found = [
        Measure("auroc", around(auroc, 0.012), "folds"),
        *(Measure(n, around(v, 0.021), "images") for n, v in values.items()),
    ]
    return (*found, Measure("calibration-error", around(0.034, 0.02), "images")) if images else tuple(found)


YOUDEN = OperatingPoint("youden", None, (0.43,), around(0.912, 0.031), around(0.871, 0.028))
AT_90 = OperatingPoint("specificity", 0.9, (0.51,), around(0.874, 0.034), around(0.893, 0.026))
NO_POINT = OperatingPoint("youden", None, (), None, None, "there are no other predictions to fix a threshold on")
BINS = tuple(
    Bin(one / 10, (one + 1) / 10, 20 + 9 * one, one / 10 + 0.05, around(min(0.97, one / 10 + 0.08), 0.06)) for one in range(10)
)
DETAIL = Detail(
    how="sealed-test",
    unit="group",
    classes=("normal", "pneumonia"),
    positive="pneumonia",
    models=(
        ModelDetail("chosen", CHOSEN.recipe, MOBILENET, 624, 400, 1, measures(0.968), (YOUDEN, AT_90)),
        ModelDetail("control", "pixels: forest", "", 624, 400, 1, measures(0.951), (YOUDEN, AT_90)),
        ModelDetail("softmax-only", "all: freeze | head: linear", MOBILENET, 624, 400, 1, measures(0.945), (YOUDEN, NO_POINT)),
    ),
    per_class=(
        ClassDetail("normal", 234, (Measure("recall", around(0.871, 0.028), "images", "normal"),) * 3),
        ClassDetail(
            "pneumonia",
            390,
            (
                Measure("recall", around(0.912, 0.02), "images", "pneumonia"),
                Measure("precision", None, "images", "pneumonia", "nothing was called pneumonia"),
                Measure("auroc", around(0.968, 0.012), "folds", "pneumonia"),
            ),
        ),
    ),
    confusion=((204.0, 30.0), (34.5, 355.5)),
    reliability=Reliability("pneumonia", BINS),
    patients=PatientDetail(391, 9, measures(0.972), (YOUDEN, AT_90)),
    subgroups=(
        Subgroups(
            "sex",
            (
                Subgroup("F", 300, 190, (Measure("auroc", around(0.961, 0.02), "folds"),)),
                Subgroup("M", 18, 12, (), "too few: 4 groups of normal, 8 groups of pneumonia; at least 10 are needed"),
            ),
            6,
        ),
    ),
    notes=("The softmax-only left no predictions.",),
    rankings=tuple(
        RankingCurve(name, "pneumonia", ((0.0, 0.0), (0.1, high), (1.0, 1.0)), ((0.0, 1.0), (high, 0.9), (1.0, 0.625)), 0.625)
        for name, high in (("chosen", 0.91), ("control", 0.86), ("softmax-only", 0.84))
    ),
)
DETAILED = dataclasses.replace(VERDICT, detail=DETAIL)
HOSTILE_DETAIL = dataclasses.replace(
    DETAIL,
    classes=(HOSTILE, "b"),
    positive=HOSTILE,
    reliability=dataclasses.replace(DETAIL.reliability, of=HOSTILE),
    subgroups=(Subgroups(HOSTILE, (Subgroup(HOSTILE, 1, 1, (), HOSTILE),)),),
    notes=(HOSTILE,),
    rankings=(dataclasses.replace(DETAIL.rankings[0], of=HOSTILE),),
)
HOSTILE_DETAILED = dataclasses.replace(HOSTILE_VERDICT, detail=HOSTILE_DETAIL)


def curve_of(role: str, family: str, a: float, b: float, half: float) -> RecipeCurve:
    """err = a + b n^-.7 over 40 to 320 images, and twice these."""

    def error(images: float) -> Interval:
        return around(a + b * images**-0.7, half)

    points = tuple(SizePoint(size, error(size), 3 if size < 320 else 1) for size in (40.0, 80.0, 160.0, 320.0))
    band = tuple(BandPoint(size, error(size)) for size in (40.0, 80.0, 160.0, 320.0, 640.0))
    line = {"frozen": "all: freeze | head: linear", "scratch": FROM_SCRATCH.recipe}.get(role, CHOSEN.recipe)
    return RecipeCurve(
        role, line, family, MOBILENET, "l2=0.01", points, Law(a, b, 0.7), band, around(0.012, 0.008), around(0.09, 0.03)
    )


CURVE = LearningCurve(
    "auroc",
    320,
    80,
    "group",
    71,
    3,
    (
        curve_of("frozen", "softmax-only", 0.04, 0.6, 0.02),
        curve_of("chosen", "deeper-tuned", 0.015, 1.6, 0.02),
        curve_of("scratch", "scratch", 0.03, 3.2, 0.03),
    ),
    (
        Crossing("chosen", "frozen", Overtaking.WITHIN, Interval(214.0, 120.0, 390.0)),
        Crossing("scratch", "frozen", Overtaking.BEYOND),
    ),
    ("4 of 31 trials of the learning curve did not fit into the time.",),
)
CURVED = dataclasses.replace(EVIDENCE, curve=CURVE)
