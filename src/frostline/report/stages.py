"""The final model stage by stage: where each comes from, what became of it, what it is worth. Values for one table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from frostline.report import answers
from frostline.report.numbers import big, signed_points
from frostline.terms.evidence import Evidence
from frostline.terms.verdict import Claim, Verdict

HEAD = "head"


@dataclass(frozen=True)
class StageLine:
    """One stage (or the head); every cell is text, empty where nothing is known.

    Attributes:
        fate: `transferred, frozen` and so on. moved, statistics: how far weights and normalisation statistics went.
        alike: CKA of its features before and after training.
        pretrained, random: change of the score with the stage put back to such weights.
        gain: what transferring the stage brought against starting it from random weights; `word` what is claimed of it.
    """

    name: str
    fate: str
    parameters: str
    moved: str = ""
    statistics: str = ""
    alike: str = ""
    pretrained: str = ""
    random: str = ""
    gain: str = ""
    word: str = ""


def stage_lines(verdict: Verdict, evidence: Evidence) -> tuple[StageLine, ...]:
    """A line for each stage of the chosen backbone that anything is known of, from the image on, then the head."""
    of_stages = [claim for claim in verdict.claims if claim.claim.startswith("stage-")]
    own = [claim for claim in of_stages if answers.backbone_of(claim.claim) in ("", verdict.chosen.backbone)]
    claims = {answers.stage_of(claim.claim): claim for claim in own}
    fates = {fate.name: fate for fate in evidence.fates}
    changes = {(item.stage, item.to): answers.rewind_words(item, evidence.metric) for item in evidence.rewinds}
    alike = {item.stage: item.cka for item in evidence.likeness}
    named = [*(name for name in fates if name != HEAD), *(item.stage for item in evidence.rewinds), *claims]
    lines = []
    for name in [*dict.fromkeys(named), *([HEAD] if HEAD in fates else [])]:
        fate, claim = fates.get(name), claims.get(name)
        lines.append(
            StageLine(
                name=name,
                fate="" if fate is None else f"{fate.origin}, {'trained' if fate.trained else 'frozen'}",
                parameters="" if fate is None else big(fate.parameters),
                moved="" if fate is None or name == HEAD else _share(fate.moved, fate.trained),
                statistics="" if fate is None or name == HEAD else _share(fate.statistics_moved, fate.trained),
                alike=_cka(alike.get(name)),
                pretrained=changes.get((name, "pretrained"), ""),
                random=changes.get((name, "random"), ""),
                gain="" if claim is None else _gain(claim, verdict.metric),
                word="" if claim is None else claim.verdict.value,
            )
        )
    return tuple(lines)


def _cka(value: float | None) -> str:
    """Nothing where it is not defined: of features that do not vary."""
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _share(value: float | None, trained: bool) -> str:
    if value is None:
        return ""
    return answers.moved(value) if trained else "0"


def _gain(claim: Claim, metric: str) -> str:
    if claim.comparison is None:
        return ""
    gap = claim.comparison.difference
    ends = f"{signed_points(gap.low, metric)} to {signed_points(gap.high, metric)}"
    return f"{signed_points(gap.value, metric)} ({ends})"
