"""AutoGluon MultiModal: `MultiModalPredictor(...).fit(...)` with its own defaults, on mobilenetv2_100 with the given weights."""

import time

START = time.perf_counter()

import json  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import pandas as pd  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from autogluon.multimodal import MultiModalPredictor  # noqa: E402
from autogluon.multimodal.version import __version__  # noqa: E402

from benchmarks.peers import common  # noqa: E402
from benchmarks.peers.timm_weights import ARCHITECTURE, timm_state  # noqa: E402


def write_checkpoint(weights: Path, size: int, folder: Path) -> None:
    """A folder in the form in which AutoGluon keeps a timm network: offline it can be given weights in no other way."""
    trunk = {name: tensor for name, tensor in timm_state(weights).items() if not name.startswith("classifier.")}
    torch.save(trunk, folder / "pytorch_model.bin")
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    config = model.default_cfg | {"input_size": (3, size, size)}
    about = {"architecture": ARCHITECTURE, "num_features": model.num_features, "pretrained_cfg": config}
    (folder / "config.json").write_text(json.dumps(about), encoding="utf-8")


def hyperparameters(job: common.Job, checkpoint: Path) -> dict[str, object]:
    return {
        "model.names": ["timm_image"],
        "model.timm_image.checkpoint_name": str(checkpoint),
        "optim.max_epochs": job.epochs,
        "env.precision": 32,
        "env.num_gpus": 0,
        "env.strategy": "auto",
    }


def table(rows: list[common.Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "label"])


def main() -> None:
    job = common.job_from_command_line(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        checkpoint.mkdir()
        write_checkpoint(job.weights, job.size, checkpoint)
        predictor = MultiModalPredictor(label="label", path=f"{folder}/model", verbosity=1)
        begun = time.perf_counter()
        predictor.fit(table(job.train), hyperparameters=hyperparameters(job, checkpoint), seed=job.seed)
        ended = time.perf_counter()
        probabilities = predictor.predict_proba(table(job.test)[["image"]])
    common.report(
        job,
        name="AutoGluon MultiModal",
        version=__version__,
        training_s=ended - begun,
        with_start_up_s=ended - START,
        classes=list(probabilities.columns),
        probabilities=probabilities.to_numpy(),
        settings={"network": f"timm {ARCHITECTURE}", "precision": "fp32", "held out": "AutoGluon's own share of train"},
    )


if __name__ == "__main__":
    main()
