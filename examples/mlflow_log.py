"""A search written down in MLflow: python mlflow_log.py DATA. Needs frostline[mlflow]; the records lie in ./mlruns."""

import os
import sys
from pathlib import Path

import frostline as fl
from frostline.integrations.mlflow import log_run

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder is enough here; give a server's address in its place

run = fl.search(
    sys.argv[1],
    "demo/efficientnet_lite0",
    out="RUN",
    size=64,
    recipe=["all: freeze | head: linear", "weights: random | all: freeze | head: linear"],
)
written = log_run(run, "frostline", tracking_uri=Path("mlruns").absolute().as_uri())
print(f"run {written}: {len(run.table)} recipes, the report and the model are in mlruns")
