"""What is left of the feature maps at full size after the screening had their place."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from frostline.session import Request, Silent
from frostline.session.clock import Clock
from frostline.session.frozen import boundaries, run_pass
from frostline.session.lending import lent_to_screening
from frostline.session.prepare import prepare
from frostline.terms.recipe import Weights

LINES = tuple(
    f"stem .. {frozen}: freeze | {tuned}: tune | head: linear | train: lr=0.001 epochs=1"
    for frozen, tuned in (("layer3", "layer4"), ("layer2", "layer3 .. layer4"))
)


@pytest.mark.parametrize("time_left", [False, True])
@pytest.mark.parametrize("counted", [False, True])
def test_where_there_is_no_time_the_maps_that_are_still_there_are_used(
    textures: Path, backbone_name: str, tmp_path: Path, time_left: bool, counted: bool
) -> None:
    """Also where they went without this store's doing."""
    work = prepare(Request(textures, tmp_path / "run", (backbone_name,), LINES, size=32, limit=80), Silent(), Clock(), "test")
    (lane,) = work.lanes
    cuts = boundaries(lane)
    lane.bench = run_pass(work, lane, lane.bench, Weights.PRETRAINED, work.pool, cuts, "pass")
    maps = lane.bench.passes[Weights.PRETRAINED].maps
    places = {cut: Path(str(array.filename)) for cut, array in maps.items() if isinstance(array, np.memmap)}
    del maps
    lane.screen, work.activations.budget_bytes = lane.bench, 0
    with lent_to_screening(work, 80):
        lane.screen = None
        gc.collect()
        places[cuts[0]].unlink()
        work.activations.evicted += counted
        work.activations.budget_bytes = None
        work.clock.limit_s = None if time_left else work.clock.elapsed() + 1e-3
    found = lane.bench.passes[Weights.PRETRAINED].maps
    assert len(cuts) == 2 and set(found) == set(cuts if time_left else cuts[1:])
    work.folder.close()
