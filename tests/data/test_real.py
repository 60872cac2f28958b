"""Real images, where they lie beside the project: `FROSTLINE_REAL_DATA` or ../shared/data; skipped elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frostline.data import appearance_notes, build_store, default_size, plan_splits, read
from frostline.data.decoding import Geometry
from frostline.errors import DataError
from frostline.terms.backbone import InputSpec

DATA = Path(os.environ.get("FROSTLINE_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
SPEC = InputSpec(3, 224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", 0.875)


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not here")
    return DATA / name


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [("ants-bees", 3, 224), ("cats-dogs", 3, 160), ("chest-xray-pneumonia", 1, 224), ("malaria-cells", 1, 96)],
)
def test_small_subset_of_a_real_set(tmp_path: Path, name: str, channels: int, size: int) -> None:
    data = read(real(name), limit=60)
    assert len(data.samples) <= 60
    assert default_size(data, SPEC) == size
    data, store = build_store(data, Geometry.of(SPEC.at(size)), tmp_path)
    assert (store.count, store.channels) == (len(data.samples), channels)
    assert plan_splits(data, 0).splits


def test_findings_with_several_labels_are_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match=r"not supported yet.*--label view"):
        read(real("chest-xray-findings"))


def test_pneumonia_test_part_is_said_to_be_another_population(tmp_path: Path) -> None:
    data = read(real("pneumoniamnist"))
    assert any("8 images are in more than one" in note for note in data.notes)
    plan = plan_splits(data, 0)
    assert (len(plan.sealed), len(plan.splits[0].validation)) == (624, 524)
    assert any("25.8% of train and 37.5% of test" in note for note in plan.notes)
    data, store = build_store(data, Geometry(28, 28), tmp_path)
    (note,) = appearance_notes(data, store)
    assert "in test look unlike" in note
