"""In which order settings are screened: time may run out at any of them."""

from __future__ import annotations

from frostline.session.screening import first_entries
from frostline.strategy.families import panel
from frostline.terms.recipe import Family

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


def test_what_the_claims_need_is_screened_first_on_one_backbone_then_one_line_of_each_family() -> None:
    deep = [line for name in ("a", "b") for line in panel(name, STAGES, STAGES) if line.deep]
    lines = list(dict.fromkeys(line for line, _ in first_entries(deep)))
    assert sorted(map(str, lines)) == sorted(map(str, deep)), "nothing is lost"
    wanted = [(family, "a") for family in (Family.DEEPER_TUNED, Family.SCRATCH, Family.WHOLE)]
    assert [(line.family, line.backbone) for line in lines[:3]] == wanted
    families = {(line.backbone, line.family) for line in deep}
    assert {(line.backbone, line.family) for line in lines[: len(families)]} == families
