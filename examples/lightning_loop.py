"""A recipe in Lightning, held to by a callback: python lightning_loop.py DATA. Needs frostline[lightning]."""

import sys

import lightning
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import frostline as fl
from frostline.integrations.lightning import KeepRecipe

backbone = fl.load_backbone("demo/efficientnet_lite0", size=64)
spec = backbone.spec
steps = [v2.ToImage(), v2.Resize(64), v2.CenterCrop(64), v2.ToDtype(torch.float32, scale=True), v2.Normalize(spec.mean, spec.std)]
images = ImageFolder(sys.argv[1], v2.Compose(steps))


class Classifier(lightning.LightningModule):
    def __init__(self, classes):
        super().__init__()
        self.network = fl.build("stem .. blocks.5: freeze | bn2: tune | head: mlp(32)", backbone, classes)

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(fl.parameter_groups(self.network, lr=1e-3))


module = Classifier(len(images.classes))
trainer = lightning.Trainer(
    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[KeepRecipe(module.network)]
)
trainer.fit(module, DataLoader(images, batch_size=16, shuffle=True))
print("every frozen tensor is what it was")
