"""The card beside a model."""

import json

import yaml

from frostline.export.bundle import CARD, DESCRIPTION


def test_the_card_is_in_hugging_faces_form_and_holds_score_data_layers_and_limits(run) -> None:
    text = (run.path / "model" / CARD).read_text()
    _, header, body = text.split("---\n", 2)
    metadata, score = yaml.safe_load(header), run.verdict.score
    assert metadata["pipeline_tag"] == "image-classification" and metadata["library_name"] == "frostline"
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == round(score.interval.value, 4)
    assert f"{score.interval.low:.4f} to {score.interval.high:.4f}" in body
    assert "48 images: across 24, along 24" in body
    assert "| stem |" in body and "frozen" in body and "## Limits" in body


def test_score_and_thresholds_are_in_the_description(run) -> None:
    description = json.loads((run.path / "model" / DESCRIPTION).read_text())
    assert description["score"]["value"] == run.verdict.score.interval.value
    rules = {one["rule"]: one for one in description["operating_points"]}
    assert rules["youden"]["positive"] == "along" and 0 <= rules["youden"]["threshold"] <= 1
