"""Tables keep to their width, and a pipe gets plain lines."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from frostline.report.answers import QUESTIONS
from frostline.report.ranking import foremost, ranked
from frostline.report.short import recipe_forms, short_recipe, short_recipes, short_stages
from frostline.report.terminal import (
    LiveView,
    answers_table,
    backbones_table,
    findings_table,
    interval_bar,
    ranked_table,
    stages_table,
    verdict_panel,
)
from frostline.terms.backbone import Backbone, Cut, InputSpec, Layout, Stage
from frostline.terms.progress import (
    BackboneLoaded,
    MetricChosen,
    PhaseEnded,
    PhaseStarted,
    Progressed,
    Ranked,
    RankedRow,
    RecipeFinished,
    Remaining,
    Shared,
    Sharing,
    TrialFinished,
    Warned,
)
from frostline.terms.verdict import Interval
from tests.report import examples


def shown(renderable: RenderableType, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("verdict", [examples.VERDICT, examples.TWO, examples.INTERIM, examples.HOSTILE_VERDICT])
def test_a_recipe_takes_one_line_at_any_width(verdict: object, width: int) -> None:
    lines = shown(ranked_table(verdict), width)  # type: ignore[arg-type]
    assert max(cell_len(line) for line in lines) <= width
    rows = [line for line in lines if "±" in line]
    assert len(rows) == sum(row.score is not None for row in verdict.rows)  # type: ignore[attr-defined]


def test_ranked_best_first_with_marks_and_a_legend() -> None:
    lines = shown(ranked_table(examples.VERDICT), 80)
    assert lines[1].startswith("● to features.13 freeze, rest tune")
    assert ".968 ±.011" in lines[1]
    assert lines[5].startswith("○ pixels: forest")
    assert "(.941)" in lines[12]
    legend = " ".join(" ".join(lines[15:]).replace("\N{NO-BREAK SPACE}", " ").split())
    assert "≈ tied: not told apart from it on these images" in legend and "time: of all its trials, added up" in legend


def test_two_backbones_get_letters() -> None:
    lines = shown(ranked_table(examples.TWO), 80)
    assert lines[1].startswith("● B "), "by the alphabet, as in the live table"
    assert any("A\N{NO-BREAK SPACE}resnet18.a1_in1k" in line and "B\N{NO-BREAK SPACE}mobilenet_v2" in line for line in lines)


def test_no_rows_is_said() -> None:
    assert shown(ranked_table([]), 80) == ["No recipe has a result yet."]


def test_markup_in_names_is_shown_as_it_is() -> None:
    row = examples.row("all: freeze | head: linear", "softmax-only", 0.9, configuration="[red]x[/red]", backbone="[bold]b")
    other = examples.row("all: tune | head: linear", "whole", 0.8)
    text = "\n".join(shown(ranked_table([row, other]), 120))
    assert "[bold]b" in text


def test_panel_ends_with_the_line_to_type() -> None:
    text = "\n".join(shown(verdict_panel(examples.VERDICT), 120))
    assert examples.CHOSEN.recipe in text
    assert "Pre-training helps" in text


def test_recipe_forms_shorten_but_stay_apart() -> None:
    line = "stem .. features.6: freeze | features.13 .. features.18: drop | head: conv(256)x2"
    assert recipe_forms(line)[1:] == [
        "to features.6 freeze, rest drop, conv(256)x2",
        "to features.6 freeze, rest drop, conv(256)x2",
        "to features.6, conv(256)x2",
    ]
    assert short_recipe(line, 200) == line
    assert short_recipe(line, 12) == "to fea…56)x2"


def test_recipes_side_by_side_have_one_form() -> None:
    lines = ["stem .. features.6.act: freeze | features.13.act .. features.18: drop | head: linear", "all: freeze | head: linear"]
    assert short_recipes(lines, 200) == lines
    assert short_recipes(lines, 50) == ["to features.6.act freeze, rest drop, linear", "all freeze, linear"]
    assert short_recipes(lines, 30) == ["to features.6.act", "all freeze"]


def test_stages_lose_what_they_share_but_stay_apart() -> None:
    names = ["stem", "features.4.squeeze_activation", "features.12.squeeze_activation", "features.12"]
    assert list(short_stages(names).values()) == ["stem", "features.4", "features.12.squ…", "features.12"]
    assert short_stages(["layer1", "layer1", ""]) == {"layer1": "layer1"}


def test_interval_bar_spans_the_axis() -> None:
    assert interval_bar(Interval(0.5, 0.0, 1.0), (0.0, 1.0), 11) == "━━━━━●━━━━━"
    assert interval_bar(Interval(0.0, 0.0, 0.1), (0.0, 1.0), 11) == "●━         "
    assert interval_bar(None, (0.0, 1.0), 11) == ""


def backbone() -> Backbone:
    cuts = tuple(Cut(f"layer{i}", (64 * i, 56 // i, 56 // i), Layout.NCHW, 10**8 * i, 10**5 * i) for i in (1, 2, 4))
    stages = tuple(Stage(cut.name, cut, (f"{cut.name}.0", f"{cut.name}.1"), 10**8, 10**5) for cut in cuts)
    spec = InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3)
    return Backbone("timm/resnet18.a1_in1k", "d", spec, stages, cuts, ("random weights",))


@pytest.mark.parametrize("width", [80, 120])
def test_stages_show_shape_cost_and_bytes(width: int) -> None:
    lines = shown(stages_table(backbone(), all_cuts=False), width)
    assert any("layer1.0 .. layer1.1" in line and "64 x 56 x 56" in line and "392.0" in line for line in lines)
    assert max(len(line) for line in lines[:6]) <= width
    assert lines[-1].strip() == "random weights"


def test_all_cuts_show_costs_between_cuts() -> None:
    lines = shown(stages_table(backbone(), all_cuts=True), 80)
    assert any("200.0 M" in line or "200 M" in line for line in lines)


def test_backbones_fill_columns_downwards() -> None:
    assert shown(backbones_table(["aa", "bb", "cc"]), 8) == ["aa  cc", "bb"]
    assert shown(backbones_table([]), 80) == ["No backbone has such a name."]


EVENTS = (
    BackboneLoaded("timm/resnet18", ("stem", "layer1")),
    MetricChosen("auroc"),
    PhaseStarted("features", 10, "images"),
    Progressed("features", 5),
    Shared("22 recipes share the features of the frozen network"),
    Warned("3 groups are in more than one of train, val and test: scores there are flattered."),
    Sharing("pre-trained timm/resnet18 at 224 px", 8, 1500, 110, 22, 4_200_000),
    PhaseEnded("features", 12.3, "10 images"),
    Remaining(90.0),
    TrialFinished("all: freeze | head: linear", "softmax-only", "timm/resnet18", 0.945, 3.1, "l2=0.01", "r0f0", "full"),
    TrialFinished("all: freeze | head: linear", "softmax-only", "timm/resnet18", 0.941, 3.0, "l2=0.01", "r0f1", "full"),
    RecipeFinished("all: freeze | head: linear", "softmax-only", "timm/resnet18", 0.943, 2, 6.1),
    Ranked((RankedRow("all: freeze | head: linear", "softmax-only", "timm/resnet18", 0.943, 2),)),
    RecipeFinished("all: tune | head: linear", "whole", "timm/resnet18", 0.951, 0, 0.0),
)


def ticking() -> Iterator[float]:
    now = 100.0
    while True:
        yield now
        now += 1.0


def test_a_pipe_gets_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    ticks = ticking()
    with LiveView(console, lambda: next(ticks)) as view:
        for event in EVENTS:
            view.update(event)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "Backbone timm/resnet18: 2 stages, stem, layer1",
        "22 recipes share the features of the frozen network",
        "Warning: 3 groups are in more than one of train, val and test: scores there are flattered.",
        "Shared: pre-trained timm/resnet18 at 224 px: 8 cuts of 1,500 images, 4.2 MB, computed once for 110 trials of 22 recipes",
        "features finished in 12 s: 10 images",
        "softmax-only on timm/resnet18 [all: freeze | head: linear] AUROC .943 (2 folds, 6.1 s) (about 1 min 26 s left)",
        "whole on timm/resnet18 [all: tune | head: linear] AUROC .951 (screened, already there) (about 1 min 23 s left)",
    ]
    assert not any(ord(char) < 32 for line in lines for char in line)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_a_table_that_keeps_its_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=24, force_terminal=True, color_system=None)
    view = LiveView(console)
    view.start()
    for event in (
        *EVENTS,
        PhaseStarted("a phase with quite a long name: racing the finalists", 400, "trials"),
        Progressed("x", 1),
    ):
        view.update(event)
    assert view._live is not None
    lines = [text.rstrip() for text in shown(view._live.renderable, width)]
    view.stop()
    view.stop()
    assert max(cell_len(line) for line in lines) <= width
    assert any("0/400 trials" in line for line in lines)
    assert any("all: freeze | head: linear" in line and ".943" in line for line in lines)
    assert any(line.startswith("shared: ") and line.endswith("4.2 MB once for 110 trials of 22 recipes") for line in lines)
    assert isinstance(console.file, io.StringIO)
    scrolled = console.file.getvalue()
    assert "scores there are flattered" in " ".join(scrolled.split())
    assert "✓    .943  softmax-only" in scrolled and "✓  (.951)  whole" in scrolled


@pytest.mark.parametrize("width", [80, 140])
def test_every_line_of_a_terminal_stays_one_line_and_says_on_which_of_several_backbones(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=True, color_system=None)
    view, line = LiveView(console), "stem .. features.13: freeze | features.16 .. features.18: tune | head: linear"
    view.start()
    for event in (
        MetricChosen("auroc"),
        BackboneLoaded("torchvision/mobilenet_v2", ("stem",)),
        BackboneLoaded("timm/resnet18", ("conv1",)),
        Ranked((RankedRow(line, "deeper-tuned", "torchvision/mobilenet_v2", 0.9, 5), RankedRow(line, "whole", "", 0.8, 5))),
        RecipeFinished(line, "new-layers+unfreeze", "timm/resnet18", 1.0, 0, 22.0),
        PhaseStarted("fit heads, repeat 2 of 3", 320, "trials"),
        Progressed("fit heads, repeat 2 of 3", 7),
    ):
        view.update(event)
    assert view._live is not None
    lines = [text.rstrip() for text in shown(view._live.renderable, width)]
    view.stop()
    assert len(lines) == 7, "blank, head, two rows, key, blank, phase"
    key = "A\N{NO-BREAK SPACE}resnet18   B\N{NO-BREAK SPACE}mobilenet_v2"
    assert [text for text in lines if text.startswith(" 1 new B ")] and key in lines
    assert "7/320 trials" in lines[-1] and lines[-1].startswith("fit heads")
    assert isinstance(console.file, io.StringIO)
    (finished,) = [text for text in console.file.getvalue().splitlines() if "(1.000)" in text]
    assert "(1.000)  A new-layers+unfreeze" in finished and finished.rstrip().endswith("22 s")


@pytest.mark.parametrize(("left", "own"), [(300.0, True), (50.0, False), (0.0, True)], ids=["shorter", "longer", "run out"])
def test_a_phases_own_estimate_is_shown_unless_the_whole_ends_before(left: float, own: bool) -> None:
    console = Console(file=io.StringIO(), width=120, height=40, force_terminal=True, color_system=None)
    seconds = iter([0.0] * 4 + [100.0] * 100)
    view = LiveView(console, clock=lambda: next(seconds))
    view.start()
    view.update(PhaseStarted("screening", 20, "trials"))
    view.update(Progressed("screening", 10))
    view.update(Remaining(left))
    assert view._live is not None
    (line,) = [text for text in shown(view._live.renderable, 120) if "screening" in text]
    view.stop()
    assert ("10/20 trials, 1 min" in line) == own


def test_a_backbone_keeps_its_letter_where_only_some_rows_are_shown() -> None:
    rows = examples.TWO.rows
    last = max(row.backbone for row in rows)
    few = [row for row in rows if row.backbone == last]
    text = "\n".join(shown(ranked_table(few, rows), 120))
    assert "B\N{NO-BREAK SPACE}" in text and "● B " in text


def test_the_ranking_says_who_moved() -> None:
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=True, color_system=None)
    view = LiveView(console)
    first, second, third = (
        RankedRow(f"stem: freeze | layer{n}: tune | head: linear", "whole", "b", 1 - n / 10, 5) for n in (1, 2, 3)
    )
    view.start()
    view.update(MetricChosen("auroc"))
    view.update(Ranked((second, third)))
    view.update(Ranked((first, third, second)))
    assert view._live is not None
    lines = [line for line in shown(view._live.renderable, 100) if "stem" in line]
    view.stop()
    assert [line.split()[:2] for line in lines] == [["1", "new"], ["2", "stem:"], ["3", "▼2"]]


@pytest.mark.parametrize("width", [80, 118])
def test_answers_and_findings_keep_to_the_width(width: int) -> None:
    lines = shown(answers_table(examples.VERDICT, examples.EVIDENCE), width)
    said = " ".join(" ".join(lines).split())
    assert all(question in said for question in QUESTIONS) and max(cell_len(line) for line in lines) <= width
    found = shown(findings_table(["a long finding " * 12, "b", "c", "d"], 3), width)
    assert max(cell_len(line) for line in found) <= width and not any(line.strip("! ") == "d" for line in found)


def test_the_foremost_rows_hold_the_choice_and_the_best_of_each_family() -> None:
    rows = foremost(examples.VERDICT.rows, 8)
    families = {row.family for row in examples.VERDICT.rows if row.score is not None}
    assert len(rows) == 8 and rows == tuple(row for row in ranked(examples.VERDICT.rows) if row in rows)
    assert any(row.status == "chosen" for row in rows)
    assert families <= {row.family for row in foremost(examples.VERDICT.rows, 99)}
