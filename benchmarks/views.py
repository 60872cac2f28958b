"""Accuracy against V, the number of enumerated views of each image that a frozen trunk is run over.

python -m benchmarks.views DATA ... --weights FILE [--views 1,2,4,8] [--limit N] [--size S] -o FOLDER

Four recipes that resume from stored activations, all on the same folds; deep ones are trained for eight epochs at one rate, so
that nothing but V differs.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import frostline as fl

EPOCHS = 8


def lines(stages: Sequence[str], views: int) -> dict[str, str]:
    """Name -> recipe line with so many views."""
    kept, last = f"{stages[0]} .. {stages[-3]}", f"{stages[-2]} .. {stages[-1]}"
    trained = f"lr=0.0003 epochs={EPOCHS} views={views}"
    return {
        "softmax-only": f"all: freeze | head: linear | train: views={views}",
        "mlp head": f"all: freeze | head: mlp(256) | train: views={views}",
        "conv head": f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: drop | head: conv(256)x2 | train: {trained}",
        "deeper-tuned": f"{kept}: freeze | {last}: tune | head: linear | train: {trained}",
    }


def curve(data: Path, backbone: str, views: Sequence[int], limit: int, size: int, out: Path) -> dict[str, dict[int, float]]:
    """Recipe name -> V -> mean score over the folds."""
    found: dict[str, dict[int, float]] = {}
    for count in views:
        named = lines(fl.load_backbone(backbone).stage_names, count)
        run = fl.search(
            data, backbone, out=out / f"{data.name}-{count}", recipe=list(named.values()), limit=limit, size=size, flip="on"
        )
        with (run.path / "results.csv").open(newline="", encoding="utf-8") as stream:
            means = {row["recipe"]: row for row in csv.DictReader(stream)}
        for name, line in named.items():
            row = means.get(str(fl.Recipe.parse(line)))
            if row is not None and row["mean"]:
                found.setdefault(name, {})[count] = float(row["mean"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--backbone", required=True, help="as `frostline search -b` takes it")
    parser.add_argument("--views", default="1,2,4,8")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    views = [int(word) for word in given.views.split(",")]
    every = {}
    for data in given.data:
        every[data.name] = curve(data, given.backbone, views, given.limit, given.size, given.out)
        for name, scores in every[data.name].items():
            print(f"{data.name:24} {name:14}", *(f"{scores.get(count, float('nan')):.4f}" for count in views), flush=True)
        (given.out / "views.json").write_text(json.dumps(every, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
