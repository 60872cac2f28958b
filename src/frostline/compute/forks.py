"""Epochs that two trials have in common run once: the shorter one leaves its state where the longer one finds it. A finished
training may be kept too, for whoever wants to look at its network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from frostline.compute.bench import Bench
from frostline.compute.sources import ActivationSource, Source
from frostline.store.checkpoints import Checkpoint, CheckpointStore
from frostline.terms.data import UNKNOWN
from frostline.terms.identity import digest
from frostline.terms.recipe import Recipe
from frostline.terms.result import IntArray
from frostline.terms.schedule import WARM_STEPS
from frostline.terms.trial import Trial

FINISHED = "-finished"  # how the names of finished networks end


@dataclass(frozen=True)
class Forks:
    """Where the states of trials are.

    Attributes:
        followed: a longer trial may follow, so that the state is kept for it.
        kept: so is the finished network, for who looks back.
        looks_back: a network that was kept is taken as it is. Nobody but who looks at one asks for that: a trial is carried out.
    """

    store: CheckpointStore
    followed: bool = False
    kept: bool = False
    looks_back: bool = False

    def branch(self, trial: Trial) -> Branch:
        """Where `trial` finds the state of a shorter one, and leaves its own."""
        return Branch(self, trial.lineage)

    def forget(self, trial: Trial) -> None:
        """Nobody will look at the finished network of `trial`."""
        self.store.remove(_finished(trial.lineage, trial.budget.epochs))

    def knows(self, trial: Trial) -> bool:
        """Whether the finished network of `trial` was kept."""
        return self.store.holds(_finished(trial.lineage, trial.budget.epochs))


@dataclass(frozen=True)
class Branch:
    """The place of one trial and of those that are only longer or shorter."""

    forks: Forks
    name: str

    def memory(self, trajectory: str) -> _Memory:
        return _Memory(self, trajectory)


@dataclass(frozen=True)
class _Memory:
    """`compute.train.Memory` of one trajectory: a state of another one, under the same name, is not taken."""

    branch: Branch
    trajectory: str

    def load(self) -> Checkpoint | None:
        return self.branch.forks.store.load(self.branch.name, self.trajectory)

    def save(self, state: Checkpoint) -> None:
        if self.branch.forks.followed:
            self.branch.forks.store.save(self.branch.name, self.trajectory, state)

    def finished(self, epochs: int) -> Checkpoint | None:
        """The network as it was kept after so many epochs, the last."""
        forks = self.branch.forks
        return forks.store.load(_finished(self.branch.name, epochs), self.trajectory) if forks.looks_back else None

    @property
    def keeps(self) -> bool:
        """Whether somebody will want to look at a network that is trained to its end."""
        return self.branch.forks.kept

    def finish(self, state: Checkpoint) -> None:
        """Keep such a network."""
        self.branch.forks.store.save(_finished(self.branch.name, state.epochs), self.trajectory, state)


def _finished(lineage: str, epochs: int) -> str:
    return f"{lineage}-{epochs}{FINISHED}"


def trajectory(bench: Bench, recipe: Recipe, source: Source, rows: IntArray, seed: int) -> str:
    """The identity of everything that the first epochs of a training depend on; its length is not among it.

    Args:
        recipe: with everything that was chosen for it, the size of a batch included.
        rows: data set indices to train on.
    """
    weights, kernels = bench.class_weights(rows), bench.kernels
    views = len(source.stored) if isinstance(source, ActivationSource) else bench.views
    return digest(
        {
            "network": (bench.backbone.digest, bench.backbone.graph, bench.backbone.spec, str(recipe), bench.classes),
            "data": (
                bench.store.path.name,
                rows.tolist(),
                np.nan_to_num(bench.labels[rows], nan=UNKNOWN).tolist(),
                type(source).__name__,
                source.first,
                views,
            ),
            "loss": None if weights is None else weights.tolist(),
            "numbers": (
                str(kernels.forward),
                str(kernels.train),
                kernels.heads,
                kernels.device,
                torch.get_num_threads(),
                torch.__version__,
                WARM_STEPS,
            ),
            "seeds": (seed, bench.seed),
            **({"devices": bench.devices} if bench.devices > 1 else {}),  # sums are then taken in another order
        }
    )
