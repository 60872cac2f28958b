"""Labels for image files by timm, numpy and Pillow: python predict.py IMAGE..."""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageOps

# constants

HERE = Path(__file__).resolve().parent
MODEL = timm.create_model(f"local-dir:{HERE}", pretrained=True).eval()
MEAN, STD = (torch.tensor(MODEL.pretrained_cfg[name]).view(-1, 1, 1) for name in ("mean", "std"))


def probabilities(batch):
    """(n, classes) for uint8 (n, channels, SIZE, SIZE)."""
    with torch.inference_mode():
        logits = MODEL((torch.from_numpy(batch) / 255 - MEAN) / STD)
        return (logits.sigmoid() if THRESHOLDS else logits.softmax(1)).numpy()


# prepare


if __name__ == "__main__":
    answer(given(sys.argv[1:]))
