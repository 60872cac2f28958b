"""Sources that frostline trained are not tested on what they have seen."""

from __future__ import annotations

from pathlib import Path

import pytest

import frostline as fl
from frostline.backbones.exported import TRAINED_ON, digests_text
from frostline.data import read
from frostline.errors import DataError
from frostline.session.sources import seen_before
from frostline.terms.data import Dataset, Sample, Split, SplitPlan
from tests.backbones.test_exported import exported
from tests.pictures import make_folder, make_image

SAMPLES = tuple(Sample(f"{index}.png", index % 2, digest=f"{index:032d}") for index in range(8))
DATASET = Dataset("", SAMPLES, ("a", "b"), "print")
PLAN = SplitPlan("folds", (Split("r0f0", 0, 0, 0, (0, 1, 2), (3, 4, 5)),), (6, 7), "rule", 0)


def test_a_sealed_image_among_the_sources_training_images_is_refused() -> None:
    with pytest.raises(DataError, match=r"frostline/cats was trained on 1 image of the sealed test set .* splits.csv: 9\)"):
        seen_before("frostline/cats", {f"{7:032d}", "other"}, DATASET, PLAN)


def test_other_images_that_the_source_has_seen_are_said() -> None:
    (note,) = seen_before("frostline/cats", {f"{0:032d}", f"{3:032d}"}, DATASET, PLAN)
    assert note.startswith("Backbone frostline/cats was trained on 2 images of these")
    assert seen_before("frostline/cats", {"other", ""}, DATASET, PLAN) == ()


def test_a_search_on_a_test_set_that_the_source_was_trained_on_stops_before_anything_is_run(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", {"cat": 14, "dog": 14})
    for number in range(10):
        make_image(tmp_path / "test" / ("cat", "dog")[number % 2] / f"{number}.png", seed=9000 + number, class_number=number % 2)
    exported(tmp_path / "source")
    digests = [sample.digest for sample in read(tmp_path / "test").samples]
    (tmp_path / "source" / "model" / TRAINED_ON).write_text(digests_text(digests))
    options = {"recipe": ["all: freeze | head: linear"], "size": 32, "test": tmp_path / "test", "out": tmp_path / "run"}
    with pytest.raises(DataError, match="10 images of the sealed test set"):
        fl.search(tmp_path / "data", str(tmp_path / "source"), **options)
    assert not (tmp_path / "run" / "results").exists()
