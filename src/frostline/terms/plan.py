"""A dry run of a search: what would be done, what is shared, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A piece of work that is done once for all recipes that need it.

    Attributes:
        name: of what comes out of it, unique in its plan; inputs: names of the tasks that it needs.
        serves: how many recipes need it.
        seconds: done once; alone_s: if every recipe did it for itself, as a loop over recipes would.
        stored_bytes: of what it leaves on disk.
        left_out: what finds no room there, and is computed again each time that it is needed.
    """

    name: str
    inputs: tuple[str, ...]
    serves: int
    seconds: float
    alone_s: float
    stored_bytes: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """What a time limit leaves room for, the parts of a search in their order.

    Attributes:
        time_s: the limit; least_s: what the smallest verdict takes, which is carried out in any case.
        images, epochs: of a screening trial; second_rung: the best third is tried again with three times the epochs.
        final_epochs: of a tuned network at full size, with its refit; scratch_epochs: of training from scratch. 0: none.
    """

    time_s: float
    least_s: float
    images: int = 0
    epochs: int = 0
    second_rung: bool = False
    final_epochs: int = 0
    scratch_epochs: int = 0


@dataclass(frozen=True)
class Reach:
    """What so many images could tell apart.

    Attributes:
        times: as many as there are; images: not counting sealed ones; units: how many `Plan.unit`s they are.
        difference: the true one that is found in at least 80 % of runs, in the metric's own unit.
    """

    times: int
    images: int
    units: int
    difference: float


@dataclass(frozen=True)
class Plan:
    """What `frostline plan` shows.

    Attributes:
        tasks: in an order in which they can be run.
        lines: (backbone, recipe, family) of each recipe; an empty backbone for pixels.
        pool, sealed, folds, repeats: images and splits.
        metric: what is compared; delta: what counts as no practical difference, at most.
        reach: what the images at hand could tell apart, then what more of them could.
        unit: what counts there, as `Comparison.unit`; equality_units: how many must be validated for *no practical difference*.
        notes: what the user should know of the data.
        fit: what a time limit leaves room for, where one was given.
        cache_bytes: that activations may take on disk.
        settled_s: seconds that are saved where the finalists' ranking has settled after the first draw of the folds, or the
            second hold-out.
    """

    tasks: tuple[Task, ...]
    lines: tuple[tuple[str, str, str], ...]
    size: int
    pool: int
    sealed: int
    folds: int
    repeats: int
    metric: str
    delta: float
    reach: tuple[Reach, ...]
    unit: str
    equality_units: int
    notes: tuple[str, ...] = ()
    fit: Fit | None = None
    cache_bytes: int = 0
    settled_s: float = 0.0

    @property
    def detectable(self) -> float:
        """The true difference that the images at hand would find in at least 80 % of runs."""
        return self.reach[0].difference

    @property
    def seconds(self) -> float:
        return sum(task.seconds for task in self.tasks)

    @property
    def alone_s(self) -> float:
        return sum(task.alone_s for task in self.tasks)

    @property
    def stored_bytes(self) -> int:
        return sum(task.stored_bytes for task in self.tasks)
