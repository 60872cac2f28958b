"""The model card, in the form of Hugging Face's hub, and what is known only once the verdict is final: score and thresholds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from frostline.backbones.description import DESCRIPTION
from frostline.export.bundle import CARD, TIMM_CONFIG
from frostline.store.files import write_text
from frostline.terms.detail import OperatingPoint
from frostline.terms.interval import Interval
from frostline.terms.quantities import plural
from frostline.terms.verdict import Verdict

LIMITS = (
    "It knows no other classes than these, and answers whatever image it is given.",
    "Its score holds for images that come about as those it was fitted on did; another device, place or time needs a new test.",
    "Probabilities are those of the training images' mix of classes, unless the metric weighs classes alike.",
    "It is not a medical device.",
)
HEADERS = {"auroc": "roc_auc", "balanced-accuracy": "balanced_accuracy", "accuracy": "accuracy", "log-loss": "log_loss"}


def write_card(folder: Path, verdict: Verdict, sentences: Sequence[str], data: Sequence[str]) -> None:
    """The model card beside a model that `bundle.save` wrote, with the score as it was reported.

    Args:
        sentences: the verdict in plain words; data: what is known of the images, a sentence each.
    """
    description = json.loads((folder / DESCRIPTION).read_text())
    score = verdict.score
    description["score"] = {"metric": score.metric, **_plain(score.interval), "how": score.how, "images": score.images}
    description["operating_points"] = operating_points(verdict)
    write_text(folder / DESCRIPTION, json.dumps(description, indent=2))
    write_text(folder / CARD, _card(description, verdict, sentences, data, (folder / TIMM_CONFIG).exists()))


def has_card(folder: Path) -> bool:
    """Whether `write_card` has been here."""
    return (folder / CARD).exists()


def operating_points(verdict: Verdict) -> list[dict[str, Any]]:
    """For two classes: where to cut the positive class's probability, by each rule, and what was reached there.

    The median where each fold has its own.
    """
    detail = verdict.detail
    if detail is None or not detail.models:
        return []
    points = [point for point in detail.models[0].operating if point.thresholds]
    return [{"positive": detail.positive, **_threshold(point)} for point in points]


def _threshold(point: OperatingPoint) -> dict[str, Any]:
    reached = {"sensitivity": point.sensitivity, "specificity": point.specificity}
    return {
        "rule": point.rule,
        "target": point.target,
        "threshold": median(point.thresholds),
        **{name: None if found is None else _plain(found) for name, found in reached.items()},
    }


def _plain(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}


def _card(description: dict[str, Any], verdict: Verdict, sentences: Sequence[str], data: Sequence[str], timm: bool) -> str:
    score, name = verdict.score, f"{description['backbone']}: {description['recipe']}"
    lines = [
        "---",
        yaml.safe_dump(_metadata(description, verdict, timm), sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        f"# {name}",
        "",
        *_paragraphs(sentences),
        "## Score",
        "",
        f"- {score.metric}: {score.interval.value:.4f} (95 % interval {score.interval.low:.4f} to {score.interval.high:.4f}),"
        f" {score.how}, {score.images:,} images",
        *(f"- {line}" for line in _threshold_lines(description["operating_points"])),
        "",
        "## Data",
        "",
        *(f"- {line}" for line in data),
        f"- {_classes(description)}",
        "",
        "## What is in it",
        "",
        f"{description['parameters']:,} parameters. Source weights: `{description['source_digest']}`.",
        "",
        *_layer_table(description["layers"]),
        "",
        "## Limits",
        "",
        *(f"- {line}" for line in LIMITS),
        "",
        "## Use",
        "",
        "```python",
        "import frostline as fl",
        "",
        'model = fl.load("model/")',
        "```",
        *(_TIMM if timm else ()),
    ]
    return "\n".join(lines) + "\n"


_TIMM = (
    "",
    "or without frostline (images prepared as `config.json` says):",
    "",
    "```python",
    "import timm",
    "",
    'model = timm.create_model("local-dir:model/", pretrained=True)',
    "```",
)


def _metadata(description: dict[str, Any], verdict: Verdict, timm: bool) -> dict[str, Any]:
    score = verdict.score
    metric = {"type": HEADERS.get(score.metric, score.metric), "name": score.metric, "value": round(score.interval.value, 4)}
    interval = f"95 % interval {score.interval.low:.4f} to {score.interval.high:.4f}, {score.how}"
    result = {
        "task": {"type": "image-classification", "name": "Image Classification"},
        "dataset": {"type": "image-folder", "name": f"own images, fingerprint {description['data_fingerprint']}"},
        "metrics": [{**metric, "args": interval}],
    }
    return {
        "library_name": "timm" if timm else "frostline",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "frostline", "transfer-learning", verdict.chosen.family],
        "metrics": [metric["type"]],
        "model-index": [{"name": description["backbone"], "results": [result]}],
    }


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in (sentence, "")]


def _threshold_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for one in found:
        rule = "Youden's threshold" if one["target"] is None else f"specificity {one['target']:g} aimed at"
        reached = [f"{name} {one[name]['value']:.3f}" for name in ("sensitivity", "specificity") if one[name] is not None]
        lines.append(f"{rule}: P({one['positive']}) ≥ {one['threshold']:.3f}; {', '.join(reached)}")
    return lines


def _classes(description: dict[str, Any]) -> str:
    names, thresholds = description["classes"], description["thresholds"]
    if not thresholds:
        return f"classes: {', '.join(names)}"
    named = ", ".join(f"{name} ({threshold:.3g})" for name, threshold in zip(names, thresholds, strict=True))
    return f"labels, any number of them an image (said at or above this probability, fixed by cross-validation): {named}"


def _layer_table(layers: Sequence[dict[str, Any]]) -> list[str]:
    """A row a stage: `model.json` has a row a layer."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        rows.setdefault(layer["stage"], []).append(layer)
    table = ["| stage | layers | parameters | came from | training |", "|---|---|---|---|---|"]
    for stage, members in rows.items():
        first, total = members[0], sum(layer["parameters"] for layer in members)
        seed = "" if first["seed"] is None else f", seed {first['seed']}"
        trained = sum(layer["trained"] for layer in members)
        what = "frozen" if not trained else "trained" if trained == len(members) else f"{plural(trained, 'layer')} trained"
        table.append(f"| {stage} | {len(members)} | {total:,} | {first['origin']}{seed} | {what} |")
    return table
