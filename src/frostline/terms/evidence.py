"""Why the verdict is what it is: values that the report draws."""

from __future__ import annotations

from dataclasses import dataclass

from frostline.terms.curve import LearningCurve
from frostline.terms.verdict import Interval


@dataclass(frozen=True)
class Probe:
    """How well a linear head does on the pooled features of one cut.

    Attributes:
        weights: `pretrained` or `random`.
        cut: its name; `depth` the share of the backbone's FLOPs up to it, 0..1; `stage` the stage it ends, or None inside one.
        score: mean over folds, of the best strength, with the interval from the folds.
    """

    backbone: str
    weights: str
    cut: str
    stage: str | None
    depth: float
    score: Interval


@dataclass(frozen=True)
class Fate:
    """What became of one stage (or of the head) in the exported model.

    Attributes:
        origin: `transferred` (then `source` is the digest of the weights it came from) or `random` (then `source` is the seed).
        trained: whether training changed it.
        moved: |w - w0| / |w0| over all its parameters, or None where nothing was there before.
        statistics_moved: the same for normalisation statistics, None where there are none.
    """

    name: str
    origin: str
    source: str
    trained: bool
    parameters: int
    moved: float | None = None
    statistics_moved: float | None = None


@dataclass(frozen=True)
class Rewind:
    """The final model with one stage put back to other weights, normalisation statistics estimated again.

    Attributes:
        to: `pretrained` or `random`.
        change: score after minus score before, in the metric's unit: negative means that the model got worse.
    """

    stage: str
    to: str
    change: Interval


@dataclass(frozen=True)
class Likeness:
    """How alike the pooled features at the end of one stage are before and after training.

    Attributes:
        cka: unbiased centred kernel alignment, near 0 for unrelated features, 1 for equal ones up to rotation.
    """

    stage: str
    cka: float


@dataclass(frozen=True)
class Tile:
    """A small picture that the page carries in itself.

    Attributes:
        width, height: pixels.
        uri: `data:image/...;base64,...`.
    """

    width: int
    height: int
    uri: str


@dataclass(frozen=True)
class Filters:
    """The filters of the first convolution, one small square each.

    Attributes:
        weights: `pretrained`, `trained` (in the final model, where training changed them), `random` (as a scratch run starts) or
            `scratch` (as it ends).
        parameter: the tensor's name; `count` how many filters it has.
    """

    weights: str
    parameter: str
    count: int
    picture: Tile


@dataclass(frozen=True)
class Mistake:
    """One of the most confident errors on images that the model had not seen.

    Attributes:
        row: of `splits.csv`.
        truth, said: class names; `probability` of what was said.
        picture, attention, control: the image, where the model looked (Grad-CAM), and where the same network with random
            weights "looks"; None unless pictures were asked for, or the last kept stage gives no map.
    """

    row: int
    truth: str
    said: str
    probability: float
    picture: Tile | None = None
    attention: Tile | None = None
    control: Tile | None = None


BASE, ANB, ANB_TUNED, BNB = "base", "AnB", "AnB+", "BnB"


@dataclass(frozen=True)
class DepthPoint:
    """A network whose stages up to `stage` came from elsewhere, against the target network from scratch (Yosinski 2014).

    Attributes:
        kind: `AnB` (from the source, frozen), `AnB+` (the same, tuned), `BnB` (from the target network itself, frozen).
        change: its score minus that of the target network from scratch, in the metric's unit.
    """

    kind: str
    stage: str
    change: Interval


@dataclass(frozen=True)
class Evidence:
    """All that the report needs beyond the verdict.

    Attributes:
        pixels: the best score of raw pixels, None where they were not run.
        rewinds: empty where nothing was put back.
        curve: None where none was asked for, or nothing could be trained on parts of the images.
        measured_on: what rewinds and mistakes were measured on; empty where there are none.
        depth: empty unless `--deep` was given; base: the score of the network from scratch that these are measured against.
        notes: what of this could not be done, and why.
    """

    metric: str
    probes: tuple[Probe, ...]
    pixels: Interval | None
    fates: tuple[Fate, ...]
    rewinds: tuple[Rewind, ...] = ()
    curve: LearningCurve | None = None
    likeness: tuple[Likeness, ...] = ()
    filters: tuple[Filters, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    depth: tuple[DepthPoint, ...] = ()
    base: float | None = None
    measured_on: str = ""
    notes: tuple[str, ...] = ()
