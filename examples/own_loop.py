"""A recipe in your own training loop: python own_loop.py DATA (a folder per class)."""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

import frostline as fl
from frostline.data import Geometry, load, normalise

SIZE = 64


class Images(Dataset):
    """Files of a folder per class, decoded as frostline decodes them."""

    def __init__(self, root, spec):
        self.classes = sorted(path.name for path in root.iterdir() if path.is_dir())
        self.files = [(path, number) for number, name in enumerate(self.classes) for path in sorted((root / name).iterdir())]
        self.spec = spec

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        return normalise(load([path], Geometry.of(self.spec)), self.spec)[0], label


backbone = fl.load_backbone("demo/efficientnet_lite0", size=SIZE)
images = Images(Path(sys.argv[1]), backbone.spec)
model = fl.build("stem .. blocks.4.2: freeze | blocks.5 .. bn2: tune | head: linear", backbone, classes=len(images.classes))
optimizer = torch.optim.AdamW(fl.parameter_groups(model, lr=1e-3))

for epoch in range(2):
    model.train()  # frozen stages stay frozen, their statistics included
    total = 0.0
    for batch, labels in DataLoader(images, batch_size=16, shuffle=True):
        loss = torch.nn.functional.cross_entropy(model(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    print(f"epoch {epoch}: loss {total / len(images):.3f}")
