"""What every node of a traced network computes: shapes and multiply-accumulates, without computing it where possible."""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from frostline.backbones.trace import Trace

BATCH = 13  # a number that no other extent is likely to have


@dataclass(frozen=True)
class Shape:
    """A tensor's shape, batch dimension included."""

    extents: tuple[int, ...]


class Probe:
    """What a graph computes; run on shapes alone, or on noise where a node needs numbers, and only when it is asked for.

    Args:
        network: a copy of it is run.
        size: (channels, height, width) of the images.
    """

    def __init__(self, network: nn.Module, traced: Trace, size: tuple[int, int, int], training: bool) -> None:
        self.network, self.traced, self.size, self.training = network, traced, size, training

    @cached_property
    def values(self) -> dict[fx.Node, Any]:
        """Node -> what it gave at batch `BATCH`; tensors as `Shape`, everything else as it is."""
        return self._by_node(self._first.values)

    @cached_property
    def again(self) -> dict[fx.Node, Any]:
        """The same at a batch of one image more."""
        return self._by_node(self._run(BATCH + 1).values)

    @cached_property
    def flops(self) -> dict[fx.Node, int]:
        """Node -> multiply-accumulates of one image in this node alone."""
        return {node: count // BATCH for node, count in self._by_node(self._first.flops).items()}

    @cached_property
    def _first(self) -> _Prober:
        return self._run(BATCH)

    def _run(self, batch: int) -> _Prober:
        for attempt in (_on_meta, _on_fakes):
            with suppress(Exception), torch.random.fork_rng(devices=[]):
                return attempt(self._copy(), torch.empty(batch, *self.size))
        noise = torch.randn(batch, *self.size, generator=torch.Generator().manual_seed(0))
        with torch.random.fork_rng(devices=[]):
            return _probed(self._copy(), noise)

    def _copy(self) -> fx.GraphModule:
        copied = copy.deepcopy(self.network).train(self.training)
        for target, constant in self.traced.constants.items():
            copied.register_buffer(target, constant.clone(), persistent=False)
        return fx.GraphModule(copied, self.traced.graph).train(self.training)

    def _by_node(self, found: dict[str, Any]) -> dict[fx.Node, Any]:
        return {node: found[node.name] for node in self.traced.graph.nodes if node.name in found}


def _on_meta(module: fx.GraphModule, images: torch.Tensor) -> _Prober:
    """Shapes alone, ten times faster than fake tensors; not for networks that keep plain tensors as attributes."""
    return _probed(module.to("meta"), images.to("meta"))


def _on_fakes(module: fx.GraphModule, images: torch.Tensor) -> _Prober:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return _probed(module, mode.from_tensor(images))


def _probed(module: fx.GraphModule, images: torch.Tensor) -> _Prober:
    prober = _Prober(module)
    # entered last, as modes see an operation innermost first; attention is counted by its plain matrix products
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), prober.counter:
        prober.run(images)
    return prober


class _Counter(TorchDispatchMode):
    """Adds up multiply-accumulates from torch's own formulas (a formula counts two operations for each)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=result)) // 2
        return result


class _Prober(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.counter = _Counter()
        self.values: dict[str, Any] = {}
        self.flops: dict[str, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        before = self.counter.total
        result = super().run_node(n)
        self.values[n.name] = _described(result)
        self.flops[n.name] = self.counter.total - before
        return result


def _described(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return Shape(tuple(int(extent) for extent in value.shape))
    if isinstance(value, (tuple, list)):
        return tuple(_described(item) for item in value)
    return value
