"""Data flow in a traced network: which values depend on the images, and where exactly one of them is still needed."""

from __future__ import annotations

import operator
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from frostline.backbones.probe import BATCH, Probe, Shape

_SHAPE_ATTRIBUTES = {"shape", "ndim", "device", "dtype", "is_cuda", "requires_grad", "layout", "itemsize"}
_SHAPE_METHODS = {"size", "dim", "numel", "ndimension", "is_floating_point", "nelement", "stride", "is_contiguous"}
_RANDOM = {"rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "rand_like", "randn_like", "dropout"}


def is_shape_read(node: fx.Node) -> bool:
    """The node asks a tensor for its shape, type or device: it needs no numbers of it."""
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in _SHAPE_ATTRIBUTES
    if node.op == "call_function" and node.target in (len, torch.numel, torch.is_tensor, isinstance):
        return True
    return node.op == "call_method" and node.target in _SHAPE_METHODS


def reads(graph: fx.Graph, probed: Probe) -> set[fx.Node]:
    """The nodes that give plain numbers about tensors, as shapes: what takes them needs no numbers of those tensors.

    Most can be told by their operation; what is taken out of the result of an opaque function is looked up in the probe.
    """
    return {
        node for node in graph.nodes if is_shape_read(node) or (_is_from_opaque(node) and not holds_tensor(probed.values[node]))
    }


def _is_from_opaque(node: fx.Node) -> bool:
    source = node.args[0] if node.target is operator.getitem else None
    return isinstance(source, fx.Node) and source.op == "call_function" and not _is_plain_function(source)


def _is_plain_function(node: fx.Node) -> bool:
    """A function of torch or of Python itself, whose meaning is known."""
    home = getattr(node.target, "__module__", None) or "torch"
    return home.partition(".")[0] in ("torch", "_operator", "builtins", "math")


def holds_tensor(value: object) -> bool:
    """Whether a probed value is a tensor or contains one."""
    if isinstance(value, tuple):
        return any(holds_tensor(item) for item in value)
    return isinstance(value, Shape)


def is_random(node: fx.Node) -> bool:
    """The node draws random numbers: it must run exactly once."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and name.rstrip("_") in _RANDOM


def has_side_effect(node: fx.Node) -> bool:
    """The node changes a parameter or buffer in place, as counting batches does."""
    return node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__")


def dependent(graph: fx.Graph, read: Container[fx.Node]) -> set[fx.Node]:
    """The nodes whose numbers depend on the images or on random draws. Parameters, and maths on them alone, do not."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        computes = node.op not in ("placeholder", "get_attr") and node not in read
        fed = computes and any(source in found for source in node.all_input_nodes)
        if node.op == "placeholder" or is_random(node) or fed:
            found.add(node)
    return found


def crossings(graph: fx.Graph, probed: Probe) -> list[fx.Node]:
    """The nodes after which their own output is the only input-dependent value still needed, in order."""
    nodes = list(graph.nodes)
    needed = dependent(graph, reads(graph, probed))
    last_use = _last_uses(nodes, needed)
    found, live = [], set[fx.Node]()
    for index, node in enumerate(nodes):
        live = {value for value in live if last_use[value] > index}
        if node in needed and last_use[node] > index:
            live.add(node)
        if live == {node} and node.op not in ("placeholder", "output"):
            found.append(node)
    return found


def _last_uses(nodes: Sequence[fx.Node], needed: set[fx.Node]) -> dict[fx.Node, int]:
    """Position of the last node that needs the numbers of each value; -1 for none. Reading a shape needs no numbers."""
    position = {node: index for index, node in enumerate(nodes)}
    return {
        node: max((position[user] for user in node.users if user in needed or user.op == "output"), default=-1) for node in needed
    }


def is_batch(probed: Probe, node: fx.Node) -> bool:
    """The node gives one tensor whose first dimension is the batch: elsewhere there is more than one row an image."""
    value = probed.values.get(node)
    return isinstance(value, Shape) and len(value.extents) >= 2 and value.extents[0] == BATCH


_VIEWS = {
    "view", "reshape", "flatten", "transpose", "permute", "squeeze", "unsqueeze", "getitem", "chunk", "split", "unbind",
    "contiguous", "narrow", "expand", "expand_as", "detach", "movedim", "t", "to", "float", "type", "type_as", "unflatten",
    "select", "swapaxes", "swapdims", "view_as", "reshape_as", "tensor_split", "getattr", "dropout", "pad", "moveaxis",
}  # fmt: skip
_IN_PLACE_OPERATORS = {
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.ipow, operator.imod,
    operator.iand, operator.ior, operator.ixor, operator.setitem, operator.imatmul,
}  # fmt: skip


@dataclass(frozen=True)
class _Modules:
    """Looks modules up by their path."""

    root: torch.nn.Module

    def __getitem__(self, path: str) -> torch.nn.Module:
        return self.root.get_submodule(path)


def may_overwrite_input(graph: fx.Graph, root: torch.nn.Module) -> bool:
    """Whether running `graph` may write into the tensor it is given, directly or through a view of it.

    Errs on the side of yes: a needless copy is cheap, an overwritten activation is a wrong result.
    """
    modules = _Modules(root)
    aliases = {node for node in graph.nodes if node.op == "placeholder"}
    for node in graph.nodes:
        subject = node.args[0] if node.args else None
        if not isinstance(subject, fx.Node) or subject not in aliases or node.op == "output":
            continue
        if _in_place(node, modules):
            return True
        if _may_be_view(node, modules):
            aliases.add(node)
    return False


def _in_place(node: fx.Node, modules: _Modules) -> bool:
    if node.op == "call_module":
        return any(getattr(module, "inplace", False) for module in modules[str(node.target)].modules())
    if node.kwargs.get("inplace") or node.kwargs.get("out") is not None or node.target in _IN_PLACE_OPERATORS:
        return True
    if has_side_effect(node):
        return True
    name = getattr(node.target, "__name__", "")
    # a literal True among a function's positional arguments may be its `inplace`
    return node.op == "call_function" and (
        (name.endswith("_") and not name.endswith("__")) or any(value is True for value in node.args)
    )


def _may_be_view(node: fx.Node, modules: _Modules) -> bool:
    if node.op == "call_module":
        module = modules[str(node.target)]
        computing = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.LayerNorm, torch.nn.BatchNorm2d, torch.nn.GroupNorm)
        return not isinstance(module, computing)
    name: Any = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if node.op == "call_function" and not _is_plain_function(node):
        return not name.startswith("conv")
    return name in _VIEWS
