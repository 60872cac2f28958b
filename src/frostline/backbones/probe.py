"""What every node of a traced network computes: shapes and multiply-accumulates, without computing it where possible."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from frostline.backbones.trace import Trace

BATCH = 2  # the second batch size is one more: what differs between the two depends on the batch


@dataclass(frozen=True)
class Shape:
    """A tensor's shape, batch dimension included."""

    extents: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Probe:
    """Attributes:
    values: node -> what it gave at batch 2; tensors as `Shape`, everything else as it is.
    again: the same at batch 3.
    flops: node -> multiply-accumulates of one image in this node alone.
    """

    values: dict[fx.Node, Any]
    again: dict[fx.Node, Any]
    flops: dict[fx.Node, int]


def probe(network: nn.Module, traced: Trace, size: tuple[int, int, int], training: bool) -> Probe:
    """Run the graph on images of `size` (channels, height, width): on shapes alone, or on noise where a node needs numbers.

    Raises:
        Exception: whatever the network raises for images of that size.
    """
    copied = copy.deepcopy(network).train(training)
    for target, constant in traced.constants.items():
        copied.register_buffer(target, constant.clone(), persistent=False)
    module = fx.GraphModule(copied, traced.graph).train(training)
    with torch.random.fork_rng(devices=[]):
        try:
            first, second = _run(module, size, BATCH, fake=True), _run(module, size, BATCH + 1, fake=True)
        except Exception:
            first, second = _run(module, size, BATCH, fake=False), _run(module, size, BATCH + 1, fake=False)
    by_name = {node.name: node for node in traced.graph.nodes}
    return Probe(
        {by_name[name]: value for name, value in first.values.items()},
        {by_name[name]: value for name, value in second.values.items()},
        {by_name[name]: count // BATCH for name, count in first.flops.items()},
    )


def _run(module: fx.GraphModule, size: tuple[int, int, int], batch: int, fake: bool) -> _Prober:
    prober = _Prober(module)
    noise = torch.randn(batch, *size, generator=torch.Generator().manual_seed(0))
    shapes_only = FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext()
    # the counter must be entered last: modes see an operation innermost first
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), shapes_only as fake_mode, prober.counter:
        prober.run(fake_mode.from_tensor(noise) if fake_mode is not None else noise)
    return prober


class _Counter(TorchDispatchMode):
    """Adds up multiply-accumulates from torch's own formulas (a formula counts two operations for each)."""

    def __init__(self) -> None:
        super().__init__()
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
