"""The options that commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

METRICS = ("auroc", "balanced-accuracy", "accuracy", "average-precision", "log-loss")

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of images: a folder per class, train/ val/ test/ of these, or with an index.csv; or a table.",
    ),
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `frostline search -o` wrote.")]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "-b",
        "--backbone",
        metavar="NAME",
        help="A network, NAME or NAME=FILE; repeatable; default: the demo's.",
    ),
]
Time = Annotated[str | None, typer.Option(metavar="30m", help="End within this time: 90s, 30m, 1h30m. Default: the full panel.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run's folder. Default: frostline-DATA.")]
Recipes = Annotated[
    list[str] | None, typer.Option(metavar="LINE", help="These recipes instead of the default panel; repeatable.")
]
MetricName = Annotated[str | None, typer.Option(metavar="NAME", help=f"What is compared: {', '.join(METRICS)}.")]
Delta = Annotated[
    float | None,
    typer.Option(
        metavar="D",
        help="Differences up to this are of no practical interest. Default: .01, at most a quarter of what the best still lacks.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of folds and of training.")]
Size = Annotated[int | None, typer.Option(metavar="PIXELS", help="Image size. Default: fits the images.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, mps.")]
Flip = Annotated[str, typer.Option(metavar="WHEN", help="Mirrored views: auto, on, off.")]
PoolVal = Annotated[bool, typer.Option("--pool-val", help="Use val/ together with train/ in the folds.")]
CacheSize = Annotated[str | None, typer.Option(metavar="2GB", help="Disk space for stored activations; 0 for none.")]
Store = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A folder or s3://BUCKET/PATH where activations are shared with other runs and machines."),
]
AllowUnreadable = Annotated[bool, typer.Option("--allow-unreadable", help="Leave out images that cannot be read.")]
Label = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The table's column with the classes; A,B,C: a column a label, 1, 0 or empty."),
]
Delimiter = Annotated[str | None, typer.Option(metavar="TEXT", help="Between several labels of one cell. Default: a bar.")]
Positive = Annotated[
    str | None,
    typer.Option(metavar="CLASS", help="Of two classes the one looked for: sensitivity is its. Default: the second by name."),
]
PathColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column with the image paths.")]
SplitColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column with train, val and test.")]
Group = Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column that no split may break (patient).")]
Subgroup = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Show scores also for each value of this column; repeatable.")
]
Specificity = Annotated[float, typer.Option(metavar="S", help="Two classes: sensitivity is shown at this specificity.")]
Test = Annotated[
    str | None, typer.Option(metavar="PATH", help="An external test set: a folder per class or an index.csv. Opened once, last.")
]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Use at most N images, stratified by class.")]
Curve = Annotated[bool, typer.Option("--learning-curve", help="Also train on parts of the images: what would more of them buy?")]
FirstRung = Annotated[
    str,
    typer.Option(metavar="SHARE", help="Try heads on this share of the images before all: auto (a tenth of very many), off, .1."),
]
Deep = Annotated[bool, typer.Option("--deep", help="Also train with the source's first stages, depth by depth: what is general?")]
IncludeImages = Annotated[bool, typer.Option("--include-images", help="The report may show some of these images.")]

OwnBackbone = Annotated[
    str | None,
    typer.Option("--backbone", metavar="MODULE:FUNCTION", help="For a model on an own network: the function that makes it."),
]
AbstainBelow = Annotated[float, typer.Option(metavar="P", help="No label where the model is less sure than this.")]
Threshold = Annotated[
    str | None,
    typer.Option(metavar="T", help="Two classes: say the second from this probability on: a number, youden or specificity."),
]
BackendName = Annotated[
    str, typer.Option("--backend", metavar="NAME", help="Who carries out trials: auto, serial, process, ray.")
]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Of a Ray cluster; auto: the one here; local: start one for this search.")
]
DevicesPerTrial = Annotated[
    int,
    typer.Option(metavar="N", help="Devices that train one network together (DDP), for one that is too large for one of them."),
]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Trials at a time. Default: suits the machine.")]
