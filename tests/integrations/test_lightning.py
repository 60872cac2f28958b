"""The callback holds a user's own Lightning training to the recipe."""

import lightning
import pytest
import torch

import frostline as fl
from frostline.errors import OptionError, RecipeError
from frostline.integrations.lightning import KeepRecipe


class Module(lightning.LightningModule):
    def __init__(self, network: torch.nn.Module, parameters: object) -> None:
        super().__init__()
        self.network, self._groups = network, parameters

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self._groups, lr=1e-3)


@pytest.fixture
def network() -> torch.nn.Module:
    backbone = fl.load_backbone("timm/test_resnet", pretrained=False, size=32)
    return fl.build("stem .. layer3: freeze | layer4: tune | head: linear", backbone, 2)


def fit(module: Module, network: torch.nn.Module, *more: lightning.Callback) -> None:
    data = torch.utils.data.TensorDataset(torch.randn(8, 3, 32, 32), torch.arange(8) % 2)
    lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[KeepRecipe(network), *more],
    ).fit(module, torch.utils.data.DataLoader(data, batch_size=4))  # fmt: skip


def test_a_recipe_that_is_kept_trains(network) -> None:
    before = network.head.body.weight.clone()
    fit(Module(network, fl.parameter_groups(network, lr=1e-2)), network)
    assert not torch.equal(before, network.head.body.weight)


def test_a_parameter_outside_every_group_and_a_frozen_one_in_a_group_are_refused(network) -> None:
    with pytest.raises(OptionError, match="in 0 optimizer groups; as a trained one"):
        fit(Module(network, network.head.parameters()), network)
    with pytest.raises(OptionError, match="as a frozen one"):
        fit(Module(network, network.parameters()), network)


class Writes(lightning.Callback):
    def on_train_epoch_end(self, trainer: object, module: Module) -> None:
        with torch.no_grad():
            next(module.network.trunk.part("stem").parameters()).add_(1)


def test_frozen_tensors_that_something_wrote_to_are_noticed(network) -> None:
    with pytest.raises(RecipeError, match="frozen tensors changed"):
        fit(Module(network, fl.parameter_groups(network, lr=1e-2)), network, Writes())
