"""One architecture of every family of timm: taken apart, and equal to the whole network.

The networks are randomly initialised; that says nothing about the quality of features, only about the graph.
"""

from __future__ import annotations

import gc

import pytest

from frostline.backbones import LoadedBackbone, load
from frostline.errors import BackboneError

from .equality import evaluation_differs, training_differs
from .families import FEW_STAGES, HEAVY, REFUSED, SHARED_WITH_CLASSIFIER, SMALLEST, TORCHVISION

SIZE = 128


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SMALLEST))
def test_a_member_of_every_family(family: str) -> None:
    name = f"timm/{SMALLEST[family]}"
    if family in REFUSED:
        with pytest.raises(BackboneError):
            load(name, pretrained=False)
        return
    loaded = load(name, pretrained=False)
    stages = len(loaded.stages)
    assert stages <= 8 and (stages >= 4) != (family in FEW_STAGES), f"{stages} stages: {loaded.stage_names}"
    if family not in HEAVY:
        loaded = smaller(loaded)
        assert evaluation_differs(loaded) == ""
        assert family in SHARED_WITH_CLASSIFIER or training_differs(loaded) == ""
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize("model", TORCHVISION)
def test_a_member_of_every_family_of_torchvision(model: str) -> None:
    loaded = load(f"torchvision/{model}", pretrained=False)
    assert 4 <= len(loaded.stages) <= 8
    assert evaluation_differs(smaller(loaded)) == ""
    assert training_differs(smaller(loaded)) == ""


def smaller(loaded: LoadedBackbone) -> LoadedBackbone:
    """At fewer pixels, where the network can be had so."""
    try:
        return loaded if loaded.spec.fixed_size else loaded.at(SIZE)
    except BackboneError:
        return loaded


@pytest.mark.slow
def test_every_family_of_timm_is_in_the_table() -> None:
    import timm

    families = {module for module in timm.list_modules() if timm.list_models(module=module)}
    assert len(families & SMALLEST.keys()) >= 90
