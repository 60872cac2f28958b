"""A small network of one's own, as a user would name it: `benchmarks.calibration.networks:small=FILE`."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

SIZE = 32


def small() -> nn.Module:
    """Four stages, each half as wide and high as the one before: (batch, 3, 32, 32) -> (batch, 2)."""
    stages = OrderedDict(first=_stage(3, 16), second=_stage(16, 32), third=_stage(32, 64), last=_stage(64, 96))
    network = nn.Sequential(OrderedDict(**stages, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), classifier=nn.Linear(96, 2)))
    network.pretrained_cfg = {  # type: ignore[assignment]
        "input_size": (3, SIZE, SIZE),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "classifier": "classifier",
    }
    return network


def same() -> nn.Module:
    """The same network under a second name."""
    return small()


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
