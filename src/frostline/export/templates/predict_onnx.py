"""Labels for image files by onnxruntime, numpy and Pillow alone: python predict.py IMAGE..."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

# constants

HERE = Path(__file__).resolve().parent
SESSION = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])


def probabilities(batch):
    """(n, classes) for uint8 (n, channels, SIZE, SIZE)."""
    return SESSION.run(None, {"pixels": batch})[0]


# prepare


if __name__ == "__main__":
    answer(given(sys.argv[1:]))
