"""Whether images are what a backbone was trained on, as far as numbers tell: channels, and the range of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from frostline.errors import OptionError
from frostline.terms.backbone import InputSpec
from frostline.terms.finding import Note

if TYPE_CHECKING:
    from frostline.data.pixels import PixelStore

FARTHEST = 2.0  # of the specification's deviations, between its mean and that of the images
NARROWEST = 0.2  # of the specification's deviation, that of the images
_MOST_IMAGES = 256


def check_channels(store: PixelStore, spec: InputSpec, name: str) -> None:
    """Nothing, where images can be given to the network.

    Raises:
        OptionError: they have other channels, and neither repeating nor summing makes them fit.
    """
    given = store.channels
    if given != spec.channels and {given, spec.channels} != {1, 3}:
        raise OptionError(
            f"the images have {given} channels and backbone {name} takes {spec.channels}. Let its first layer take them, its"
            f" weights repeated in turn: -b '{name.partition('?')[0]}?channels={given}'"
        )


def input_notes(store: PixelStore, spec: InputSpec, name: str) -> list[str]:
    """Sentences: how channels were made to fit, and whether the images' values lie where the weights expect them."""
    notes = []
    if store.channels == 1 and spec.channels == 3:
        notes.append(
            f"The images are gray and {name} takes three channels: gray is repeated. The other choice is to sum the first layer's"
            f" weights: -b '{name.partition('?')[0]}?channels=1'"
        )
    if store.channels == 3 and spec.channels == 1:
        notes.append(f"The images have colours and {name} takes one channel: it is shown their brightness.")
    return notes + _range_notes(store, spec, name)


def _range_notes(store: PixelStore, spec: InputSpec, name: str) -> list[str]:
    """Means and deviations over all pixels of up to 256 images, evenly spread, as the network receives them (0..1)."""
    rows = np.unique(np.linspace(0, store.count - 1, min(_MOST_IMAGES, store.count)).astype(np.int64))
    pixels = store.batch(rows, channels=spec.channels).numpy().astype(np.float32) / 255
    means, deviations = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    expected, width = np.asarray(spec.mean), np.asarray(spec.std)
    odd = (np.abs(means - expected) > FARTHEST * width) | (deviations < NARROWEST * width)
    if not odd.any():
        return []
    said = (
        f"The images' values do not fit what {name} expects: mean {_shown(means)} and deviation {_shown(deviations)} of 0..1,"
        f" expected about {_shown(expected)} and {_shown(width)}. Its features may say little; stretch the images, or give a mean"
        " and a deviation of your own (?mean=...&std=...) if the weights were trained so."
    )
    return [Note(said)]


def _shown(values: npt.NDArray[np.floating]) -> str:
    alike = len({f"{value:.2f}" for value in values}) == 1
    return (
        f"{values[0]:.2f}" if alike else ", ".join(f"{value:.2f}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
    )
