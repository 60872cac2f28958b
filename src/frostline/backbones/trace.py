"""The forward graph of a network in one mode, with the module that produced each value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

_INNER = "network."


@dataclass(frozen=True)
class Leaves:
    """What a library asks tracers to keep whole: its modules' types and its functions."""

    modules: tuple[type[nn.Module], ...] = ()
    functions: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Trace:
    """A traced forward pass; targets in the graph are the paths of the original network.

    Attributes:
        graph: one placeholder (the images), one output.
        outputs: node -> paths of the modules whose output (of several: whose first) it is, the innermost first.
        inside: node -> path of the innermost module that it was made in.
        constants: tensors that the forward pass made while it was traced, by their target in the graph.
    """

    graph: fx.Graph
    outputs: dict[fx.Node, tuple[str, ...]]
    inside: dict[fx.Node, str]
    constants: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def images(self) -> fx.Node:
        """The placeholder."""
        first: fx.Node = self.graph.find_nodes(op="placeholder")[0]
        return first


def trace(network: nn.Module, leaves: Leaves, training: bool) -> Trace:
    """The graph of `network(images)` in training or evaluation mode.

    The network itself is left as it was: tracing pollutes the caches that some modules keep, so a copy is traced. A module
    whose own code cannot be traced, because what it does depends on the data, stays whole in the graph; then the modules
    around it still can be.

    Raises:
        Exception: whatever torch.fx raises where the network's outermost code depends on the data.
    """
    copied = copy.deepcopy(network).train(training)
    wrapped = _Images(copied)
    wrapped.training = training
    tracer, graph = _traced(wrapped, leaves)
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            node.target = _outside(node.target)
    constants = {
        node.target: getattr(wrapped, node.target)
        for node in graph.nodes
        if node.op == "get_attr" and node.target.startswith("_tensor_constant")
    }
    outputs = {node: _numbered(paths, tracer.calls[node]) for node, paths in tracer.outputs.items()}
    return Trace(graph, outputs, tracer.inside, constants)


def _traced(wrapped: nn.Module, leaves: Leaves) -> tuple[_Tracer, fx.Graph]:
    opaque: set[str] = set()
    while True:
        tracer = _Tracer(leaves, opaque)
        try:
            return tracer, tracer.trace(wrapped)
        except Exception:
            if not tracer.failed or tracer.failed in opaque:
                raise
            opaque.add(tracer.failed)


def has_statistics(module: nn.Module) -> bool:
    """Whether the module keeps running statistics of its own: batch normalisation and its kin."""
    return module._buffers.get("running_mean") is not None


class _Images(nn.Module):
    """Calls a network with images alone, so that its other arguments keep their defaults instead of becoming inputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        return self.network(images)


class _Tracer(fx.Tracer):
    """Records who made what. Normalisation with statistics stays whole, so that its mode can be set at run time."""

    proxy_buffer_attributes = True

    def __init__(self, leaves: Leaves, opaque: Collection[str]) -> None:
        super().__init__(autowrap_functions=leaves.functions)
        self.leaves = leaves.modules
        self.opaque = opaque
        self.failed = ""  # path of the innermost module whose code raised
        self.stack: list[str] = [""]
        self.inside: dict[fx.Node, str] = {}
        self.order: dict[fx.Node, int] = {}
        self.outputs: dict[fx.Node, list[str]] = {}
        self.calls: dict[fx.Node, list[int]] = {}
        self.counts: dict[str, int] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = isinstance(m, self.leaves) or has_statistics(m) or _outside(module_qualified_name) in self.opaque
        return whole or super().is_leaf_module(m, module_qualified_name)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node: fx.Node = super().create_node(*args, **kwargs)
        self.inside[node] = self.stack[-1]
        self.order[node] = len(self.order)
        return node

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        path = _outside(self.path_of_module(m))
        known = len(self.order)
        self.stack.append(path)
        try:
            result = super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or path
            raise
        finally:
            self.stack.pop()
        value = result[0] if isinstance(result, (tuple, list)) and result else result
        if isinstance(value, fx.Proxy) and self.order[value.node] >= known:
            call = self.counts.get(path, 0)
            self.counts[path] = call + 1
            self.outputs.setdefault(value.node, []).append(path)
            self.calls.setdefault(value.node, []).append(call)
        return result


def _outside(path: str) -> str:
    """A path of the wrapper as one of the network inside it, empty for the network itself."""
    return (path + ".").removeprefix(_INNER).removesuffix(".")


def _numbered(paths: list[str], calls: list[int]) -> tuple[str, ...]:
    """A module that is called again gets a number from its second call on, as `relu_1`."""
    named = zip(paths, calls, strict=True)
    return tuple(f"{path}_{call}" if call else path for path, call in named if path)
