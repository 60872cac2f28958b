"""Labels for image files by torch, numpy and Pillow: python predict.py IMAGE..."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

# constants

HERE = Path(__file__).resolve().parent
MODEL = torch.export.load(HERE / "model.pt2").module()


def probabilities(batch):
    """(n, classes) for uint8 (n, channels, SIZE, SIZE)."""
    with torch.inference_mode():
        return MODEL(torch.from_numpy(batch)).numpy()


# prepare


if __name__ == "__main__":
    answer(given(sys.argv[1:]))
