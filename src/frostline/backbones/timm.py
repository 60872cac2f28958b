"""Networks of timm. The only module that imports it."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch
from torch import nn

from frostline.backbones.architecture import Architecture, State
from frostline.backbones.hub import no_patience_when_offline
from frostline.backbones.trace import Leaves
from frostline.errors import BackboneError
from frostline.terms.backbone import InputSpec


@cache
def names() -> tuple[str, ...]:
    """Every architecture, and every architecture with a tag of published weights, sorted."""
    import timm

    return tuple(sorted({*timm.list_models(), *timm.list_pretrained()}))


def knows(model: str) -> bool:
    """Whether timm has an architecture `model`, with or without the tag of published weights."""
    import timm

    return bool(timm.is_model(model)) and ("." not in model or model in names())


def architecture(model: str) -> Architecture:
    """What timm says of `model`, which it must know.

    Raises:
        BackboneError: the network cannot be made with the installed timm.
    """
    network = _sketch(model)
    cfg = dict(getattr(network, "pretrained_cfg", None) or {})
    spec = spec_of(cfg)
    sized = _takes_size(network, cfg)
    return Architecture(
        name=f"timm/{model}",
        spec=spec,
        make=lambda size: _make(model, spec, sized, size),
        download=lambda: _download(model),
        adapt=lambda state, target, size: _adapt(model, state, target, size if sized else None),
        classifier=_classifier(cfg, network),
        leaves=leaves(),
        sized=sized,
    )


def classifier(model: str, classes: int, size: int | None) -> nn.Module:
    """timm's own network with a random linear layer for so many classes; `size` where its tensors depend on that.

    Raises:
        BackboneError: timm cannot make it.
    """
    return _create(model, num_classes=classes, **({} if size is None else {"img_size": size}))


def classifier_path(network: nn.Module) -> str | None:
    """The path of the linear layer that gives the logits, None where timm names none."""
    found = getattr(network, "get_classifier", lambda: None)()
    if not isinstance(found, nn.Linear):
        return None
    return next((name for name, module in network.named_modules() if module is found), None)


def saved_config(network: nn.Module, model: str, spec: InputSpec, classes: tuple[str, ...], size: int | None) -> dict[str, Any]:
    """What stands in `config.json` beside weights that `timm.create_model("local-dir:FOLDER", pretrained=True)` loads."""
    own = dict(getattr(network, "pretrained_cfg", None) or {})
    cfg = {
        "custom_load": False,
        "input_size": list(spec.size),
        "fixed_input_size": spec.fixed_size,
        "interpolation": spec.interpolation,
        "crop_pct": spec.crop_pct,
        "crop_mode": "center",
        "mean": list(spec.mean),
        "std": list(spec.std),
        "num_classes": len(classes),
        "first_conv": own.get("first_conv"),
        "classifier": own.get("classifier"),
    }
    return {
        "architecture": model,
        "num_classes": len(classes),
        "num_features": getattr(network, "num_features", None),
        "label_names": list(classes),
        **({} if size is None else {"model_args": {"img_size": size}}),
        "pretrained_cfg": cfg,
    }


def spec_of(cfg: dict[str, Any]) -> InputSpec:
    """The input specification of a configuration in timm's form; what it does not say is ImageNet's default."""
    channels, height, width = cfg.get("input_size") or (3, 224, 224)
    return InputSpec(
        channels=channels,
        height=height,
        width=width,
        mean=tuple(cfg.get("mean") or (0.485, 0.456, 0.406)),
        std=tuple(cfg.get("std") or (0.229, 0.224, 0.225)),
        interpolation=cfg.get("interpolation") or "bicubic",
        crop_pct=cfg.get("crop_pct") or 0.875,
        fixed_size=bool(cfg.get("fixed_input_size", False)),
    )


def leaves() -> Leaves:
    """The modules and functions that timm registers as not to be traced into."""
    from timm import layers as typed_layers

    layers: Any = typed_layers

    functions = layers.get_notrace_functions()
    return Leaves(tuple(layers.get_notrace_modules()), tuple(function for function in functions if callable(function)))


def _sketch(model: str) -> nn.Module:
    """The network without numbers in it, where it can be made so."""
    try:
        with torch.device("meta"):
            return _create(model)
    except (BackboneError, NotImplementedError):
        return _create(model)


def _create(model: str, **options: Any) -> nn.Module:
    import timm

    try:
        network: nn.Module = timm.create_model(model, pretrained=False, **options)
    except (RuntimeError, ImportError, TypeError, ValueError, AssertionError) as error:
        raise BackboneError(f"timm cannot make {model!r} ({error}); choose another backbone or another size.") from error
    return network


def _make(model: str, spec: InputSpec, sized: bool, size: int | None) -> nn.Module:
    if size is None or (size == spec.height == spec.width):
        return _create(model)
    if sized:
        return _create(model, img_size=size)
    if spec.fixed_size:
        raise BackboneError(
            f"backbone timm/{model} accepts {spec.height} x {spec.width} pixels only, not {size}; use --size {spec.height}"
            " or a backbone without a fixed size."
        )
    return _create(model)


def _takes_size(network: nn.Module, cfg: dict[str, Any]) -> bool:
    """The network's tensors depend on the image size, and timm can make it for another one."""
    accepts = "img_size" in inspect.signature(type(network).__init__).parameters
    return accepts and ("fixed_input_size" in cfg or hasattr(network, "pos_embed") or hasattr(network, "patch_embed"))


def _classifier(cfg: dict[str, Any], network: nn.Module) -> tuple[str, ...] | None:
    if not getattr(network, "num_classes", cfg.get("num_classes", 1)):
        return ()
    named = cfg.get("classifier")
    if not named:
        return None
    found = (named,) if isinstance(named, str) else tuple(named)
    return tuple(path for path in found if _has_parameters(network, path)) or None


def _has_parameters(network: nn.Module, path: str) -> bool:
    try:
        return any(True for _ in network.get_submodule(path).parameters())
    except AttributeError:
        return False


def _download(model: str) -> State:
    import timm

    try:
        with no_patience_when_offline():
            network: nn.Module = timm.create_model(model, pretrained=True)
    except Exception as error:  # the hub's client raises whatever its transport does
        raise BackboneError(
            f"the weights of timm/{model} could not be fetched ({type(error).__name__}: {_first_line(error)}). Give a local file:"
            f" 'timm/{model}=FILE.safetensors', a folder 'timm/local-dir:PATH', or random weights with pretrained=False."
        ) from error
    return dict(network.state_dict())


def _adapt(model: str, state: State, network: nn.Module, size: int | None) -> State:
    """Let timm turn `state` into the form that `network` has, resampling position tables to its size."""
    import timm

    if _same_shapes(state, network):
        return state
    overlay = {"state_dict": dict(state), "custom_load": False}
    try:
        adapted: nn.Module = timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, img_size=size)
    except (RuntimeError, KeyError, ValueError, TypeError):
        return state  # the check that follows says what does not fit
    return dict(adapted.state_dict())


def _same_shapes(state: State, network: nn.Module) -> bool:
    own = network.state_dict()
    return own.keys() == state.keys() and all(own[name].shape == state[name].shape for name in own)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else "no message"
