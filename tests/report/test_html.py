"""The page: complete, self-contained, the same for the same values, and safe with hostile names."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from frostline.report.html import render, typeset, write
from frostline.report.tables import SHOWN_ROWS
from frostline.terms.evidence import Evidence
from frostline.terms.settings import Settings
from frostline.terms.verdict import Verdict
from tests.report import examples

PAGES = {
    "plain": (examples.VERDICT, examples.EVIDENCE, examples.SETTINGS, examples.FACTS),
    "two backbones": (examples.TWO, examples.TWO_EVIDENCE, examples.SETTINGS, examples.TWO_FACTS),
    "interim": (examples.INTERIM, examples.EVIDENCE, examples.SETTINGS, examples.FACTS),
    "undetermined": (examples.UNDETERMINED, examples.EVIDENCE, examples.SETTINGS, examples.FACTS),
    "with a learning curve": (examples.VERDICT, examples.CURVED, examples.SETTINGS, examples.FACTS),
    "hostile": (examples.HOSTILE_VERDICT, examples.HOSTILE_EVIDENCE, examples.HOSTILE_SETTINGS, examples.HOSTILE_FACTS),
    "bare": (
        dataclasses.replace(
            examples.VERDICT, control=None, claims=(), tied=(), test={}, test_opened_at=None, smallest_detectable_difference=None
        ),
        Evidence("auroc", (), None, ()),
        examples.SETTINGS,
        dataclasses.replace(examples.FACTS, sealed=0, folds=(), phases=(), stages=()),
    ),
}
VOID = {"meta", "link", "br", "img", "wbr", "hr", "input"}


class Outline(HTMLParser):
    """Collects what a test asks about, and fails on tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str | None] = []
        self.words: list[str] = []
        self.scripts = 0
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.scripts += tag == "script"
        assert not any(name.startswith("on") for name in found), "no inline handlers"
        if tag == "svg":
            self.labels.append(found.get("aria-label"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data.strip())


def rendered(values: tuple[Verdict, Evidence, Settings, object]) -> str:
    verdict, evidence, settings, facts = values
    return render(verdict=verdict, evidence=evidence, settings=settings, facts=facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_stands_alone(name: str) -> None:
    text = rendered(PAGES[name])
    outline = Outline(text)
    assert outline.headings[0] == ("Interim verdict" if name == "interim" else "Verdict")
    assert outline.headings[-1] == "To repeat it"
    anchors = {link[1:] for link in outline.links if link.startswith("#")}
    assert anchors <= set(outline.ids)
    assert all(link.startswith(("#", "data:image/")) or link == "data:," for link in outline.links)
    assert "url(http" not in text and "@import" not in text
    assert len(outline.ids) == len(set(outline.ids))
    assert all(outline.labels)
    assert outline.scripts == 1
    assert len(text) < 5_000_000
    assert "#01010" not in text, "a stand-in colour was not replaced"


def test_four_questions_come_in_order_before_the_tables() -> None:
    headings = [part for part in Outline(rendered(PAGES["plain"])).headings if part and not part.isdigit()]
    assert headings == [
        "Verdict",
        "Does it help, though the images differ?",
        "Which layers carry over?",
        "What is random and what is not?",
        "Which recipe?",
        "All recipes",
        "What it costs in use",
        "Claims",
        "Sealed test set",
        "Its most confident errors",
        "Data and splits",
        "What was run, and what was not",
        "Methods, ready to paste",
        "To repeat it",
    ]


def test_the_same_values_give_the_same_page() -> None:
    assert rendered(PAGES["plain"]) == rendered(PAGES["plain"])


def test_hostile_names_are_shown_and_never_run() -> None:
    text = rendered(PAGES["hostile"])
    assert examples.HOSTILE not in text
    outline = Outline(text)
    assert examples.HOSTILE in "".join(outline.words)
    assert "$\\frac{1}{2}$" in "".join(outline.words), "no mathematics is made of a stage's name"


def test_everything_a_reader_needs_is_there() -> None:
    words = re.sub(r"\s+", " ", " ".join(Outline(rendered(PAGES["plain"])).words))
    for expected in (
        "AUROC .968 (95 % interval .955 to .979)",
        "about 14,200 validated images would probably decide it",
        "frostline search chest-xrays -b torchvision/mobilenet_v2 --time 30m --seed 0",
        "−25.0 (−27.0 to −23.0)",
        "0.1 % of this model's 2,041,562 parameters started from random numbers",
        "12 images are exact copies",
        "no time was left for it",
        "channels-last",
        "3,494",
        "(.941)",
    ):
        assert expected in words


def test_a_learning_curve_is_drawn_and_said_and_left_out_where_there_is_none() -> None:
    assert "What would more images buy?" not in rendered(PAGES["plain"])
    words = re.sub(r"\s+", " ", " ".join(Outline(rendered(PAGES["with a learning curve"])).words))
    for expected in (
        "What would more images buy?",
        "640 instead of 320, would probably buy the chosen recipe (deeper-tuned) 1.2 points",
        "overtakes softmax-only from about 210 training images on (95 % interval 120 to 390)",
        "4 of 31 trials of the learning curve did not fit into the time",
        "training images",
        "not measured",
    ):
        assert expected in words


def test_a_dropped_stage_keeps_its_place_in_the_drawing() -> None:
    chosen = examples.ROWS[6]
    verdict = dataclasses.replace(examples.VERDICT, chosen=chosen)
    evidence = dataclasses.replace(examples.EVIDENCE, fates=(*examples.EVIDENCE.fates[:4], examples.EVIDENCE.fates[-1]))
    text = rendered((verdict, evidence, examples.SETTINGS, examples.FACTS))
    drawn = re.findall(r'<li class="(\w+) ?(\w*)">\s*<b title="([^"]+)"', text)
    assert [name for _, _, name in drawn] == [*examples.STAGES, "head"]
    assert [origin for origin, _, _ in drawn] == ["transferred"] * 4 + ["dropped"] * 2 + ["random"]


def test_a_page_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    verdict, evidence, settings, facts = PAGES["plain"]
    path = tmp_path / "report.html"
    path.write_text("older")
    write(path, verdict=verdict, evidence=evidence, settings=settings, facts=facts)  # type: ignore[arg-type]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


def test_minus_signs_are_set_before_numbers_only() -> None:
    assert typeset("-0.8 to -.5, lr=3e-4, new-layers, r-0") == "−0.8 to −.5, lr=3e-4, new-layers, r-0"


def test_the_style_sheet_hides_what_is_beyond_the_rows_that_are_shown_at_first() -> None:
    assert f"nth-child(n+{SHOWN_ROWS + 1})" in rendered(PAGES["plain"])


def test_pictures_of_images_and_their_controls_have_words() -> None:
    text = rendered(PAGES["plain"])
    said = re.findall(r'<img src="data:image/png;base64,[^"]+" width="1" height="1" alt="([^"]+)">', text)
    assert len(said) == 8 and "Image in row 17 of splits.csv: is normal, called pneumonia." in said


def test_notes_about_the_data_are_said_once() -> None:
    note = examples.FACTS.notes[0]
    verdict = dataclasses.replace(examples.VERDICT, notes=(note, "Something else."))
    text = rendered((verdict, examples.EVIDENCE, examples.SETTINGS, examples.FACTS))
    assert text.count(note) == 1 and "Something else." in text
