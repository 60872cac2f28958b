"""Networks of torchvision. The only module that imports its models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from frostline.backbones.architecture import Architecture, State
from frostline.errors import BackboneError
from frostline.terms.backbone import InputSpec

_AUXILIARY = ("inception_v3", "googlenet")
_SIZE_ARGUMENTS = {"VisionTransformer": "image_size", "MaxVit": "input_size"}


@cache
def names() -> tuple[str, ...]:
    """Every classification architecture, sorted."""
    from torchvision import models

    return tuple(sorted(models.list_models(module=models)))


def knows(model: str) -> bool:
    """Whether torchvision has a classifier `model`."""
    return model in names()


def architecture(model: str) -> Architecture:
    """What torchvision says of `model`, which it must know."""
    argument = _SIZE_ARGUMENTS.get(type(_sketch(model)).__name__)
    spec = _spec(model, fixed=argument is not None)
    return Architecture(
        name=f"torchvision/{model}",
        spec=spec,
        make=lambda size: _make(model, spec, argument, size),
        download=lambda: _download(model),
        adapt=_adapter(argument),
        sized=argument is not None,
    )


def _spec(model: str, fixed: bool) -> InputSpec:
    from torchvision import models

    weights = models.get_model_weights(model)
    preset: Any = weights.DEFAULT.transforms() if len(weights) else None
    if preset is None:
        return InputSpec(3, 224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", 0.875, fixed)
    crop, resize = preset.crop_size[0], preset.resize_size[0]
    interpolation = str(preset.interpolation.value)
    return InputSpec(3, crop, crop, tuple(preset.mean), tuple(preset.std), interpolation, min(1.0, crop / resize), fixed)


def _sketch(model: str) -> nn.Module:
    """The network without numbers in it, where it can be made so."""
    try:
        with torch.device("meta"):
            return _create(model, **({"init_weights": False} if model in _AUXILIARY else {}))
    except NotImplementedError:
        return _create(model)


def _create(model: str, **options: Any) -> nn.Module:
    from torchvision import models

    builder = models.get_model_builder(model)
    if model in _AUXILIARY:
        options = {"aux_logits": False, "init_weights": True, **options}
    network: nn.Module = builder(weights=None, **options)
    return network


def _make(model: str, spec: InputSpec, argument: str | None, size: int | None) -> nn.Module:
    if argument is None or size is None or size == spec.height:
        return _create(model)
    try:
        return _create(model, **{argument: (size, size) if argument == "input_size" else size})
    except (ValueError, RuntimeError, AssertionError) as error:
        raise BackboneError(
            f"backbone torchvision/{model} cannot be made for {size} pixels ({error}); use --size {spec.height}."
        ) from error


def _adapter(argument: str | None) -> Callable[[State, nn.Module, int | None], State]:
    if argument == "image_size":
        return _resample_positions
    return _without_auxiliary


def _without_auxiliary(state: State, network: nn.Module, size: int | None) -> State:
    """Inception's and GoogLeNet's second and third outputs are not part of the network that is used."""
    return {name: tensor for name, tensor in state.items() if not name.lower().startswith("aux")}


def _resample_positions(state: State, network: nn.Module, size: int | None) -> State:
    from torchvision.models.vision_transformer import interpolate_embeddings

    own = network.state_dict()["encoder.pos_embedding"]
    given = state.get("encoder.pos_embedding")
    if given is None or given.shape == own.shape:
        return state
    transformer: Any = network
    return dict(interpolate_embeddings(transformer.image_size, transformer.patch_size, OrderedDict(state)))


def _download(model: str) -> State:
    from torchvision import models

    weights = models.get_model_weights(model)
    if not len(weights):
        raise BackboneError(f"torchvision publishes no weights for {model!r}; give a file: 'torchvision/{model}=FILE'.")
    try:
        return dict(weights.DEFAULT.get_state_dict(progress=False, check_hash=True))
    except Exception as error:  # the transport raises whatever it likes
        reason = (str(error).splitlines() or ["no message"])[0][:200]
        raise BackboneError(
            f"the weights of torchvision/{model} could not be fetched ({type(error).__name__}: {reason}). Give a local file:"
            f" 'torchvision/{model}=FILE.pth', or random weights with pretrained=False."
        ) from error
