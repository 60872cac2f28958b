"""Whether the options of a request can be used, before any data or network is looked at; and what they leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from frostline.errors import OptionError, nearest
from frostline.session.request import NO_BACKBONE, Request
from frostline.stats.metrics import BY_LABEL, METRICS, default_metric
from frostline.terms.backbone import InputSpec
from frostline.terms.kernels import MOST_SIZE
from frostline.terms.recipe import Recipe
from frostline.terms.settings import AUTO, FLIPS, OFF

SMALLEST_SIZE = 32


def check(request: Request) -> None:
    """Nothing, if the options can be used.

    Raises:
        OptionError: names everything that cannot.
    """
    found = _staff_problems(request)
    if not request.backbones:
        found.append(NO_BACKBONE)
    if request.metric is not None and request.metric not in METRICS:
        found.append(f"metric {request.metric!r} is not one of {', '.join(METRICS)}.{nearest(request.metric, METRICS)}")
    if request.delta is not None and not 0 < request.delta < 1:
        found.append(f"delta {request.delta} is not between 0 and 1; .01 is one point.")
    if not 0 < request.specificity < 1:
        found.append(f"specificity {request.specificity} is not between 0 and 1; .9 calls one in ten healthy ones ill.")
    if request.size is not None and request.size < SMALLEST_SIZE:
        found.append(f"size {request.size} is below {SMALLEST_SIZE} pixels; 96 to 384 is usual.")
    if request.size is not None and request.size > MOST_SIZE:
        found.append(f"size {request.size} is above {MOST_SIZE} pixels; 96 to 384 is usual.")
    if request.time_s is not None and request.time_s <= 0:
        found.append(f"time {request.time_s} s is not positive; write for example --time 30m.")
    if request.seed < 0:
        found.append(f"seed {request.seed} is negative; give 0 or more.")
    if request.limit is not None and request.limit < 1:
        found.append(f"limit {request.limit} is not positive; give a number of images.")
    if len(set(request.backbones)) < len(request.backbones):
        found.append("a backbone was given twice; name each once.")
    found += _device_problems(request.device)
    if request.flip not in FLIPS:
        found.append(f"flip {request.flip!r} is not one of {', '.join(FLIPS)}.{nearest(request.flip, FLIPS)}")
    found += _first_rung_problems(request.first_rung)
    for line in request.recipes:
        Recipe.parse(line)
    if found:
        raise OptionError(" ".join(found))


def _staff_problems(request: Request) -> list[str]:
    usual = request.devices_per_trial == 1
    if usual and request.backend == "auto" and request.workers is None and request.address is None:
        return []
    from frostline.session.workers import problems, unreachable  # torch is loaded for what was asked alone

    found = problems(request.backend, request.workers, request.backbones, request.address, request.devices_per_trial)
    return found or unreachable(request.backend, request.address)


def _first_rung_problems(given: str) -> list[str]:
    if given in (AUTO, OFF):
        return []
    try:
        fits = 0 < float(given) < 1
    except ValueError:
        fits = False
    return [] if fits else [f"first rung {given!r} is neither {AUTO}, {OFF} nor a share between 0 and 1; .1 is one image in ten."]


def _device_problems(device: str) -> list[str]:
    if device == "auto":
        return []
    from frostline.compute.machine import available_devices

    known = ["auto", *available_devices()]
    if device in known:
        return []
    return [f"device {device!r} is not there; this machine has {', '.join(known)}.{nearest(device, known)}"]


def size_of(request: Request, specs: Sequence[InputSpec], default: Callable[[InputSpec], int]) -> int:
    """The run's size: the one asked for, that of the first network which takes no other, or the largest default."""
    if request.size is not None:
        return request.size
    fixed = [spec.height for spec in specs if spec.fixed_size]
    return fixed[0] if fixed else max(default(spec) for spec in specs)


def metric_of(request: Request, classes: int, several: bool) -> str:
    """The metric that was asked for, or the default of the data.

    Args:
        several: whether an image may have several labels.

    Raises:
        OptionError: it does not score images with several labels.
    """
    metric = request.metric or default_metric(classes, several)
    if several and metric not in BY_LABEL:
        raise OptionError(
            f"metric {metric!r} needs one class an image, and these may have several labels; expected one of"
            f" {', '.join(BY_LABEL)}, each the mean over labels.{nearest(metric, BY_LABEL)} Leave --metric out for {BY_LABEL[0]}."
        )
    return metric
