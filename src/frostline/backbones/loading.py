"""From a name to a backbone with its weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import nn

from frostline.backbones.anatomy import dissect
from frostline.backbones.architecture import Architecture
from frostline.backbones.catalogue import find, resolve
from frostline.backbones.channels import spec_with_channels, with_channels
from frostline.backbones.cuts import classifier_paths
from frostline.backbones.exported import exported_name, trained_on
from frostline.backbones.loaded import LoadedBackbone, assemble, not_taken_apart, seeded
from frostline.backbones.names import Reference, parse_name
from frostline.backbones.origin import Origin
from frostline.backbones.row import in_row, is_traceable
from frostline.backbones.weights import fit_state, fits_wholly, read_config, read_weights, refuse_missing
from frostline.terms.backbone import InputSpec


def recognise(name: str) -> None:
    """Nothing, where the network is known and its weights file, if one is named, is there; building it comes later.

    Raises:
        BackboneError: as `load` would.
    """
    reference = resolve(parse_name(name))
    if reference.weights is not None:
        refuse_missing(reference.weights)


def load(name: str, *, pretrained: bool = True, weights: str | Path | None = None, size: int | None = None) -> LoadedBackbone:
    """The backbone that `name` says: `LIBRARY/MODEL[=FILE][?mean=...&std=...&size=...&channels=...]`.

    Args:
        name: of timm, torchvision or `demo/efficientnet_lite0`; a bare name where it is in one library only;
            `timm/local-dir:PATH`; an own function `package.module:function`; the folder of a run of frostline, or of its model.
        pretrained: False gives random weights, the same ones every time.
        weights: a file for the named architecture; goes before one in the name.
        size: of square images, in pixels; goes before one in the name; None for the backbone's own.

    Raises:
        BackboneError: the name, file, option or size cannot be used; the message says what can.
    """
    reference = resolve(parse_name(name))
    if weights is not None:
        reference = dataclasses.replace(reference, weights=Path(weights).expanduser())
    architecture = plain = find(reference)
    if reference.channels is not None:
        architecture = with_channels(plain, reference.channels)
    if reference.stages and not is_traceable(architecture):
        architecture = in_row(architecture, reference.stages)
    configured = _configured(plain.spec, reference.weights)
    spec = reference.applied_to(spec_with_channels(configured, reference.channels or configured.channels))
    network, notes = _weighted(architecture, reference, pretrained)
    loaded = assemble(
        architecture,
        network,
        dataclasses.replace(spec, height=architecture.spec.height, width=architecture.spec.width),
        None,
        notes,
    )
    if reference.stages:
        loaded = loaded.with_stages(reference.stages)
    if reference.library == "exported":
        folder = Path(reference.model)
        loaded = dataclasses.replace(loaded.renamed(exported_name(folder)), trained_on=trained_on(folder))
    wanted = size or reference.size or (spec.height if spec.height == spec.width else None)
    origin = Origin(name, pretrained, None if weights is None else Path(weights), size)
    return dataclasses.replace(loaded.at(wanted) if wanted else loaded, origin=origin)


def _configured(spec: InputSpec, weights: Path | None) -> InputSpec:
    """The specification that a `config.json` beside the weights gives, over the architecture's own."""
    config = read_config(weights) if weights else {}
    changes: dict[str, object] = {key: tuple(config[key]) for key in ("mean", "std") if config.get(key)}
    changes |= {key: config[key] for key in ("interpolation", "crop_pct") if config.get(key)}
    if config.get("input_size"):
        changes |= dict(zip(("channels", "height", "width"), config["input_size"], strict=True))
    return dataclasses.replace(spec, **changes)  # type: ignore[arg-type]


def _weighted(architecture: Architecture, reference: Reference, pretrained: bool) -> tuple[nn.Module, list[str]]:
    """The network with its weights, and what the user should know about them."""
    network = seeded(architecture, None, 0)
    if not pretrained:
        return network, ["random weights: nothing was learnt from other images."]
    if reference.weights is None:
        state, source = architecture.download(), architecture.name
    else:
        state, source = read_weights(reference.weights), f"{str(reference.weights)!r} for {architecture.name}"
    state = architecture.adapt(state, network, None)
    classifier = () if fits_wholly(network, state) else _classifier(architecture, network)  # finding it takes the network apart
    fit_state(network, state, classifier, source)
    return network, []


def _classifier(architecture: Architecture, network: nn.Module) -> tuple[str, ...]:
    if architecture.classifier is not None:
        return architecture.classifier
    try:
        anatomy = dissect(network, architecture.leaves, architecture.spec.size, None)
    except Exception as error:
        raise not_taken_apart(architecture, network, "", error) from error
    return classifier_paths(network, anatomy.evaluating.traced)
