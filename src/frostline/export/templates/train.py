"""# title

    python train.py fit DATA       # trains on the folds of splits.csv, says the score, then trains on everything
    python train.py predict IMAGE...

The weights it starts from lie in source.safetensors, the trained ones in model.safetensors.
"""

import copy
import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch import nn

# constants

HERE = Path(__file__).resolve().parent


# --- the network ------------------------------------------------------------------------------------------------------


def whole_network():
    if LIBRARY == "timm":
        import timm

        return timm.create_model(ARCHITECTURE, pretrained=False, **ARCHITECTURE_OPTIONS)
    from torchvision import models

    return models.get_model(ARCHITECTURE, weights=None, **ARCHITECTURE_OPTIONS)


def cut_network(network):
    """Only what is needed up to the last place where features are taken; modules keep their names."""
    if LIBRARY == "timm":
        from timm.models import create_feature_extractor
    else:
        from torchvision.models.feature_extraction import create_feature_extractor
    return create_feature_extractor(network, {end: str(number) for number, end in enumerate(ENDS)})


class Model(nn.Module):
    """Normalised images (n, channels, SIZE, SIZE) -> logits (n, classes)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(SEED)
        network = whole_network()
        if PRETRAINED:
            fresh, source = copy.deepcopy(network).state_dict(), load_file(HERE / "source.safetensors")
            kept = {name: tensor for name, tensor in source.items() if not under(name, REINITIALISED)}
            network.load_state_dict({**fresh, **kept})
        self.trunk = cut_network(network)
        for name, parameter in self.trunk.named_parameters():
            parameter.requires_grad_(not under(name, FROZEN))
        self.head = new_head()

    def train(self, mode=True):
        """Frozen means frozen: normalisation keeps its statistics, dropout is off."""
        super().train(mode and any(parameter.requires_grad for parameter in self.trunk.parameters()))
        self.head.train(mode)
        for name, module in self.trunk.named_modules():
            if under(name, FROZEN) or (NORM == "frozen" and isinstance(module, nn.modules.batchnorm._BatchNorm)):
                module.eval()
        return self

    def features(self, images):
        found = self.trunk(images)
        maps = [found[str(number)] for number in range(len(ENDS))]
        if HEAD == "conv":
            return as_map(maps[-1], LAYOUTS[-1])
        return torch.cat([pooled(one, layout) for one, layout in zip(maps, LAYOUTS)], dim=1)

    def forward(self, images):
        return self.head(self.features(images))


def under(name, paths):
    return any(name == path or name.startswith(path + ".") for path in paths)


def pooled(features, layout):
    """(n, channels)."""
    if layout in ("nchw", "nhwc"):
        return features.mean((2, 3) if layout == "nchw" else (1, 2))
    return features[:, 0] if layout == "class-token" else features.mean(1) if layout == "tokens" else features.flatten(1)


def as_map(features, layout):
    """(n, channels, height, width)."""
    if layout in ("nchw", "nhwc"):
        return features if layout == "nchw" else features.permute(0, 3, 1, 2)
    side = math.isqrt(features.shape[1])
    return features[:, features.shape[1] - side * side :].transpose(1, 2).unflatten(2, (side, side))


def new_head():
    if HEAD in ("linear", "all-layer"):
        return nn.Linear(sum(CHANNELS_OUT), len(CLASSES))
    layers, width = [], CHANNELS_OUT[-1]
    for number in range(DEPTH):
        if HEAD == "mlp":
            layers += [nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(DROPOUT)]
        else:
            convolution = nn.Conv2d(width, WIDTH, 3, stride=STRIDES[number], padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)]
        width = WIDTH
    if HEAD == "conv":
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(width, len(CLASSES)))


def normalised(pixels):
    """uint8 (n, channels, SIZE, SIZE) as the weights want it."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (MEAN, STD))
    return (torch.from_numpy(pixels) / 255 - mean) / std


# --- training ---------------------------------------------------------------------------------------------------------


def fit(pixels, labels):
    """A model trained on uint8 (n, channels, SIZE, SIZE) and labels (n,)."""
    model, targets = Model(), torch.from_numpy(labels)
    counts = torch.bincount(targets, minlength=len(CLASSES)).float()
    weight = len(labels) / ((counts > 0).sum() * counts.clamp(min=1)) if BALANCED else torch.ones(len(CLASSES))
    frozen = not any(parameter.requires_grad for parameter in model.trunk.parameters())
    if HEAD != "conv" and (frozen or (START == "fitted" and not REINITIALISED)):
        features = torch.cat([features_in(model, pixels, view) for view in range(HEAD_VIEWS)])
        (fit_mlp if HEAD == "mlp" else fit_linear)(model.head, features, targets.repeat(HEAD_VIEWS), weight, frozen)
    if not frozen or HEAD == "conv":
        descend(model, pixels, targets, weight)
        settle(model, pixels)
    return model.eval()


@torch.no_grad()
def features_in(model, pixels, view):
    """(n, channels) of the images as this view shows them."""
    rows = torch.arange(len(pixels)).split(32)
    return torch.cat([model.eval().features(shown(normalised(pixels[some.numpy()]), view)) for some in rows])


def shown(images, view):
    """The images as they are in view 0; in others squares of SMALLEST_CROP of their side or more, mirrored in every second."""
    if view == 0:
        return images
    share = SMALLEST_CROP + (1 - SMALLEST_CROP) * torch.rand((), generator=torch.Generator().manual_seed(view)).item()
    side = round(share * SIZE)
    places = torch.randint(0, SIZE - side + 1, (len(images), 2)).tolist()
    cut = torch.stack([image[:, top : top + side, left : left + side] for image, (top, left) in zip(images, places)])
    cut = nn.functional.interpolate(cut, (SIZE, SIZE), mode="bilinear", antialias=True)
    return cut.flip(3) if FLIP and view % 2 else cut


def fit_linear(head, features, targets, weight, frozen):
    """Logistic regression on standardised features; the standardisation is folded into the layer."""
    mean, std = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)
    standard, w = (features - mean) / std, weight[targets]
    slopes = torch.zeros(len(CLASSES), features.shape[1], requires_grad=True)
    bias = torch.zeros(len(CLASSES), requires_grad=True)
    solver = torch.optim.LBFGS([slopes, bias], max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def loss():
        solver.zero_grad()
        entropy = nn.functional.cross_entropy(standard @ slopes.T + bias, targets, reduction="none")
        value = (w * entropy).mean() + L2 / 2 * (slopes**2).sum()
        value.backward()
        return value

    solver.step(loss)
    with torch.no_grad():
        head.weight.copy_(slopes / std)
        head.bias.copy_(bias - head.weight @ mean)


def fit_mlp(head, features, targets, weight, frozen):
    """AdamW on standardised features, which the first layer takes over in the end."""
    mean, std = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)
    epochs = MLP_EPOCHS or max(5, round(MLP_STEPS / max(1, len(features) / HEAD_VIEWS / MLP_BATCH)))
    standard, steps = (features - mean) / std, epochs * math.ceil(len(features) / MLP_BATCH)
    optimizer = torch.optim.AdamW(head.parameters(), lr=LR if frozen else MLP_START_RATE, weight_decay=MLP_DECAY)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    head.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(features)).split(MLP_BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(standard[rows]), targets[rows], weight=weight).backward()
            optimizer.step()
            falling.step()
    with torch.no_grad():
        head[0].weight.div_(std)
        head[0].bias.sub_(head[0].weight @ mean)


def descend(model, pixels, targets, weight):
    """Gradient descent on all that is not frozen: warm-up, constant rate, cooldown over the second half."""
    optimizer = torch.optim.SGD(groups(model), momentum=MOMENTUM) if OPTIMIZER == "sgd" else torch.optim.AdamW(groups(model))
    peaks, per_epoch = [group["lr"] for group in optimizer.param_groups], math.ceil(len(targets) / BATCH)
    warm = min(WARM_STEPS, max(1, per_epoch // 2))
    cool = per_epoch * (EPOCHS - min(EPOCHS, max(1, round(COOLDOWN * EPOCHS))))
    step, model = 0, model.train()
    for epoch in range(EPOCHS):
        for rows in batches(len(targets)):
            start = max(warm, cool)
            share = min(1, (step + 1) / warm) if step < start else 1 - math.sqrt((step - start) / (per_epoch * EPOCHS - start))
            for group, peak in zip(optimizer.param_groups, peaks):
                group["lr"] = share * peak
            optimizer.zero_grad()
            logits = model(shown(normalised(pixels[rows.numpy()]), epoch % VIEWS))
            nn.functional.cross_entropy(logits, targets[rows], weight=weight).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            step += 1


def batches(count):
    """A last single image joins the batch before it: normalisation needs two."""
    chunks = list(torch.randperm(count).split(BATCH))
    return [*chunks[:-2], torch.cat(chunks[-2:])] if len(chunks) > 1 and len(chunks[-1]) == 1 else chunks


def groups(model):
    """Vectors are not decayed; with discriminative rates each earlier stage learns DISCRIMINATIVE_FACTOR times slower."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own = name.removeprefix("trunk.")
            depth = next((len(STAGES) - n for n, paths in enumerate(STAGES) if own != name and under(own, paths)), 0)
            found.setdefault((depth if RATES == "discriminative" else 0, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": members, "lr": LR / DISCRIMINATIVE_FACTOR**depth, "weight_decay": WEIGHT_DECAY if decayed else 0.0}
        for (depth, decayed), members in found.items()
    ]


@torch.no_grad()
def settle(model, pixels):
    """Trained normalisation gets the statistics of its final weights."""
    norms = [m for m in model.train().modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for rows in torch.randperm(len(pixels))[:SETTLED_ON].split(BATCH):
        model(normalised(pixels[rows.numpy()]))
    model.eval()


# --- data and score ---------------------------------------------------------------------------------------------------

# prepare


@torch.no_grad()
def probabilities(batch, model=None):
    """(n, classes) for uint8 (n, channels, SIZE, SIZE)."""
    return (model or trained()).eval()(normalised(batch)).softmax(1).numpy()


TRAINED = []


def trained():
    if not TRAINED:
        model, state = Model(), load_file(HERE / "model.safetensors")
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert not unexpected and all("_tensor_constant" in name for name in missing), (missing, unexpected)
        TRAINED.append(model)
    return TRAINED[0]


def score(labels, found):
    """METRIC, higher is better."""
    if METRIC == "auroc":
        classes = [1] if len(CLASSES) == 2 else range(len(CLASSES))
        pairs = [(found[labels == one, one], found[labels != one, one]) for one in classes]
        areas = [((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean() for a, b in pairs if len(a) and len(b)]
        return float(np.mean(areas))
    if METRIC == "log-loss":
        return float(np.log(np.clip(found[np.arange(len(labels)), labels], 1e-15, 1)).mean())
    hits = found.argmax(1) == labels
    parts = [labels == one for one in np.unique(labels)] if METRIC == "balanced-accuracy" else [slice(None)]
    return float(np.mean([hits[part].mean() for part in parts]))


def fit_and_score(data):
    with (HERE / "splits.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: unquoted(value) for name, value in row.items()} for row in csv.DictReader(file)]
    pixels = np.stack([prepare(Path(data) / row["path"]) for row in rows])
    labels = np.array([CLASSES.index(row["class"]) for row in rows])
    folds = {name: np.array([row[name] for row in rows]) for name in FOLDS}
    scores = []
    for name, place in folds.items():
        model, seen = fit(pixels[place == "train"], labels[place == "train"]), place == "validation"
        scores.append(score(labels[seen], in_batches(pixels[seen], model)))
        print(f"{name}: {METRIC} {scores[-1]:.4f}", flush=True)
    sealed = next(iter(folds.values())) == "sealed"
    model = fit(pixels[~sealed], labels[~sealed])
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, HERE / "model.safetensors")
    found = {"cross-validation": float(np.mean(scores))}
    if sealed.any():
        found["sealed-test"] = score(labels[sealed], in_batches(pixels[sealed], model))
    print(json.dumps({"metric": METRIC, **found, "reported": REPORTED}))


def unquoted(cell):
    """A quote stands before what a spreadsheet would take for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def in_batches(pixels, model):
    return np.concatenate([probabilities(pixels[start : start + 32], model) for start in range(0, len(pixels), 32)])


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("fit", "predict"):
        sys.exit(__doc__)
    fit_and_score(sys.argv[2]) if sys.argv[1] == "fit" else answer(given(sys.argv[2:]))
