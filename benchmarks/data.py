"""The images that a search trains on and the ones it seals, as two tables, so that peers are measured on the same ones.

python -m benchmarks.data DATA -o FOLDER [--seed N] [--limit N] | python -m benchmarks.data --run RUN -o FOLDER
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.peers.common import Row, write_rows
from frostline.data import plan_splits, read
from frostline.terms.data import Dataset, SplitPlan

PLACES = 4  # columns of splits.csv before those of the splits: path, group, class, part


@dataclass(frozen=True)
class Rows:
    """Attributes:
    test_is: `sealed`, or where nothing was sealed the name of the search's first split, whose validation images they are.
    """

    train: list[Row]
    test: list[Row]
    test_is: str


def from_seed(path: str | Path, seed: int = 0, limit: int | None = None, pool_val: bool = False) -> Rows:
    """What `frostline search PATH --seed SEED` trains on and seals."""
    dataset = read(path, limit=limit, seed=seed)
    return rows_of(dataset, plan_splits(dataset, seed, pool_val))


def rows_of(dataset: Dataset, plan: SplitPlan) -> Rows:
    first = plan.splits[0]
    train, test, name = (plan.pool, plan.sealed, "sealed") if plan.sealed else (first.train, first.validation, first.name)
    return Rows(_rows(dataset, train), _rows(dataset, test), name)


def _rows(dataset: Dataset, indices: Sequence[int]) -> list[Row]:
    samples = [dataset.samples[index] for index in indices]
    return [(_path(dataset.root, sample.path), dataset.classes[sample.label]) for sample in samples]


def from_run(run: Path) -> Rows:
    """What the search in the folder `run` trained on and sealed, from its config.yaml and splits.csv."""
    header, lines = _splits(run)
    rows = [((path, _plain(line[2])), line[PLACES:]) for path, line in lines]
    if any("sealed" in words for _, words in rows):
        sealed = [row for row, words in rows if "sealed" in words]
        return Rows([row for row, words in rows if "sealed" not in words and any(words)], sealed, "sealed")
    train, test = ([row for row, words in rows if words[0] == wanted] for wanted in ("train", "validation"))
    return Rows(train, test, header[PLACES])


def groups(run: Path) -> dict[str, str]:
    """Path -> what joins an image to others of the same patient, of every image that is in a group."""
    return {path: line[1] for path, line in _splits(run)[1] if line[1]}


def _splits(run: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The header of splits.csv, and of each of its lines the path of the image and all cells."""
    given = Path(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["settings"]["data"]).absolute()
    root = given.parent if given.is_file() else given
    with (run / "splits.csv").open(newline="", encoding="utf-8") as stream:
        header, *lines = csv.reader(stream)
    return header, [(_path(root, _plain(line[0])), line) for line in lines]


def _path(root: str | Path, path: str) -> str:
    """Of an image, which may lie beside the data set's folder."""
    return os.path.normpath(Path(root) / path)


def _plain(cell: str) -> str:
    """Without the quote that keeps a spreadsheet from taking the cell for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in "=+-@\t\r" else cell


def write_tables(rows: Rows, folder: Path) -> tuple[Path, Path]:
    """The paths of `train.csv` and `test.csv` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "train.csv", folder / "test.csv"
    write_rows(files[0], rows.train)
    write_rows(files[1], rows.test)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    if (given.data is None) == (given.run is None):
        parser.error("give either DATA or --run RUN")
    rows = from_run(given.run) if given.run else from_seed(given.data, given.seed, given.limit)
    write_tables(rows, given.out)
    print(f"{len(rows.train)} images to train on, {len(rows.test)} to test on ({rows.test_is}), in {given.out}")


if __name__ == "__main__":
    main()
