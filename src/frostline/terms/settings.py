"""What a search was asked to do, resolved: the identity of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

FLIPS = ("auto", "on", "off")
AUTO, OFF = "auto", "off"
BACKENDS = ("auto", "serial", "process", "ray")


def name_of(data: str) -> str:
    """What a person calls these data: the folder's or the table's name; the folder's where the table is its `index`."""
    path = PurePath(data)
    return (path.parent.name if path.stem == "index" else path.name) or data


@dataclass(frozen=True)
class Settings:
    """Everything in `config.yaml`. The rest is identity, but `data`, `test`, `time_s`, `cache_bytes`, `store`, `backend`,
    `workers`, `address`, `devices_per_trial`, `trial_cpus`, `trial_gpus`, `include_images` and `deep` may differ when continued:
    images may have moved (together), as long as they are the same.

    Attributes:
        data: the folder as given; `fingerprint` of what is in it, and in `test`.
        test: an external test set as given, None where there is none.
        backbones: as given on the command line, in order.
        size: image size in pixels; None until the data were seen.
        metric: `auroc`, `balanced-accuracy`, `accuracy` or `log-loss`.
        delta: None: .01, at most a quarter of (1 - best).
        recipes: lines instead of the default panel; empty for the panel.
        flip: `auto`, `on` or `off`: whether mirrored views are allowed.
        limit: at most so many images (stratified), None for all.
        label, group, path_column, split_column: columns of the table that were named; `delimiter`: between labels of one cell.
        positive: of two classes the one that is looked for, where it was named.
        specificity: that the second operating point keeps on its training side.
        subgroups: columns of the table by which scores are also shown.
        learning_curve: some recipes are also trained on parts of the images.
        store: where activations are shared with other runs, without a user's name and password.
        backend: `serial`, `process` or `ray`; workers: trials at a time. address: of the Ray cluster.
        devices_per_trial: by which each network is trained.
        trial_cpus, trial_gpus: what each trial has of a machine of the cluster, a share of a GPU perhaps; None without one.
        include_images: the page may show pictures of the user's own images.
        first_rung: `auto`, `off`, or the share of the images on which heads are tried before all.
        deep: also train networks whose first stages come from the source, depth by depth.
    """

    data: str
    fingerprint: str
    backbones: tuple[str, ...]
    size: int
    metric: str
    seed: int
    delta: float | None = None
    recipes: tuple[str, ...] = ()
    pool_val: bool = False
    flip: str = "auto"
    limit: int | None = None
    device: str = "cpu"
    allow_unreadable: bool = False
    label: str | None = None
    group: str | None = None
    test: str | None = None
    time_s: float | None = None
    cache_bytes: int | None = None
    store: str | None = None
    backend: str = "serial"
    workers: int = 1
    address: str | None = None
    devices_per_trial: int = 1
    trial_cpus: int | None = None
    trial_gpus: float | None = None
    specificity: float = 0.9
    subgroups: tuple[str, ...] = ()
    learning_curve: bool = False
    first_rung: str = AUTO
    include_images: bool = False
    deep: bool = False
    path_column: str | None = None
    split_column: str | None = None
    delimiter: str | None = None
    positive: str | None = None
