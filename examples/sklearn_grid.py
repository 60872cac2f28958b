"""Recipes in a scikit-learn grid, on files: python sklearn_grid.py DATA."""

import sys
from pathlib import Path

from sklearn.model_selection import GridSearchCV

from frostline.integrations.sklearn import TransferClassifier

paths = sorted(Path(sys.argv[1]).rglob("*.png"))
labels = [path.parent.name for path in paths]
grid = GridSearchCV(
    TransferClassifier("demo/efficientnet_lite0", size=64),
    {"recipe": ["all: freeze | head: linear", "stem .. blocks.4.0: freeze | blocks.4.2 .. bn2: drop | head: linear"]},
    cv=2,
)
grid.fit(paths, labels)
print(f"{grid.best_score_:.3f} with '{grid.best_params_['recipe']}'")
