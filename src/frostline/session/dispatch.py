"""Independent trials, given out together: asked for one by one, carried out by the backend, told as they are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frostline.backends import Backend, Lost, Watch
from frostline.compute.bench import Bench
from frostline.compute.forks import Forks
from frostline.compute.machine import settle, threads
from frostline.compute.trials import failed, run_trial
from frostline.errors import CrewLost
from frostline.session.clock import Moment, TimeUp
from frostline.terms.data import Split
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Trial

if TYPE_CHECKING:
    from frostline.session.work import Work


@dataclass(frozen=True)
class Task:
    """A trial that is to be carried out.

    Attributes:
        lane: the backbone on whose bench; the first one's for pixels.
        deadline: second of the monotonic clock at which it must end; None for none. Another machine is told its own.
        forks: where epochs are found that a shorter trial had in common with it; None where there is no such.
    """

    trial: Trial
    split: Split
    lane: str
    deadline: float | None = None
    forks: Forks | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        deadline = None if self.deadline is None else Moment.at(self.deadline)
        return _received, (self.trial, self.split, self.lane, deadline, self.forks)

    @property
    def near(self) -> str:
        """What it reads, by name: its own shorter trial's state, else what the recipes with this frozen prefix share."""
        recipe = self.trial.recipe
        return (
            self.trial.lineage
            if self.forks and not self.forks.kept
            else f"{self.lane} {recipe.weights} {recipe.ranges[:1]} {self.trial.budget.size}"
        )


def _received(trial: Trial, split: Split, lane: str, deadline: Moment | None, forks: Forks | None) -> Task:
    return Task(trial, split, lane, None if deadline is None else deadline.here(), forks)


@dataclass(frozen=True, eq=False)
class CarryOut:
    """What a backend calls: the result of a task, None when its time was up, or that those who trained it together are gone."""

    benches: Mapping[str, Bench]

    def __call__(self, task: Task, watch: Watch) -> Result | Lost | None:
        def check() -> None:
            watch()
            if task.deadline is not None and time.monotonic() > task.deadline:
                raise TimeUp

        try:
            return run_trial(self.benches[task.lane], task.trial, task.split, check, task.forks)
        except TimeUp:
            return None
        except CrewLost as error:
            return Lost(str(error))


Ask = Callable[[], Task | None]
Tell = Callable[[Task, Result | None], None]


def give_out(
    work: Work,
    benches: Iterable[Bench],
    ask: Ask,
    tell: Tell,
    finish: Callable[[Task, Result], Result] | None = None,
    backend: Backend | None = None,
) -> None:
    """Carry out what `ask` gives until there is no more; each result is saved, then told.

    Results come in the order in which they are finished: `tell` may note them and ask for more, but what is decided among them
    is decided after all of them.

    Args:
        benches: of the lanes that the tasks name.
        ask: called when there is somebody to carry out a task, so that it may look at the time; None: nothing now.
        tell: gets None for a task whose time was up.
        finish: completes a new result before it is saved.
        backend: for these tasks; None for that of the search.
    """
    call = CarryOut({bench.backbone.name: bench for bench in benches})
    with closing((backend or work.backend).run(call, lambda: _next_new(work, ask, tell), work.check)) as run:
        for task, found in run:
            if isinstance(found, Lost):
                message = f"its worker did not come back: {found.reason}"
                found = failed(call.benches[task.lane], task.trial, task.split, Outcome.FAILED, message)
                work.ledger.add(found, keep=False)
            elif found is not None:
                found = found if finish is None else finish(task, found)
                work.ledger.add(found)
            tell(task, found)


def _next_new(work: Work, ask: Ask, tell: Tell) -> Task | None:
    """The next task whose result is not in the run folder; those that are there are told meanwhile."""
    while (task := ask()) is not None:
        known = work.ledger.recall(task.trial)
        if known is None:
            return task
        tell(task, known)
    return None


def get_ready() -> None:
    """What a new worker does before its first task; with this module everything that a trial needs is imported."""
    settle("cuda", threads())  # numbers are computed there as they are here
