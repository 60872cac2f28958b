"""Real images, where they lie beside the project: `FROSTLINE_REAL_DATA` or ../shared/data; skipped elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from frostline.data import appearance_notes, build_store, default_size, plan_splits, read
from frostline.data.decoding import Geometry
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


def test_findings_of_a_chest_xray_are_several_labels() -> None:
    data = read(real("chest-xray-findings"))
    assert data.several and len(data.classes) == 14 and "No Finding" not in data.classes
    assert any("100 images have none of them" in note for note in data.notes)
    assert sum(sample.has == () for sample in data.samples) == 100
    assert int(np.nansum(data.targets()[:, data.classes.index("Hernia")])) == 20


@pytest.mark.parametrize(("name", "patients"), [("chest-xray-pneumonia", 1807), ("malaria-cells", None)])
def test_patients_of_a_table_stay_together_in_every_split(name: str, patients: int | None) -> None:
    data = read(real(name))
    plan = plan_splits(data, 0)
    groups = np.array([sample.group for sample in data.samples])
    assert patients is None or len(set(groups)) == patients
    assert len(plan.splits) == 5 and len(plan.sealed)
    for one, other in [(split.train, split.validation) for split in plan.splits] + [(plan.pool, plan.sealed)]:
        assert not set(groups[list(one)]) & set(groups[list(other)])
    classes = data.targets()
    shares = [np.mean(classes[list(split.validation)] == 0) for split in plan.splits]
    assert max(shares) - min(shares) < 0.1


def test_pneumonia_test_part_is_said_to_be_another_population(tmp_path: Path) -> None:
    data = read(real("pneumoniamnist"))
    assert any("8 images are in more than one" in note for note in data.notes)
    plan = plan_splits(data, 0)
    assert (len(plan.sealed), len(plan.splits[0].validation)) == (624, 524)
    assert any("25.8% of train and 37.5% of test" in note for note in plan.notes)
    data, store = build_store(data, Geometry(28, 28), tmp_path)
    (note,) = appearance_notes(data, store)
    assert "in test look unlike" in note
