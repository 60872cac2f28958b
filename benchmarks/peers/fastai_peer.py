"""fastai as its quick start does it: `vision_learner(...).fine_tune(epochs)`, one epoch of the head first, then all of it."""

import time

START = time.perf_counter()

import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import fastai  # noqa: E402
import pandas as pd  # noqa: E402
from fastai.vision.all import ImageDataLoaders, Resize, set_seed, vision_learner  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from benchmarks.peers import common  # noqa: E402
from benchmarks.peers.timm_weights import ARCHITECTURE, timm_state  # noqa: E402

BATCH = 64  # fastai's default


def data(job: common.Job) -> ImageDataLoaders:
    table = pd.DataFrame(job.train, columns=["path", "label"])
    batch = min(BATCH, len(job.train) // 2)
    return ImageDataLoaders.from_df(table, path="/", valid_pct=0.2, seed=42, bs=batch, item_tfms=Resize(job.size))


def main() -> None:
    job = common.job_from_command_line(__doc__)
    set_seed(job.seed)
    loaders = data(job)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_file(timm_state(job.weights), file)
        learner = vision_learner(loaders, ARCHITECTURE, pretrained_cfg_overlay={"file": str(file)})
    begun = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(job.epochs)
        ended = time.perf_counter()
        probabilities = learner.get_preds(dl=loaders.test_dl([Path(path) for path, _ in job.test]))[0]
    common.report(
        job,
        name="fastai",
        version=fastai.__version__,
        training_s=ended - begun,
        with_start_up_s=ended - START,
        classes=list(loaders.vocab),
        probabilities=probabilities.numpy(),
        settings={"call": f"fine_tune({job.epochs})", "batch": loaders.bs, "precision": "fp32", "held out": "20 % of train"},
    )


if __name__ == "__main__":
    main()
