"""How general, how specific and how co-adapted the features of each depth are: AnB, AnB+ and BnB (Yosinski 2014)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from frostline.compute.bench import Bench
from frostline.compute.build import TransferNetwork
from frostline.compute.train import predict
from frostline.compute.trials import fit_network
from frostline.terms.evidence import ANB, ANB_TUNED, BASE, BNB
from frostline.terms.recipe import Recipe
from frostline.terms.result import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Grafted:
    """(n, classes) predictions of a network whose stages up to `stage` came from elsewhere; `kind` as in `DepthPoint`."""

    kind: str
    stage: str
    probabilities: FloatArray


def grafts(
    bench: Bench,
    options: dict[str, str],
    epochs: int,
    train: IntArray,
    wanted: IntArray,
    seed: int,
    watch: Callable[[], None] | None = None,
) -> Iterator[Grafted]:
    """The target network from scratch (`base`), then for each depth n but the whole the three networks of Yosinski 2014.

    AnB: the first n stages of the source, frozen, the rest from random weights; AnB+: the same, all of it trained; BnB: the
    first n stages of `base` itself, frozen, the rest from random weights again. All with the same options and epochs.

    Args:
        wanted: data set indices to predict, none of them in `train`.
    """
    # Stored activations are those of the source, also where it is `base`; and `base` cannot be sent to another process.
    plain = replace(bench, passes={}, starts={}, devices=1)
    stages = bench.backbone.stage_names

    def fitted(where: Bench, line: str) -> TransferNetwork:
        return fit_network(where, Recipe.parse(line), options, epochs, train, seed, watch).network

    def predicted(network: TransferNetwork) -> FloatArray:
        return predict(network, bench.pixels(), wanted, bench.kernels.forward, bench.several)

    base = fitted(plain, "weights: random | all: tune | head: linear")
    yield Grafted(BASE, "", predicted(base))
    own = replace(plain, backbone=bench.backbone.with_tensors(base.trunk.original_state()))
    for number, stage in enumerate(stages[:-1], start=1):
        first = stages[0] if number == 1 else f"{stages[0]} .. {stage}"
        last = stages[-1] if number == len(stages) - 1 else f"{stages[number]} .. {stages[-1]}"
        for kind, where, action in ((ANB, plain, "freeze"), (ANB_TUNED, plain, "tune"), (BNB, own, "freeze")):
            network = fitted(where, f"{first}: {action} | {last}: reinit | head: linear")
            yield Grafted(kind, stage, predicted(network))
