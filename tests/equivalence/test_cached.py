"""Training from the stored output of a frozen prefix gives what training from pixels gives."""

from dataclasses import replace

import numpy as np
import pytest

from frostline.compute.build import fitting
from frostline.compute.sources import ActivationSource, PixelSource
from frostline.compute.train import predict
from frostline.compute.trials import fit_network, run_trial, source_for
from frostline.terms.data import Split
from frostline.terms.recipe import Recipe, Weights, family
from frostline.terms.result import Outcome
from frostline.terms.trial import Budget, Trial


@pytest.mark.parametrize("name", ["timm/test_efficientnet", "timm/test_resnet"])
def test_cached_and_uncached_training_agree(make_bench, name: str) -> None:
    bench = make_bench(name)
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: tune | head: linear")
    uncached = replace(bench, passes={w: replace(taps, maps={}) for w, taps in bench.passes.items()})
    rows, validation = np.arange(0, 48, 2), np.arange(1, 48, 2)
    found = []
    for one, kind in ((bench, ActivationSource), (uncached, PixelSource)):
        fitted = fit_network(one, recipe, {"lr": "1e-3"}, 3, rows, seed=5)
        assert isinstance(source_for(one, recipe, fitted.network, fitting(recipe, one.backbone)), kind)
        found.append((fitted.losses, predict(fitted.network, one.pixels(), validation, one.kernels.forward)))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-4)
    assert np.abs(found[0][1] - found[1][1]).max() < 1e-3


def test_features_of_a_pass_are_those_of_the_network(make_bench) -> None:
    """The frozen recipe fitted from stored features predicts like the network built from it."""
    bench = make_bench("timm/test_efficientnet")
    for text in ("all: freeze | head: linear", "all: freeze | head: all-layer", "all: freeze | head: mlp(16)"):
        recipe = Recipe.parse(text)
        split = Split("r0f0", 0, 0, 0, tuple(range(0, 48, 2)), tuple(range(1, 48, 2)))
        setting = "lr=0.001" if "mlp" in text else "l2=0.01"
        found = family(recipe, bench.backbone.stage_names).value
        trial = Trial("x", "y", recipe, found, (), "r0f0", 0, Budget("full", 64), (setting,))
        result = run_trial(bench, trial, split)
        assert result.outcome is Outcome.DONE
        options = dict([setting.split("=")])
        network = fit_network(bench, recipe, options, 0, np.asarray(split.train), 0).network
        direct = predict(network, bench.pixels(), np.asarray(split.validation), bench.kernels.forward)
        assert np.abs(direct - result.probabilities[0]).max() < 1e-4, text


def test_a_second_pass_is_read_from_the_store(make_bench, monkeypatch) -> None:
    from frostline.compute import materialise
    from frostline.store.activations import ActivationStore

    bench = make_bench("timm/test_resnet")
    taps = bench.passes[Weights.PRETRAINED]
    folder = (
        next(iter(taps.maps.values())).filename.parent if hasattr(next(iter(taps.maps.values())).filename, "parent") else None
    )
    assert folder is not None
    monkeypatch.setattr(materialise, "_run", lambda *_: pytest.fail("the trunk ran again"))
    data_digest = None
    del data_digest
    assert ActivationStore(folder).bytes_used() > 0
