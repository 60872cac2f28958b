"""A Lightning callback that holds a user's training to its recipe."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import Callback

from frostline.backbones.network import tensors_digest
from frostline.compute.build import TransferNetwork
from frostline.errors import OptionError, RecipeError
from frostline.terms.recipe import Action


class KeepRecipe(Callback):
    """Checks before training that each trainable parameter of `network` is in exactly one optimizer group and no frozen one,
    and after it that every frozen tensor, statistics included, is byte for byte what it was.

    Args:
        network: what `frostline.build` gave, somewhere inside the LightningModule.
    """

    def __init__(self, network: TransferNetwork) -> None:
        self._network = network
        self._before = ""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        listed = [id(parameter) for group in groups for parameter in group["params"]]
        for name, parameter in self._network.named_parameters():
            count = listed.count(id(parameter))
            if count != int(parameter.requires_grad):
                raise OptionError(_wrong(name, parameter.requires_grad, count))
        self._before = self._digest()

    def on_train_end(self, trainer: Any, module: Any) -> None:
        if self._before and self._digest() != self._before:
            raise RecipeError("frozen tensors changed during training: something outside the recipe wrote to them.")

    def _digest(self) -> str:
        parts = [self._network.trunk.part(name) for name, action in self._network.actions.items() if action is Action.FREEZE]
        return tensors_digest({f"{part.name}.{name}": tensor for part in parts for name, tensor in part.tensors().items()})


def _wrong(name: str, trainable: bool, count: int) -> str:
    kind, expected = ("trained", "exactly one group") if trainable else ("frozen", "no group")
    return (
        f"parameter {name} is in {count} optimizer groups; as a {kind} one it belongs into {expected}."
        " Give the optimizer frostline.parameter_groups(network, lr=...)."
    )
