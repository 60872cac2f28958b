"""A recipe as a scikit-learn classifier."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from frostline import api
from frostline.backbones import LoadedBackbone
from frostline.compute import heads
from frostline.compute.build import TransferNetwork
from frostline.compute.features import Sample
from frostline.compute.logistic import STRENGTHS, LinearHead, logistic_path
from frostline.compute.new_layers import PooledHead, set_linear
from frostline.compute.train import Schedule, settle_statistics, train
from frostline.integrations.images import BATCH, ArraySource, Range, are_paths, pixels_of, pixels_of_paths
from frostline.terms.kernels import Mode
from frostline.terms.recipe import HeadKind, Recipe

EXACT = Mode("fp32", False)


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One recipe on one backbone, for pipelines, grids and cross-validation of scikit-learn.

    Images are arrays (n, height, width) or (n, height, width, channels), paths of files, or flat rows (n, values) that are taken
    for gray squares, as in `sklearn.datasets.load_digits`. Which recipe to use is what `frostline.search` finds out.

    Args:
        backbone: a name as `-b` takes it, weights included.
        recipe: a line; what `train:` says there goes before `lr` and `epochs`.
        pretrained: False starts from random weights where the name brings none.
        size: image size in pixels; None for the backbone's own.
        l2: strength of a linear head on a frozen trunk; None: chosen on a fifth of the training images.
        random_state: of new layers and of the order of images.

    Attributes:
        classes_: labels in the order of the probabilities; network_: the fitted network; n_features_in_: of flat rows.
    """

    def __init__(
        self,
        backbone: str = "timm/resnet18",
        recipe: str = "all: freeze | head: linear",
        *,
        pretrained: bool = True,
        size: int | None = None,
        lr: float = 3e-4,
        epochs: int = 5,
        l2: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self.pretrained = pretrained
        self.size = size
        self.lr = lr
        self.epochs = epochs
        self.l2 = l2
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> TransferClassifier:  # noqa: N803 scikit-learn's names
        """Fit the recipe.

        Raises:
            ValueError: images or labels that cannot be used. FrostlineError: the recipe does not fit the backbone, or a file
                cannot be read.
        """
        images, labels = self._checked(X, y)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} tells classes apart, and there is only 1 class: {self.classes_[0]!r}.")
        self._range = None if are_paths(images) else Range.of(images)
        self._seed = int(check_random_state(self.random_state or 0).randint(2**31 - 1))
        loaded = self._loaded(self.pretrained)
        self.network_ = api.build(self.recipe, loaded, len(self.classes_), self._seed)
        self._fit_network(loaded, self._pixels(images, loaded), codes.astype(np.int64))
        self.network_.eval()
        return self

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """(n, classes) probabilities."""
        check_is_fitted(self, "network_")
        images = X if are_paths(X) else validate_data(self, X, reset=False, allow_nd=True)
        pixels, spec = self._pixels(images, self._loaded(False)), self._loaded(False).spec
        source = ArraySource(pixels, spec)
        with torch.inference_mode():
            logits = [self.network_(source.batch(rows, 0)) for rows in _batches(len(pixels))]
        return torch.softmax(torch.cat(logits), 1).numpy()

    def predict(self, X: Any) -> Any:  # noqa: N803
        """(n,) labels."""
        places = self.predict_proba(X).argmax(1)
        return self.classes_[places]

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:  # noqa: N803
        if are_paths(X):
            images, labels = np.asarray([str(path) for path in X]), column_or_1d(y, warn=True)
            if len(images) != len(labels):
                raise ValueError(f"{len(images)} images and {len(labels)} labels; expected as many.")
        else:
            images, labels = validate_data(self, X, y, allow_nd=True, ensure_min_samples=2)
        check_classification_targets(labels)
        return images, labels

    def _loaded(self, pretrained: bool) -> LoadedBackbone:
        return _backbone(self.backbone, pretrained or "=" in self.backbone, self.size)

    def _pixels(self, images: Any, loaded: LoadedBackbone) -> torch.Tensor:
        return pixels_of_paths(images, loaded.spec) if self._range is None else pixels_of(images, self._range, loaded.spec)

    def _fit_network(self, loaded: LoadedBackbone, pixels: torch.Tensor, labels: Any) -> None:
        recipe, source, rows = Recipe.parse(self.recipe), ArraySource(pixels, loaded.spec), np.arange(len(labels))
        frozen = not any(parameter.requires_grad for parameter in self.network_.trunk.parameters())
        assert recipe.head is not None
        if frozen and recipe.head.kind in (HeadKind.LINEAR, HeadKind.ALL_LAYER):
            set_linear(self.network_.head, self._linear(source, labels))
            return
        schedule = Schedule.of(dict(recipe.train), lr=float(self.lr), epochs=int(self.epochs), batch=BATCH)
        with torch.random.fork_rng(devices=[]):
            train(self.network_, source, rows, labels, schedule, EXACT, self._seed)
        settle_statistics(self.network_, source, rows, EXACT, self._seed)

    def _linear(self, source: ArraySource, labels: Any) -> LinearHead:
        sample = Sample.of(_features(self.network_.eval(), source))
        if self.l2 is None:
            return heads.best_linear_head(sample, labels, len(self.classes_), np.arange(len(labels)), self._seed)
        stronger = [one for one in STRENGTHS if one > self.l2]
        return logistic_path(sample, labels, len(self.classes_), [*stronger, self.l2])[-1]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """A network holds compiled code: its tensors travel, and it is built again."""
        state = dict(super().__getstate__())
        if "network_" in state:
            state["network_"] = {name: tensor.numpy() for name, tensor in self.network_.state_dict().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            network = api.build(self.recipe, self._loaded(False), len(self.classes_), self._seed)
            network.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in state["network_"].items()})
            self.network_ = network.eval()


@lru_cache(maxsize=8)
def _backbone(name: str, pretrained: bool, size: int | None) -> LoadedBackbone:
    return api.load_backbone(name, pretrained=pretrained, size=size)


def _batches(count: int) -> list[Any]:
    return [np.arange(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]


@torch.no_grad()
def _features(network: TransferNetwork, source: ArraySource) -> Any:
    """(n, channels): what a linear head multiplies."""
    seen: list[torch.Tensor] = []
    assert isinstance(network.head, PooledHead)
    handle = network.head.body.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    try:
        for rows in _batches(len(source.pixels)):
            network(source.batch(rows, 0))
    finally:
        handle.remove()
    return torch.cat(seen).numpy()
