"""Normalisation folded into the convolution before it: half of an evaluation's time in networks of that kind."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from frostline.backbones.extract import Code
from frostline.backbones.network import StageCode, StagedNetwork

WITH_ACTIVATION = "BatchNormAct2d"  # timm's: normalisation, then its children in order


def folded(network: StagedNetwork, taps: Collection[str] = ()) -> StagedNetwork:
    """A copy for evaluation only that gives what `network` gives, to rounding, with fewer passes over memory.

    In evaluation mode batch normalisation is an affine map with constants (Jacob 2018, section 3.2): where nothing else reads the
    output of the convolution before it, both are one convolution.

    Args:
        taps: names of cuts whose values must stay what they are: a convolution that ends at one of them is left alone.
    """
    twin = copy.deepcopy(network).eval()
    calls = Counter(str(node.target) for part in twin._parts() for node in part.code.evaluating.graph.nodes)
    for part in twin._parts():
        modules, code = dict(part.body.named_modules()), part.code.evaluating
        for node, user in _pairs(code, modules):
            first, second = str(node.target), str(user.target)
            if calls[first] == calls[second] == 1 and code.marks.get(node) not in taps:
                _fold(part.body, first, second, modules)
    return twin


def divided(codes: Iterable[StageCode], network: nn.Module) -> frozenset[str]:
    """Names of cuts between a convolution and its own normalisation: tapped there, the two are not one any more. Behind a
    plain normalisation the pooled values say the same of the features, channel by channel.

    Args:
        network: that holds the modules of all stages.
    """
    modules = dict(network.named_modules())
    ends = (code.evaluating.marks.get(node) for code in codes for node, _ in _pairs(code.evaluating, modules))
    return frozenset(name for name in ends if name is not None)


def _pairs(code: Code, modules: dict[str, nn.Module]) -> Iterator[tuple[fx.Node, fx.Node]]:
    """A convolution and the normalisation that alone reads its output."""
    for node in code.graph.nodes:
        if node.op != "call_module" or len(node.users) != 1:
            continue
        (user,) = node.users
        if _alone(user, node) and _foldable(modules[str(node.target)], modules[str(user.target)]):
            yield node, user


def _alone(user: fx.Node, node: fx.Node) -> bool:
    return user.op == "call_module" and user.args == (node,) and not user.kwargs


def _foldable(convolution: nn.Module, norm: nn.Module) -> bool:
    """A plain convolution (others change their weights or padding on the way) and normalisation with fixed statistics."""
    if type(convolution) is not nn.Conv2d or not isinstance(norm, nn.BatchNorm2d):
        return False
    known = type(norm) is nn.BatchNorm2d or type(norm).__name__ == WITH_ACTIVATION
    return known and norm.running_mean is not None and norm.running_var is not None


def _fold(body: nn.Module, first: str, second: str, modules: dict[str, nn.Module]) -> None:
    convolution, norm = modules[first], modules[second]
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    body.set_submodule(first, fuse_conv_bn_eval(convolution, norm).requires_grad_(False))
    body.set_submodule(second, nn.Sequential(*norm.children()).eval())
