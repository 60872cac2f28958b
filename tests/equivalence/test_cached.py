"""Training from the stored output of a frozen prefix gives what training from pixels gives."""

from dataclasses import replace

import numpy as np
import pytest

from frostline import backbones, data
from frostline.compute import materialise
from frostline.compute.build import fitting
from frostline.compute.inputs import source_for
from frostline.compute.logistic import STRENGTHS
from frostline.compute.materialise import tapped_pass
from frostline.compute.sources import ActivationSource, PixelSource
from frostline.compute.train import predict
from frostline.compute.trials import as_options, fit_network, run_trial
from frostline.store.activations import ActivationStore
from frostline.terms.data import Split
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Recipe, Weights, family
from frostline.terms.result import Outcome
from frostline.terms.trial import Budget, Trial


@pytest.mark.parametrize("name", ["timm/test_efficientnet", "timm/test_resnet"])
def test_cached_and_uncached_training_agree(make_bench, name: str) -> None:
    bench = make_bench(name)
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: tune | head: linear")
    uncached = replace(bench, passes={w: replace(taps, maps={}) for w, taps in bench.passes.items()}, starts={})
    rows, validation = np.arange(0, 48, 2), np.arange(1, 48, 2)
    found = []
    for one, kind in ((bench, ActivationSource), (uncached, PixelSource)):
        fitted = fit_network(one, recipe, {"lr": "1e-3"}, 3, rows, seed=5)
        assert isinstance(source_for(one, recipe, fitted.network, fitting(recipe, one.backbone)), kind)
        found.append((fitted.losses, predict(fitted.network, one.pixels(), validation, one.kernels.forward)))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-4)
    assert np.abs(found[0][1] - found[1][1]).max() < 1e-3


def test_cached_views_train_as_the_same_views_from_pixels(make_bench) -> None:
    """Augmentation is not lost: view by view, epoch by epoch the stored prefix gives what the images would."""
    bench = make_bench("timm/test_efficientnet", views=3)
    stages = bench.backbone.stage_names
    recipe = Recipe.parse(f"{stages[0]} .. {stages[-2]}: freeze | {stages[-1]}: tune | head: linear | train: views=3")
    uncached = replace(bench, passes={w: without_maps(taps) for w, taps in bench.passes.items()}, starts={})
    rows, validation = np.arange(0, 48, 2), np.arange(1, 48, 2)
    found, losses = [], []
    for one, kind in ((bench, ActivationSource), (uncached, PixelSource)):
        fitted = fit_network(one, recipe, {"lr": "1e-3"}, 4, rows, seed=5)
        assert isinstance(fitted.source, kind)
        losses.append(fitted.losses)
        found.append(predict(fitted.network, one.pixels(), validation, one.kernels.forward))
    assert np.allclose(losses[0], losses[1], rtol=1e-4)
    assert np.abs(found[0] - found[1]).max() < 1e-3
    plain = fit_network(bench, replace(recipe, train=()), {"lr": "1e-3"}, 4, rows, seed=5)
    assert not np.allclose(plain.losses, losses[0], rtol=1e-3)


def without_maps(taps):
    return replace(taps, maps={}, further=tuple(without_maps(one) for one in taps.further))


def test_features_of_a_pass_are_those_of_the_network(make_bench) -> None:
    """A frozen recipe fitted from stored features predicts like the network that is built from it and handed over."""
    bench = make_bench("timm/test_efficientnet")
    split = Split("r0f0", 0, 0, 0, tuple(range(0, 48, 2)), tuple(range(1, 48, 2)))
    for text in ("all: freeze | head: linear", "all: freeze | head: all-layer", "all: freeze | head: mlp(16)"):
        recipe = Recipe.parse(text)
        settings = ("lr=0.001",) if "mlp" in text else tuple(f"l2={value:g}" for value in STRENGTHS[:4])
        found = family(recipe, bench.backbone.stage_names).value
        trial = Trial("x", "y", recipe, found, (), "r0f0", 0, Budget("full", 64), settings)
        result = run_trial(bench, trial, split)
        assert result.outcome is Outcome.DONE
        network = fit_network(bench, recipe, as_options(settings[-1]), 0, np.asarray(split.train), 0).network
        direct = predict(network, bench.pixels(), np.asarray(split.validation), bench.kernels.forward)
        assert np.abs(direct - result.probabilities[-1]).max() < 1e-4, text


def test_a_second_pass_is_read_from_the_store_and_a_damaged_one_is_made_again(
    stripes, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), tmp_path)
    source, rows = PixelSource(store, backbone.spec, Mode()), np.arange(48)
    cut = backbone.stages[0].cut.name

    def run():
        activations = ActivationStore(tmp_path / "activations")
        return tapped_pass(
            backbone, Weights.PRETRAINED, 0, source, rows, dataset.fingerprint, activations, Mode(), [cut]
        )  # fmt: skip

    first = run()
    with monkeypatch.context() as patch:
        patch.setattr(materialise, "_run", lambda *_: pytest.fail("the trunk ran again"))
        again = run()
    assert np.array_equal(first.maps[cut], again.maps[cut])
    assert all(np.array_equal(first.pooled[name], again.pooled[name]) for name in first.pooled)
    before = np.array(first.maps[cut])
    for path in (tmp_path / "activations").glob("*.npy"):
        whole = bytearray(path.read_bytes())
        whole[-5] ^= 1
        path.unlink()
        path.write_bytes(whole)
    assert np.array_equal(run().maps[cut], before)
