"""Batch normalisation over the images of several processes, as one process with all of them computes it.

`torch.nn.SyncBatchNorm` exists for CUDA alone and replaces modules: it would drop what subclasses add (timm's have an activation
in them), and it cannot leave an image out.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

_SIGNATURE = inspect.signature(F.batch_norm)


def uses_batch_statistics(model: nn.Module) -> bool:
    """Whether a layer of `model` normalises by the images of a batch, as it is set now."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    return any(layer.training or layer.running_mean is None for layer in layers)


def normalised_together(images: int, present: bool) -> contextlib.AbstractContextManager[object]:
    """In here batch normalisation that learns takes its statistics over the same layer of every process.

    Args:
        images: of all processes together.
        present: False: those of this process are normalised, but count for nothing.
    """
    return _Together(images, present)


class _Together(TorchFunctionMode):
    """Takes the place of `batch_norm` wherever it is called from: layers, their subclasses, traced code."""

    def __init__(self, images: int, present: bool) -> None:
        super().__init__()
        self.images = images
        self.present = present

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.batch_norm:
            given = _SIGNATURE.bind(*args, **(kwargs or {}))
            given.apply_defaults()
            if given.arguments["training"]:
                return self._normalised(**given.arguments)
        return func(*args, **(kwargs or {}))

    def _normalised(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        """As `F.batch_norm`: (n, channels, ...) -> the same shape; running statistics are changed in place."""
        count = self.images * (input[0, 0].numel() if input.ndim > 2 else 1)
        output, mean, variance = _BatchNormTogether.apply(input, weight, bias, count, float(self.present), eps)
        with torch.no_grad():
            for running, now in ((running_mean, mean), (running_var, variance * (count / max(1, count - 1)))):
                if running is not None:
                    running.lerp_(now.to(running.dtype), momentum)
        return output  # type: ignore[no-any-return]


class _BatchNormTogether(torch.autograd.Function):
    """Ioffe and Szegedy 2015 with sums over all processes; x: (n, C, ...), statistics in fp32.

    Forward, with N values a channel in all:  mean = sum x / N,  var = sum (x - mean)^2 / N,  y = w (x - mean) / std + b.
    Backward:  dx = w / std (dy - sum dy / N - x^ sum (dy x^) / N); dw and db are this process's own, as those of every
    other parameter.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, count: int, present: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean = _summed(present * x.float().sum(_others(x))) / count
        variance = _summed(present * (x.float() - _along(mean, x)).square().sum(_others(x))) / count
        scale = torch.rsqrt(variance + eps)
        factor = scale if weight is None else scale * weight.float()
        output = (x.float() - _along(mean, x)) * _along(factor, x)
        output = (output if bias is None else output + _along(bias.float(), x)).to(x.dtype)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.share = present / count
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        dy, centred = dy.float(), (x.float() - _along(mean, x)) * _along(scale, x)
        own_bias, own_weight = dy.sum(_others(x)), (dy * centred).sum(_others(x))
        means = _summed(torch.stack([own_bias, own_weight])) * ctx.share  # no image that counts for nothing moved them
        factor = scale if weight is None else scale * weight.float()
        dx = (dy - _along(means[0], x) - centred * _along(means[1], x)) * _along(factor, x)
        _, weight_learns, bias_learns, *_ = ctx.needs_input_grad
        return dx.to(x.dtype), own_weight if weight_learns else None, own_bias if bias_learns else None, None, None, None


def _others(x: Tensor) -> list[int]:
    """Every dimension but that of the channels."""
    return [0, *range(2, x.ndim)]


def _along(values: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (C, 1, ...), to be broadcast over (n, C, ...)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


def _summed(values: Tensor) -> Tensor:
    """Over all processes; `values` is not kept."""
    values = values.contiguous()
    dist.all_reduce(values)
    return values
