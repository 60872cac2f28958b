"""A bench travels light, and gives the same results where it arrives."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from frostline.compute import frozen
from frostline.compute.frozen import frozen_sample, small_networks
from frostline.compute.trials import fit_network, run_trial
from frostline.terms.data import Split
from frostline.terms.recipe import Recipe, Weights, family
from frostline.terms.result import Outcome
from frostline.terms.trial import Budget, Trial

SPLIT = Split("r0f0", 0, 0, 0, tuple(range(0, 48, 2)), tuple(range(1, 48, 2)))


@pytest.mark.parametrize("text", ["all: freeze | head: linear", "stem .. layer3: freeze | layer4: tune | head: linear"])
def test_a_bench_that_was_sent_gives_the_same_result(make_bench, text: str) -> None:
    bench = make_bench("timm/test_resnet")
    message = pickle.dumps(bench)
    assert len(message) < 40_000
    recipe = Recipe.parse(text)
    names = ("l2=0.1", "l2=0.001") if "tune" not in text else ("lr=0.001 epochs=1",)
    kind = family(recipe, bench.backbone.stage_names).value
    options = (("lr", "0.001"),) if "tune" in text else ()
    trial = Trial("timm/test_resnet", bench.backbone.digest, recipe, kind, options, "r0f0", 3, Budget("full", 64, None, 1), names)
    here, there = (run_trial(one, trial, SPLIT) for one in (bench, pickle.loads(message)))
    assert here.outcome is there.outcome is Outcome.DONE
    assert np.abs(here.probabilities - there.probabilities).max() < 1e-6


def test_what_recipes_start_from_is_kept_from_one_message_to_the_next_and_never_sent(make_bench) -> None:
    bench = make_bench("timm/test_resnet")
    recipe = Recipe.parse("all: tune | head: linear")
    first = pickle.loads(pickle.dumps(bench))
    fit_network(first, recipe, {"lr": "1e-3"}, 1, np.arange(0, 48, 2), seed=5)
    assert len(first.starts) == 1 and not bench.starts
    assert pickle.loads(pickle.dumps(bench)).starts is first.starts
    assert not pickle.loads(pickle.dumps(make_bench("timm/test_resnet"))).starts


def test_features_in_memory_travel_too(make_bench) -> None:
    bench = make_bench("timm/test_resnet")
    taps = bench.taps(Weights.PRETRAINED)
    in_memory = type(taps)(taps.rows, {name: np.array(values) for name, values in taps.pooled.items()}, {})
    found = pickle.loads(pickle.dumps(in_memory))
    assert all(np.array_equal(found.pooled[name], values) for name, values in taps.pooled.items())


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_small_networks_train_in_the_precision_of_their_own(make_bench, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, asked = make_bench("timm/test_resnet"), []
    bench = replace(bench, kernels=replace(bench.kernels, heads=dtype))
    fit = frozen.fit_stacked
    monkeypatch.setattr(frozen, "fit_stacked", lambda *given: asked.append(given[-1]) or fit(*given))
    recipe, rows = Recipe.parse("all: freeze | head: mlp(8)"), np.arange(0, 48, 2)
    small_networks(bench, recipe, frozen_sample(bench, recipe, rows), rows, [1e-3], seed=0)
    assert asked == [dtype] and bench.kernels.forward.dtype == "fp32"
