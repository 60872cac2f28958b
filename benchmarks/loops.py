"""Training and predicting in plain torch: JPEGs decoded in every epoch by a DataLoader. Nothing of frostline is used here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms as T

from benchmarks.networks import NETWORKS, Classifier
from benchmarks.peers.common import Row

BATCH = 32
WARM_UP, STEPS = 2, 8  # batches before and while the time is taken; two workers deliver in pairs


@dataclass(frozen=True)
class How:
    """Kernels and loading.

    Attributes:
        workers: processes that decode; 0: the training process itself.
    """

    bf16: bool = False
    channels_last: bool = False
    workers: int = 0

    @property
    def kernels(self) -> str:
        return f"{'bf16' if self.bf16 else 'fp32'} {'channels_last' if self.channels_last else 'NCHW'}"

    def placed(self, model: Classifier) -> Classifier:
        return model.to(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)

    def shown(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def precision(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.bf16 else contextlib.nullcontext()


class Images(Dataset[tuple[Tensor, int]]):
    """(3, size, size) and the number of the class."""

    def __init__(self, rows: Sequence[Row], classes: Sequence[str], transform: T.Compose) -> None:
        self.rows, self.transform = rows, transform
        self.number = {name: number for number, name in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.rows[index]
        with Image.open(path) as picture:
            return self.transform(picture.convert("RGB")), self.number[label]


def transform(network: str, size: int, training: bool, flip: bool) -> T.Compose:
    (mean, std), name = NETWORKS[network]
    how = T.InterpolationMode(name)
    if training:
        first = [T.RandomResizedCrop(size, interpolation=how), *([T.RandomHorizontalFlip()] if flip else [])]
    else:
        first = [T.Resize(round(size * 256 / 224), interpolation=how), T.CenterCrop(size)]
    return T.Compose([*first, T.ToTensor(), T.Normalize(mean, std)])


def loader(images: Images, workers: int, training: bool = False, draws: int | None = None) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of 32; with `draws` so many images with replacement, for measuring without an end of the epoch."""
    sampler = None if draws is None else RandomSampler(images, replacement=True, num_samples=draws)
    lone = training and sampler is None and len(images) % BATCH == 1 and len(images) > 1
    return DataLoader(
        images,
        BATCH,
        shuffle=training and sampler is None,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=training and workers > 0,
        drop_last=lone,  # batch normalisation needs two images
    )


def optimizer_of(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=lr)


def step(model: Classifier, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, how: How) -> float:
    """The loss before the step."""
    with how.precision():
        loss = nn.functional.cross_entropy(model(how.shown(images)).float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def train(
    model: Classifier, batches: DataLoader[tuple[Tensor, Tensor]], epochs: int, lr: float, how: How, planned: int | None = None
) -> tuple[list[float], list[float]]:
    """The mean loss and the seconds of each epoch; AdamW, the rate falling to zero along a cosine over `planned` epochs."""
    optimizer = optimizer_of(how.placed(model), lr)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, (planned or epochs) * len(batches))
    losses, seconds = [], []
    for _ in range(epochs):
        begun, total, seen = time.perf_counter(), 0.0, 0
        model.train()
        for images, labels in batches:
            total += step(model, images, labels, optimizer, how) * len(labels)
            seen += len(labels)
            plan.step()
        losses.append(total / seen)
        seconds.append(time.perf_counter() - begun)
    return losses, seconds


@torch.no_grad()
def predict(model: Classifier, batches: Iterable[tuple[Tensor, Tensor]], how: How) -> np.ndarray:
    """(images, classes) probabilities."""
    how.placed(model).eval()
    found = []
    for images, _ in batches:
        with how.precision():
            found.append(model(how.shown(images)).float().softmax(dim=1))
    return torch.cat(found).numpy()


def image_s(images: Images, workers: int, work: Callable[[Tensor, Tensor], object], steps: int) -> float:
    """Seconds an image of `work` on batches, decoding included: the median over pairs of batches, after a warm-up."""
    ends = []
    for shown, labels in loader(images, workers, draws=(WARM_UP + steps) * BATCH):
        work(shown, labels)
        ends.append(time.perf_counter())
    return float(np.median(np.diff(ends[WARM_UP - 1 :: 2]))) / (2 * BATCH)


def train_image_s(model: Classifier, images: Images, how: How, steps: int) -> float:
    optimizer = optimizer_of(how.placed(model), 1e-4)
    model.train()
    return image_s(images, how.workers, lambda shown, labels: step(model, shown, labels, optimizer, how), steps)


def forward_image_s(model: Classifier, images: Images, how: How, steps: int) -> float:
    return image_s(images, how.workers, lambda shown, labels: predict(model, [(shown, labels)], how), steps)


def fastest(candidates: Sequence[How], seconds: Callable[[How], float]) -> How:
    """The first candidate that none is faster than."""
    measured = {one: seconds(one) for one in candidates}
    return min(candidates, key=measured.__getitem__)
