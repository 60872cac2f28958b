"""What was found wrong, or worth knowing, about a set of images before anything is learned from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from frostline.terms.data import Dataset


class Weight(StrEnum):
    """How much a finding matters."""

    STOPS = "stops"  # a search would refuse these data
    SPOILS = "spoils"  # a score is flattered, or means nothing
    LOOK = "look"  # scores may be flattered or spoilt: look at it
    NOTE = "note"  # good to know


class Note(str):
    """A sentence about the data that knows how much it matters; among notes a plain `str` is good to know and no more.

    It is a `str` because notes are shown, compared and written down as sentences by all who do not ask for more.

    Attributes:
        bare: the sentence without the rows of splits.csv that it names, for those who have no such file.
    """

    weight: Weight
    bare: str

    def __new__(cls, sentence: str, weight: Weight = Weight.LOOK, bare: str = "") -> Note:
        note = super().__new__(cls, sentence)
        note.weight, note.bare = weight, bare or sentence
        return note


def weight_of(note: str) -> Weight:
    return note.weight if isinstance(note, Note) else Weight.NOTE


def bare(note: str) -> str:
    """The sentence without rows of splits.csv."""
    return note.bare if isinstance(note, Note) else note


def behind(words: str, note: str) -> str:
    """`note` with `words` in front, as heavy as it was."""
    return Note(f"{words}{note}", note.weight, f"{words}{note.bare}") if isinstance(note, Note) else f"{words}{note}"


def serious(notes: Iterable[str]) -> tuple[str, ...]:
    """Those that must be looked at before a score is believed, the heaviest first, each once."""
    order = tuple(Weight)
    heavy = [note for note in dict.fromkeys(notes) if weight_of(note) is not Weight.NOTE]
    return tuple(sorted(heavy, key=lambda note: order.index(weight_of(note))))


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: a word or two: `tiny`, `exact duplicates`.
        sentence: for people; names no file, because it goes into reports, and a file's name may be a patient's.
        images: indices of the samples it is about.
    """

    kind: str
    weight: Weight
    sentence: str
    images: tuple[int, ...] = ()

    @property
    def note(self) -> Note:
        return Note(self.sentence, self.weight)


@dataclass(frozen=True)
class Kind:
    """The images of one class in one part, or of all parts where the user made none.

    Attributes:
        part, name: of them; images, groups: how many.
        share: of the part's images.
        width, height: medians, pixels.
        files: kinds of files with their number, the most frequent first; bits, channels: all that occur.
        mean, mean_sd, spread: of the images' means (0..255), the standard deviation of these means, and the mean of the
            standard deviations within an image.
    """

    part: str
    name: str
    images: int
    groups: int
    share: float
    width: int
    height: int
    files: tuple[tuple[str, int], ...]
    bits: tuple[int, ...]
    channels: tuple[int, ...]
    mean: float
    mean_sd: float
    spread: float


@dataclass(frozen=True)
class Checkup:
    """Everything that `frostline check` found.

    Attributes:
        dataset: as a search would see it; None where it would be refused before any image is looked at.
        kinds: a row for each class and part.
        findings: the heaviest first.
    """

    dataset: Dataset | None
    kinds: tuple[Kind, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether a search would refuse these data."""
        return any(finding.weight is Weight.STOPS for finding in self.findings)
