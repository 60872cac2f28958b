"""What looking at each image tells: odd ones, mixed kinds of files, and what gives a class away without its subject."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from frostline.data.entries import KINDS
from frostline.data.shift import SURE, auc
from frostline.terms.data import Sample
from frostline.terms.finding import Finding, Weight
from frostline.terms.look import Look, Scale

Looks = Sequence[Look | str]
Floats = npt.NDArray[np.float64]

TINY_SIDE, TINY_SHARE = 16, 0.25  # pixels of the short side, and of the median short side
LONG = 3.0  # width by height or the other way round: what lies outside the centre square is more than is inside
BLANK = 1.0  # gray levels of spread in a thumbnail
GIVEN_AWAY = 0.8  # AUROC of telling a class by a property of the file, which is none of the subject's
GIVEN_AWAY_BY_LIGHT = 0.9  # by brightness or contrast, which may be the subject's
_FEWEST = 20  # images of a class and of the others
_KIND_OF = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}


def oddities(samples: Sequence[Sample], classes: Sequence[str], looks: Looks) -> list[Finding]:
    """Findings about single images and about kinds of files; none where nobody looked."""
    seen = {index: look for index, look in enumerate(looks) if isinstance(look, Look)}
    if not seen:
        return []
    return [*_odd_images(seen), *_odd_files(samples, seen), *_mixtures(seen), *given_away(samples, classes, looks)]


def _odd_images(seen: dict[int, Look]) -> list[Finding]:
    median = float(np.median([_short(look) for look in seen.values()]))
    tiny = _which(seen, lambda look: _short(look) < max(TINY_SIDE, TINY_SHARE * median))
    constant = _which(seen, lambda look: look.constant)
    blank = [index for index in _which(seen, lambda look: look.spread < BLANK) if index not in set(constant)]
    long = _which(seen, lambda look: _aspect(look) > LONG)
    narrow = _which(seen, lambda look: look.narrow)
    return [
        *_found(
            "tiny",
            tiny,
            f"{_are(tiny)} below {TINY_SIDE} pixels, or much smaller than the others: enlarged, there is nothing new.",
        ),
        *_found("constant", constant, f"{_have(constant)} a single value in every pixel: nothing can be learned from that."),
        *_found("blank", blank, f"{_are(blank)} nearly blank."),
        *_found("long", long, f"{_are(long)} more than {LONG:g} times as long as wide; only the square in the middle is seen."),
        *_found(
            "range set by few pixels",
            narrow,
            f"{_have(narrow)} nearly all values in a twentieth of the range: a few extreme pixels (a marker, a dead pixel) set"
            " it, and the rest is nearly flat.",
        ),
    ]


def _odd_files(samples: Sequence[Sample], seen: dict[int, Look]) -> list[Finding]:
    suffixes = {index: _KIND_OF.get(PurePosixPath(samples[index].path).suffix.lower()) for index in seen}
    lying = [index for index, look in seen.items() if suffixes[index] not in (None, look.kind)]
    frames = _which(seen, lambda look: look.frames > 1)
    return [
        *_found("several frames", frames, f"{_have(frames)} several frames or pages; only the first is looked at.", Weight.NOTE),
        *_found(
            "name of another type", lying, f"{_are(lying)} of another type than the name says; the content counts.", Weight.NOTE
        ),
    ]


def _mixtures(seen: dict[int, Look]) -> list[Finding]:
    """Files whose numbers mean different things."""
    findings = []
    dicom = Counter(look.scale for look in seen.values() if look.kind == "DICOM" and look.channels == 1)
    if dicom[Scale.WINDOW] and len(dicom) > 1:
        others = dicom.total() - dicom[Scale.WINDOW]
        findings.append(
            f"{dicom[Scale.WINDOW]:,} DICOM files name a window and {others:,} do not; these are shown by their own range, so"
            " that brightness means different things in the two."
        )
    deep = sum(look.scale is Scale.OWN_RANGE for look in seen.values())
    if deep and sum(look.scale is Scale.STORED for look in seen.values()):
        findings.append(
            f"Of {len(seen):,} images {deep:,} have more than 8 bits and are stretched by their own range, the others are not:"
            " the same thing may be brighter in one than in the other."
        )
    channels = Counter(look.channels for look in seen.values())
    if len(channels) > 1:
        named = {1: "gray", 3: "colour"}
        told = ", ".join(f"{count:,} {named.get(key, f'of {key} channels')}" for key, count in sorted(channels.items()))
        findings.append(f"Gray and colour files are mixed: {told}.")
    return [Finding("mixed files", Weight.LOOK, sentence) for sentence in findings]


def _found(kind: str, images: Sequence[int], sentence: str, weight: Weight = Weight.LOOK) -> list[Finding]:
    return [Finding(kind, weight, sentence, tuple(images))] if images else []


def _are(images: Sequence[int]) -> str:
    return "1 image is" if len(images) == 1 else f"{len(images):,} images are"


def _have(images: Sequence[int]) -> str:
    return "1 image has" if len(images) == 1 else f"{len(images):,} images have"


def _which(seen: dict[int, Look], odd: Callable[[Look], bool]) -> list[int]:
    return [index for index, look in seen.items() if odd(look)]


def _short(look: Look) -> int:
    return min(look.width, look.height)


def _aspect(look: Look) -> float:
    return max(look.width, look.height) / max(1, _short(look))


# What gives a class away ---------------------------------------------------------------------------------------------


def given_away(samples: Sequence[Sample], classes: Sequence[str], looks: Looks) -> list[Finding]:
    """For each class at most one finding: the property that alone tells it best from all others, if it does so well.

    By the AUROC of the property as it is, without fitting anything; images are taken as independent. That nothing is found
    does not mean that nothing gives a class away: it is a few numbers an image.
    """
    known = [index for index, look in enumerate(looks) if isinstance(look, Look)]
    properties = _properties([look for look in looks if isinstance(look, Look)])
    findings = []
    for label, name in enumerate(classes):
        inside = np.array([label in samples[index].has for index in known], bool)
        told = [(_separation(values, inside), what, least) for what, values, least in properties]
        strength, what, _ = max((one for one in told if one[0] >= one[2]), default=(0.0, "", 0.0))
        if strength:
            findings.append(
                f"{what} alone tells {name} from the other images (AUROC {strength:.2f}; .50 is chance): a network may learn"
                " how a picture was taken instead of what it shows."
            )
    if len(findings) == 2 == len(classes):
        findings = findings[:1]  # two classes: the same thing, said from both sides
    return [Finding("gives a class away", Weight.LOOK, sentence) for sentence in findings]


def _properties(looks: Sequence[Look]) -> list[tuple[str, Floats, float]]:
    """(what, (n,) values, least AUROC that is said)."""

    def values(of: Callable[[Look], float]) -> Floats:
        return np.array([of(look) for look in looks], np.float64)

    found = [
        ("The width", values(lambda look: look.width), GIVEN_AWAY),
        ("The height", values(lambda look: look.height), GIVEN_AWAY),
        ("The shape (width by height)", values(lambda look: look.width / max(1, look.height)), GIVEN_AWAY),
        ("The depth in bits", values(lambda look: look.bits), GIVEN_AWAY),
        ("Being gray or colour", values(lambda look: look.channels), GIVEN_AWAY),
        ("Brightness", values(lambda look: look.mean), GIVEN_AWAY_BY_LIGHT),
        ("Contrast", values(lambda look: look.spread), GIVEN_AWAY_BY_LIGHT),
    ]
    kinds = sorted({look.kind for look in looks})
    for kind in kinds if len(kinds) > 1 else ():
        found.append((f"Being a {kind} file", values(lambda look, kind=kind: look.kind == kind), GIVEN_AWAY))  # type: ignore[misc]
    return found


def _separation(values: Floats, inside: npt.NDArray[np.bool_]) -> float:
    """AUROC, whichever side is the higher; 0 where images are too few, or it is not surely above chance."""
    ours, others = values[~inside], values[inside]
    if min(len(ours), len(others)) < _FEWEST:
        return 0.0
    strength = auc(np.concatenate([ours, others]), len(ours))
    strength = max(strength, 1 - strength)
    # the rank-sum statistic's standard error when nothing separates the two
    error = math.sqrt((len(inside) + 1) / (12 * len(ours) * len(others)))
    return strength if (strength - 0.5) / error > SURE else 0.0
