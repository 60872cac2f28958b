"""What was finished: each trial is carried out once, saved, and told to whoever listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from frostline.stats.metrics import score
from frostline.store.results import ResultStore
from frostline.terms.data import Targets
from frostline.terms.progress import Event, TrialFinished
from frostline.terms.result import Outcome, Result
from frostline.terms.trial import Trial


class Listener(Protocol):
    """Receives events while the search runs."""

    def update(self, event: Event) -> None: ...


class Silent:
    """A listener that does nothing."""

    def update(self, event: Event) -> None:
        """Ignore `event`."""


@dataclass
class Ledger:
    """Finished trials by id, on disk and in memory.

    Attributes:
        found: results that were in the run folder when the search started, or were added since.
        carried_out: ids of the trials that were not found there.
        asked: ids of the trials that this search asked for, in the order of asking.
        labels: (N,) of the data set, or (N, classes) answers.
    """

    store: ResultStore
    listener: Listener
    labels: Targets
    metric: str
    found: dict[str, Result] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    carried_out: set[str] = field(default_factory=set)
    _scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def recall(self, trial: Trial) -> Result | None:
        """The result of `trial` if it is there; either way the trial counts as asked for."""
        if trial.id not in self.asked:
            self.asked.append(trial.id)
        known = self.found.get(trial.id)
        if known is not None:
            self._tell(known, 0.0)
        return known

    def knows(self, trial: Trial) -> bool:
        """`trial` is finished, by this start of the run or by an earlier one: it takes no time."""
        return trial.id in self.found

    def add(self, result: Result, keep: bool = True) -> None:
        """A new result, saved before it is told; without `keep` the next start of the run carries it out again."""
        if keep:
            self.keep(result)
        self.found[result.trial.id] = result
        self.carried_out.add(result.trial.id)
        self._tell(result, result.seconds)

    def keep(self, result: Result) -> None:
        """Save `result`, so that no later start of this run needs to find it again; nobody is told."""
        self.store.save(result)
        self.found[result.trial.id] = result

    @property
    def results(self) -> list[Result]:
        """Of every trial that this search asked for and that is finished, in the order of asking: never of completion."""
        return [self.found[one] for one in self.asked if one in self.found]

    def scores(self, result: Result) -> dict[str, float]:
        """Configuration -> its score on the result's split; computed once."""
        found = self._scores.get(result.trial.id)
        if found is None:
            labels = self.labels[result.indices]
            pairs = zip(result.trial.configurations, result.probabilities, strict=True)
            found = {name: score(self.metric, labels, probabilities) for name, probabilities in pairs}
            self._scores[result.trial.id] = found
        return found

    def best(self, result: Result) -> tuple[float | None, str]:
        """The score of the result's best configuration, and its name."""
        if result.outcome is not Outcome.DONE:
            return None, ""
        name, value = max(self.scores(result).items(), key=lambda pair: pair[1])
        return value, name

    def _tell(self, result: Result, seconds: float) -> None:
        value, configuration = self.best(result)
        trial = result.trial
        self.listener.update(
            TrialFinished(
                str(trial.recipe), trial.family, trial.backbone, value, seconds, configuration, trial.split, trial.budget.rung
            )
        )
