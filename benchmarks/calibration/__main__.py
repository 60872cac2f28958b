"""Calibration of the verdicts.

python -m benchmarks.calibration simulated [--only NAME ...] [--runs N] -o FOLDER
python -m benchmarks.calibration real DATA [--only NAME ...] -o FOLDER

`simulated`: worlds with a known truth (`benchmarks.calibration.worlds`); every run is kept, so the command goes on where it
stopped. `real`: images with a known answer (`benchmarks.calibration.real`), small networks trained on the spot.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.calibration import tables
from benchmarks.calibration.study import Summary, kept
from benchmarks.calibration.worlds import HARD, NULLS, POWER, WORLDS


def simulated(only: list[str], runs: int, out: Path) -> None:
    chosen = [world for world in WORLDS.values() if not only or any(word in world.name for word in only)]
    found = {world.name: kept(world, runs, out, say=lambda text: print(text, flush=True)) for world in chosen}
    (out / "summary.json").write_text(json.dumps([asdict(one) for one in found.values()], indent=1), encoding="utf-8")
    print_tables(found)


def print_tables(found: dict[str, Summary]) -> None:
    for title, worlds in (("Equal recipes", NULLS), ("Harder", HARD), ("Power", POWER)):
        mine = [found[world.name] for world in worlds if world.name in found]
        if mine:
            wanted = [tables.POWER] if worlds is POWER else [tables.COVERAGE]
            print(f"\n{title}\n")
            print("\n\n".join(tables.markdown(columns, mine) for columns in [*wanted, tables.OPTIMISM]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("simulated")
    one.add_argument("--only", action="append", default=[], metavar="WORDS", help="worlds whose name has these words")
    one.add_argument("--runs", type=int, default=400)
    two = kinds.add_parser("real")
    two.add_argument("data", type=Path, help="the folder of the real data sets")
    two.add_argument("--only", action="append", default=[], metavar="NAME")
    for each in (one, two):
        each.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    if given.kind == "simulated":
        simulated(given.only, given.runs, given.out)
    else:
        from benchmarks.calibration import real

        real.run(given.data, given.only, given.out)


if __name__ == "__main__":
    main()
