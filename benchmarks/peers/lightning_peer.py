"""Lightning with its `BackboneFinetuning` callback: the head alone for a third of the epochs, then everything."""

import time

START = time.perf_counter()

import lightning as L  # noqa: E402
import torch  # noqa: E402
from lightning.pytorch.callbacks import BackboneFinetuning  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402
from torchvision import transforms as T  # noqa: E402
from torchvision.models import mobilenet_v2  # noqa: E402

from benchmarks.peers import common  # noqa: E402

BATCH, WORKERS, RATE = 32, 2, 1e-3


class Images(Dataset):
    def __init__(self, rows: list[common.Row], classes: list[str], transform: T.Compose) -> None:
        self.rows, self.classes, self.transform = rows, classes, transform

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.rows[index]
        return self.transform(Image.open(path).convert("RGB")), self.classes.index(label)


class Classifier(L.LightningModule):
    def __init__(self, job: common.Job) -> None:
        super().__init__()
        network = mobilenet_v2(weights=None)
        network.load_state_dict(load_file(job.weights))
        self.backbone = nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(network.last_channel, len(job.classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def predict_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        return self(batch[0]).softmax(dim=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.head.parameters(), lr=RATE)  # the callback adds the backbone when it unfreezes it


def loader(job: common.Job, rows: list[common.Row], training: bool) -> DataLoader:
    shown = [T.RandomResizedCrop(job.size)] if training else [T.Resize(job.size), T.CenterCrop(job.size)]
    transform = T.Compose([*shown, T.ToTensor(), T.Normalize(common.IMAGENET_MEAN, common.IMAGENET_STD)])
    return DataLoader(
        Images(rows, job.classes, transform),
        batch_size=BATCH,
        shuffle=training,
        num_workers=WORKERS,
        persistent_workers=training,
        drop_last=training and len(rows) % BATCH == 1,  # batch normalisation needs two images
    )


def main() -> None:
    job = common.job_from_command_line(__doc__)
    L.seed_everything(job.seed)
    unfrozen_at = max(1, job.epochs // 3)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    callback = BackboneFinetuning(unfreeze_backbone_at_epoch=unfrozen_at)
    trainer = L.Trainer(max_epochs=job.epochs, accelerator="cpu", devices=1, callbacks=[callback], **quiet)
    model = Classifier(job)
    begun = time.perf_counter()
    trainer.fit(model, loader(job, job.train, training=True))
    ended = time.perf_counter()
    probabilities = torch.cat(trainer.predict(model, loader(job, job.test, training=False)))
    common.report(
        job,
        name="Lightning BackboneFinetuning",
        version=L.__version__,
        training_s=ended - begun,
        with_start_up_s=ended - START,
        classes=job.classes,
        probabilities=probabilities.numpy(),
        settings={"unfrozen at epoch": unfrozen_at, "batch": BATCH, "optimizer": f"AdamW {RATE}", "precision": "fp32"},
    )


if __name__ == "__main__":
    main()
