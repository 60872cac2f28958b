"""A run, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.api.models import load
from frostline.errors import RunFolderError
from frostline.terms.evidence import Evidence
from frostline.terms.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from frostline.export.bundle import Classifier
    from frostline.report.facts import RunFacts
    from frostline.store.run_folder import RunFolder


@dataclass(frozen=True)
class Run:
    """A finished (or interrupted) search, read from its folder.

    Attributes:
        path: the run's folder; everything else is read from it.
    """

    path: Path

    @cached_property
    def verdict(self) -> Verdict:
        """The decision with its evidence; `verdict.interim` says that the search has not finished."""
        from frostline.store.records import read_verdict

        if not self._folder.verdict_path.exists():
            raise RunFolderError(f"{self.path} has no verdict yet. Continue it: the same `frostline search` with -o {self.path}.")
        return read_verdict(self._folder.verdict_path)

    @cached_property
    def evidence(self) -> Evidence:
        """Probes by depth and the fates of the stages."""
        from frostline.store.records import read_evidence

        if not self._folder.evidence_path.exists():
            return Evidence(self.verdict.metric, (), None, ())
        return read_evidence(self._folder.evidence_path)

    @property
    def table(self) -> pd.DataFrame:
        """`results.csv`: a row a recipe, ranked."""
        import pandas as pd

        return pd.read_csv(self._folder.table_path)

    @property
    def report_path(self) -> Path:
        return self._folder.report_path

    @property
    def has_model(self) -> bool:
        """Whether there is a model to hand over: there is none when only controls finished."""
        return (self._folder.model_path / "model.json").exists()

    @property
    def methods(self) -> str:
        """A methods paragraph for a paper, made from this run's own values."""
        from frostline.report.methods import methods

        return methods(self.verdict, self._folder.settings, self._facts)

    @property
    def model(self) -> Classifier:
        """The chosen model, preprocessing included: uint8 pixels (n, channels, size, size) -> probabilities (n, classes)."""
        return load(self.path)

    @property
    def data(self) -> str:
        """The path of the images, as it was given."""
        return self._folder.settings.data

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found in the images that must be looked at before a score is believed, the worst first."""
        return self._facts.warnings if self._folder.facts_path.exists() else ()

    @cached_property
    def _folder(self) -> RunFolder:
        from frostline.store.run_folder import RunFolder

        return RunFolder.open(self.path)

    @property
    def _facts(self) -> RunFacts:
        from frostline.report.facts import RunFacts
        from frostline.store.values import read_value

        return read_value(self._folder.facts_path, RunFacts)

    def _repr_html_(self) -> str:
        from html import escape

        from frostline.report.words import summary

        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in summary(self.verdict))
        return f"{sentences}{self.table.to_html(index=False)}"

    def __str__(self) -> str:
        from frostline.report.words import summary

        return "\n".join(summary(self.verdict))


def open_run(path: str | Path) -> Run:
    """The run in `path`.

    Raises:
        RunFolderError: there is none, or it has no verdict yet.
    """
    run = Run(Path(path))
    _ = run.verdict
    return run


def rewrite_report(path: str | Path) -> Path:
    """Write `report.html` again from the run's own files; its path."""
    from frostline.report.html import write

    run = open_run(path)
    write(run.report_path, verdict=run.verdict, evidence=run.evidence, settings=run._folder.settings, facts=run._facts)
    return run.report_path


def write_pages(run: Run) -> Run:
    """The page and the model's card, from the run's own files."""
    from frostline.export.card import write_card
    from frostline.report.words import summary

    rewrite_report(run.path)
    if run.has_model and not run.verdict.interim:
        write_card(run._folder.model_path, run.verdict, summary(run.verdict), _data_lines(run._facts))
    return run


def complete(run: Run) -> Run:
    """A run that was killed after its verdict was final may lack its page, or the model's card."""
    from frostline.export.card import has_card

    carded = has_card(run._folder.model_path) or not run.has_model
    return run if run.report_path.exists() and carded else write_pages(run)


def _data_lines(facts: RunFacts) -> list[str]:
    """What a model card says of the images; notes name no files."""
    counts = ", ".join(f"{one.name} {one.total:,}" for one in facts.classes)
    groups = [] if facts.groups is None else [f"{facts.groups:,} groups (such as patients), none of them split"]
    sealed = [f"{facts.sealed:,} images sealed until the decision ({facts.sealed_by})"] if facts.sealed else []
    return [f"{facts.images:,} images: {counts}", *groups, *sealed, *facts.notes]
