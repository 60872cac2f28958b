"""The answers to the four questions, in sentences made from this run's own values."""

from __future__ import annotations

from collections.abc import Iterable

from frostline.report.numbers import listed, metric_name, points, score, signed_points
from frostline.report.words import budget_caveat, pretraining_sentence, recipe_words, side_name, tied_kinds
from frostline.terms.evidence import ANB, ANB_TUNED, BNB, Evidence, Fate, Probe, Rewind
from frostline.terms.quantities import plural
from frostline.terms.verdict import Claim, Verdict, Word

QUESTIONS = (
    "Does it help, though the images differ?",
    "Which layers carry over?",
    "What is random and what is not?",
    "Which recipe?",
)


def short_answers(verdict: Verdict, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """(question, the answer in a line): what the page says first under each of the four."""
    said = (help_answer(verdict), layers_answer(verdict, evidence), random_answer(evidence), recipe_answer(verdict))
    return tuple((question, answer[0]) for question, answer in zip(QUESTIONS, said, strict=True))


def help_answer(verdict: Verdict) -> list[str]:
    """1. Does it help, though the images differ? The answer in a line, then what it rests on."""
    claim = next((item for item in verdict.claims if item.claim == "pretraining-helps"), None)
    if claim is None or claim.comparison is None:
        said = [pretraining_sentence(verdict)]
    else:
        said = [_short_answer(claim, verdict), pretraining_sentence(verdict)]
        units = plural(claim.comparison.units, claim.comparison.unit)
        said.append(
            f"Both sides were scored on the same {units}; the control is the best of all that use no pre-trained features, "
            "and choosing it is part of what the interval covers."
        )
    said.append("Nothing here rests on how alike the two kinds of images look: it is measured on yours.")
    return said


SHORT_ANSWERS = {
    Word.HELPS: "Yes, on these images",
    Word.NO_DIFFERENCE: "It makes no practical difference on these images",
    Word.HARMS: "No: on these images it does worse",
    Word.UNDETERMINED: "These images do not decide it",
}


def _short_answer(claim: Claim, verdict: Verdict) -> str:
    """`Yes, on these images: 1.7 points of AUROC above raw pixels.`"""
    assert claim.comparison is not None
    gap = claim.comparison.difference.value
    side = "above" if gap >= 0 else "below"
    size = f"{points(gap, verdict.metric)} of {metric_name(verdict.metric)}"
    budget = " at this budget" if budget_caveat(claim) and claim.verdict is not Word.UNDETERMINED else ""
    return (
        f"{SHORT_ANSWERS[claim.verdict]}{budget}: {size} {side} {side_name(claim.comparison.second)}, corrected for the choice."
    )


def layers_answer(verdict: Verdict, evidence: Evidence) -> list[str]:
    """2. Which layers carry over?"""
    names = dict.fromkeys(probe.backbone for probe in evidence.probes)
    said = [_probe_words(name, evidence, several=len(names) > 1) for name in names]
    if evidence.pixels is not None and evidence.probes:
        said.append(f"Raw pixels, without any network, reach {score(evidence.pixels.value, evidence.metric)}.")
    if not said:
        said.append("No probe was run, so this run cannot say which layers carry over.")
    return said + _stage_words(verdict)


def _probe_words(backbone: str, evidence: Evidence, several: bool) -> str:
    """Where a linear head reads best, and whether the last cut is clearly worse."""
    known = {weights: by_depth(evidence.probes, backbone, weights) for weights in ("pretrained", "random")}
    where = f" of {backbone}" if several else ""
    if not known["pretrained"]:
        return f"The pre-trained features{where} were not probed."
    best = max(known["pretrained"], key=lambda probe: probe.score.value)
    last = known["pretrained"][-1]
    text = (
        f"A linear head on the pre-trained features{where} does best at {best.cut} ({score(best.score.value, evidence.metric)})"
    )
    text += _last_words(best, last, evidence.metric)
    if known["random"]:
        other = max(known["random"], key=lambda probe: probe.score.value)
        text += f"; the same network with random weights does best at {other.cut} ({score(other.score.value, evidence.metric)})"
    return f"{text}."


def _last_words(best: Probe, last: Probe, metric: str) -> str:
    if best is last:
        return ", the very last cut"
    value = score(last.score.value, metric)
    if best.score.low == best.score.high:
        return f"; at the last cut, {last.cut}, it is {value} (on one fold)"
    if last.score.high < best.score.low:
        return f" and is worse again at the last cut, {last.cut} ({value}, the intervals do not overlap)"
    return f"; at the last cut, {last.cut}, it is {value}, and the intervals overlap"


def by_depth(probes: Iterable[Probe], backbone: str, weights: str) -> list[Probe]:
    """The probes of one line, from the input on."""
    return sorted((p for p in probes if p.backbone == backbone and p.weights == weights), key=lambda probe: probe.depth)


def _stage_words(verdict: Verdict) -> list[str]:
    """The stage claims, gathered by what they say; a sentence for each backbone where there are several."""
    words = {
        Word.HELPS: "Worth transferring: {}.",
        Word.NO_DIFFERENCE: "Transferring makes no practical difference for {}.",
        Word.HARMS: "Transferring harms for {}.",
        Word.UNDETERMINED: "Undetermined: {}.",
    }
    claims = [claim for claim in verdict.claims if claim.claim.startswith("stage-")]
    said = []
    for backbone in dict.fromkeys(backbone_of(claim.claim) for claim in claims):
        own = [claim for claim in claims if backbone_of(claim.claim) == backbone]
        found = {word: [stage_of(claim.claim) for claim in own if claim.verdict is word] for word in words}
        parts = [
            words[word].format("every stage" if len(names) == len(own) > 1 else listed(names))
            for word, names in found.items()
            if names
        ]
        said.append(f"Stage by stage{f', {backbone}' if backbone else ''}: {' '.join(parts)}")
    return said


def stage_of(claim: str) -> str:
    """`layer2` for `stage-layer2-worth-transferring`, and for `stage-timm/resnet18:layer2-worth-transferring`."""
    return _named_stage(claim).rpartition(":")[2]


def backbone_of(claim: str) -> str:
    """`timm/resnet18` for `stage-timm/resnet18:layer2-worth-transferring`; empty where a run has one backbone."""
    return _named_stage(claim).rpartition(":")[0]


def _named_stage(claim: str) -> str:
    return claim.removeprefix("stage-").removesuffix("-worth-transferring")


def depth_answer(evidence: Evidence) -> list[str]:
    """What is specific and what is co-adapted, from the deepest graft that all three kinds have (Yosinski 2014)."""
    found = {(point.kind, point.stage): point.change.value for point in evidence.depth}
    stages = [point.stage for point in evidence.depth if point.kind == BNB and (ANB, point.stage) in found]
    if not stages:
        return []
    last = stages[-1]
    together, specific = found[BNB, last], found[ANB, last] - found[BNB, last]
    said = [
        f"With everything up to {last} taken over and frozen: {signed_points(together, evidence.metric)} points for the network's"
        " own stages, trained apart from what follows (co-adaptation, BnB against the base), and a further"
        f" {signed_points(specific, evidence.metric)} for the source's instead (specificity, AnB against BnB)."
    ]
    if (ANB_TUNED, last) in found:
        gain = signed_points(found[ANB_TUNED, last], evidence.metric)
        said.append(f"Taken over and tuned, they bring {gain} points against training from scratch (AnB+ against the base).")
    return said


def random_answer(evidence: Evidence) -> list[str]:
    """3. What is random and what is not?"""
    fates = evidence.fates
    total = sum(fate.parameters for fate in fates)
    if not fates or total == 0:
        return ["No model was exported yet, so there is nothing to say about its weights."]
    fresh = sum(fate.parameters for fate in fates if fate.origin == "random")
    said = [f"{_share(fresh, total)} of this model's {plural(total, 'parameter')} started from random numbers; {_rest(fresh)}"]
    groups = {
        "Transferred and left exactly as they were: {}.": [f for f in fates if f.origin != "random" and not f.trained],
        "Transferred, then trained on your images: {}.": [f for f in fates if f.origin != "random" and f.trained],
        "Random at the start, then trained: {}.": [f for f in fates if f.origin == "random" and f.trained],
        "Random and never trained: {}.": [f for f in fates if f.origin == "random" and not f.trained],
    }
    return said + [text.format(listed([_fate_words(fate) for fate in group])) for text, group in groups.items() if group]


def _rest(fresh: int) -> str:
    return "the rest was learned before, on other images." if fresh else "all of them were learned before, on other images."


def _share(part: int, total: int) -> str:
    share = 100 * part / total
    return "None" if part == 0 else "All" if part == total else "Under 0.1 %" if share < 0.1 else f"{share:.1f} %"


def _fate_words(fate: Fate) -> str:
    name = "the head" if fate.name == "head" else fate.name
    return f"{name} (moved {moved(fate.moved)})" if fate.trained and fate.moved is not None else name


def moved(value: float | None) -> str:
    """`8.3 %` of its own length; `-` where there was nothing before."""
    return "-" if value is None else f"{100 * value:.1f} %"


def rewind_words(rewind: Rewind, metric: str) -> str:
    """`-5.0 (-7.0 to -3.0)`: what putting one stage back did to the score."""
    change = rewind.change
    ends = f"{signed_points(change.low, metric)} to {signed_points(change.high, metric)}"
    return f"{signed_points(change.value, metric)} ({ends})"


def recipe_answer(verdict: Verdict) -> list[str]:
    """4. Which recipe?"""
    within, chosen = points(verdict.delta, verdict.metric), verdict.chosen
    said = [
        f"{_capital(recipe_words(chosen.recipe, chosen.family))}: the family '{chosen.family}'.",
        f"The rule: among the recipes whose mean is at most {within} below the best, take the simplest, and where a control "
        "leads by more the best recipe; simple goes by family, from softmax only to the whole network, then by trained "
        "parameters.",
    ]
    recipes, controls = tied_kinds(verdict)
    if recipes:
        said.append(
            f"{plural(len(recipes), 'recipe')} cannot be told apart from it on this evidence (open dots); "
            "any of them would be a defensible choice."
        )
    if controls:
        uses = "uses" if len(controls) == 1 else "use"
        said.append(f"Nor can {plural(len(controls), 'control')}, which {uses} no pre-trained features.")
    if verdict.smallest_detectable_difference is not None:
        smallest = points(verdict.smallest_detectable_difference, verdict.metric)
        said.append(f"With these images a difference of about {smallest} or more would be found; smaller ones may stay hidden.")
    return said


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
