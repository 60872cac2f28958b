"""What `frostline check` found, as rich renderables and as one HTML page: a contact sheet."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from frostline.errors import DataError
from frostline.report.html import filled
from frostline.store.files import write_text
from frostline.terms.data import Dataset, Sample
from frostline.terms.finding import Checkup, Finding, Kind, Weight
from frostline.terms.look import Look

MARKS = {Weight.STOPS: "✗", Weight.SPOILS: "‼", Weight.LOOK: "!", Weight.NOTE: "·"}
STYLES = {Weight.STOPS: "bold red", Weight.SPOILS: "bold yellow", Weight.LOOK: "yellow", Weight.NOTE: "dim"}
MEANINGS = {
    Weight.STOPS: "a search would refuse this",
    Weight.SPOILS: "mend this first: a score would be flattered, or mean nothing",
    Weight.LOOK: "look at it before you believe a score",
    Weight.NOTE: "good to know",
}
NAMED = 3  # files of a finding that the terminal names
SHOWN = 24  # images of a finding, and of a class, that the sheet shows
_COLOURS = {1: "gray", 3: "colour"}
_SIDE = 160  # pixels of a preview


# On a terminal -------------------------------------------------------------------------------------------------------


def checkup_table(found: Checkup) -> RenderableType:
    """A row for each class and part."""
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    heads = _heads(found.kinds)
    for head, _ in heads:
        table.add_column(head, justify="left" if head in ("part", "class", "files") else "right", overflow="fold")
    for kind in found.kinds:
        table.add_row(*(Text(cell) for cell in _cells(kind, heads)))
    return table


def findings_text(found: Checkup) -> RenderableType:
    """The findings, the heaviest first, with some of the files that they are about."""
    lines: list[RenderableType] = []
    for weight in Weight:
        here = [finding for finding in found.findings if finding.weight is weight]
        if here:
            lines.append(Text(f"{MEANINGS[weight]}:", style=STYLES[weight]))
            lines += [_line(finding, found.dataset) for finding in here]
    return Group(*lines)


def _line(finding: Finding, dataset: Dataset | None) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=1)
    row.add_column(overflow="fold")
    text = Text(finding.sentence)
    if finding.images and dataset is not None and finding.weight is not Weight.STOPS:
        named = [dataset.samples[index].path for index in finding.images[:NAMED]]
        more = f" and {len(finding.images) - NAMED:,} more" if len(finding.images) > NAMED else ""
        text.append(f" {', '.join(named)}{more}", style="dim")
    row.add_row(Text(MARKS[finding.weight], style=STYLES[finding.weight]), text)
    return row


def _heads(kinds: Sequence[Kind]) -> list[tuple[str, str]]:
    """(heading, field) of the columns that say something."""
    heads = [("part", "part")] if any(kind.part for kind in kinds) else []
    heads += [("class", "name"), ("images", "images"), ("share", "share")]
    heads += [("groups", "groups")] if any(kind.groups for kind in kinds) else []
    return [*heads, ("median size", "size"), ("files", "files"), ("bits", "bits"), ("mean ± sd", "mean"), ("contrast", "spread")]


def _cells(kind: Kind, heads: Sequence[tuple[str, str]]) -> list[str]:
    kinds = ", ".join(f"{name} {count:,}" if len(kind.files) > 1 else name for name, count in kind.files)
    colours = "/".join(_COLOURS.get(channels, f"{channels} channels") for channels in kind.channels)
    values = {
        "part": kind.part, "name": kind.name, "images": f"{kind.images:,}", "groups": f"{kind.groups:,}",
        "share": f"{kind.share:.1%}", "size": f"{kind.width:,} x {kind.height:,}", "files": f"{kinds} {colours}".strip(),
        "bits": "/".join(map(str, kind.bits)), "mean": f"{kind.mean:.0f} ± {kind.mean_sd:.0f}", "spread": f"{kind.spread:.0f}",
    }  # fmt: skip
    return [values[field] for _, field in heads]


# As a page -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """A picture on the sheet.

    Attributes:
        source: of an `img`, empty where it cannot be decoded.
        path, label, facts: what is written below it.
    """

    source: str
    path: str
    label: str
    facts: str


@dataclass(frozen=True)
class Section:
    title: str
    weight: str
    sentence: str
    previews: tuple[Preview, ...]
    left_out: int


def write_sheet(path: Path, found: Checkup, name: str) -> None:
    """Write the contact sheet: the findings with their images, then images of each class. It shows files' names.

    Raises:
        DiskFull: there is no room for it.
    """
    heads = _heads(found.kinds)
    page = filled(
        "check.html.j2",
        name=name,
        heads=[head for head, _ in heads],
        rows=[_cells(kind, heads) for kind in found.kinds],
        findings=[_section(finding, found.dataset) for finding in found.findings],
        classes=list(_classes(found.dataset)) if found.dataset is not None else [],
    )
    write_text(path, page)


def _section(finding: Finding, dataset: Dataset | None) -> Section:
    shown = finding.images[:SHOWN] if dataset is not None else ()
    previews = tuple(_preview(dataset, index) for index in shown) if dataset is not None else ()
    return Section(finding.kind, finding.weight.value, finding.sentence, previews, len(finding.images) - len(shown))


def _classes(dataset: Dataset) -> Iterable[Section]:
    """Some images of each class, evenly spread in the order of their paths."""
    for label, name in enumerate(dataset.classes):
        rows = [index for index, sample in enumerate(dataset.samples) if label in sample.has]
        shown = rows[:: max(1, -(-len(rows) // SHOWN))]
        yield Section(name, "", "", tuple(_preview(dataset, index) for index in shown), len(rows) - len(shown))


def _labels(sample: Sample, classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(classes[label] for label in sample.has)


def _preview(dataset: Dataset, index: int) -> Preview:
    from frostline.data.decoding import preview

    sample, look = dataset.samples[index], dataset.looks[index] if dataset.looks else ""
    facts = f"{look.width} x {look.height} {look.kind}, {look.bits} bits" if isinstance(look, Look) else str(look)
    label = " | ".join(_labels(sample, dataset.classes)) + (f" ({sample.part})" if sample.part else "")
    try:
        source = "data:image/png;base64," + base64.b64encode(preview(Path(dataset.root) / sample.path, _SIDE)).decode()
    except DataError:
        source = ""
    return Preview(source, sample.path, label, facts)
