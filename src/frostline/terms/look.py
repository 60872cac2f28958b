"""What one image file is, as it was found when it was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scale(StrEnum):
    """How the file's numbers became 0..255."""

    STORED = "as stored"  # eight bits a channel
    OWN_RANGE = "own range"  # deeper: its own least and greatest value are black and white
    WINDOW = "window"  # DICOM: the window or the table of values of interest that the file itself names


@dataclass(frozen=True, slots=True)
class Look:
    """One image.

    Attributes:
        kind: `PNG`, `JPEG`, `TIFF`, `WEBP`, `BMP`, `GIF` or `DICOM`, by the file's content and not by its name.
        width, height: of the upright picture, pixels.
        channels: 1 gray, 3 colour, else as many as the file holds.
        bits: a channel, in the file.
        frames: in the file; the first is used.
        scale: how its numbers became 0..255.
        low, high: the darkest and the lightest value, 0..255.
        mean, spread: mean and standard deviation of a small gray thumbnail, 0..255.
        narrow: deep, and nearly all of it lies in a twentieth of its own range: a few extreme pixels set it.
    """

    kind: str
    width: int
    height: int
    channels: int
    bits: int
    frames: int = 1
    scale: Scale = Scale.STORED
    low: float = 0.0
    high: float = 255.0
    mean: float = 0.0
    spread: float = 0.0
    narrow: bool = False

    @property
    def constant(self) -> bool:
        """Every pixel has the same value."""
        return self.low == self.high
