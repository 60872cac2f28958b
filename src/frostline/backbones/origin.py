"""How a backbone was loaded, as a value: what travels to another process in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.errors import BackboneError

if TYPE_CHECKING:
    from frostline.backbones.loaded import LoadedBackbone

Step = tuple[str, int | str | tuple[str, ...]]  # a method of LoadedBackbone, and its argument


@dataclass(frozen=True)
class Origin:
    """The arguments of `load`, and what was done with the backbone since.

    Attributes:
        steps: in order: `at` a size, `with_stages` that end at cuts, `renamed` to a name.
    """

    name: str
    pretrained: bool = True
    weights: Path | None = None
    size: int | None = None
    steps: tuple[Step, ...] = ()

    def then(self, method: str, argument: int | str | tuple[str, ...]) -> Origin:
        return replace(self, steps=(*self.steps, (method, argument)))


def load_again(origin: Origin, digest: str) -> LoadedBackbone:
    """The backbone of `origin`, loaded once a process.

    Raises:
        BackboneError: its weights are others now.
    """
    backbone = _made(origin)
    if backbone.digest != digest:
        raise BackboneError(
            f"the weights of {origin.name!r} are not those that the search was started with (digest {backbone.digest[:12]},"
            f" expected {digest[:12]}): the file was changed meanwhile. Start again, with another folder after -o."
        )
    return backbone


@lru_cache(maxsize=64)
def _made(origin: Origin) -> LoadedBackbone:
    """Each step from what the steps before it gave: these are shared."""
    from frostline.backbones.loading import load

    if not origin.steps:
        return load(origin.name, pretrained=origin.pretrained, weights=origin.weights, size=origin.size)
    *before, (method, argument) = origin.steps
    found: LoadedBackbone = getattr(_made(replace(origin, steps=tuple(before))), method)(argument)
    return found
