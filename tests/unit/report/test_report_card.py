from __future__ import annotations

import json
import re

import pytest
import run_folders
import yaml

from fewtune.errors import RunError
from fewtune.report import card


def parts_of(run):
    path = card.write(run)
    assert path == run / "README.md"
    empty, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def test_front_matter_is_what_the_hub_reads(classification):
    front, _ = parts_of(classification)
    assert front["license"] == "unknown"
    assert front["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert front["pipeline_tag"] == "text-classification"
    assert front["tags"] == ["fewtune", "text-classification", "lora"]
    (model,) = front["model-index"]
    assert model["name"] == "front_desk"
    metrics = {m["type"]: m["value"] for m in model["results"][0]["metrics"]}
    assert metrics["accuracy"] == 0.86875 and metrics["macro_f1"] == 0.8661


def test_scores_stand_beside_their_controls_with_intervals(classification):
    _, body = parts_of(classification)
    assert "## Verdict: ship" in body
    assert "| Tuned model | 86.9% | 81.6–92.2% | 160 |" in body
    assert "| Always the most frequent class | 12.5% | 7.5–17.5% | 160 |" in body
    assert "| Frozen base + logistic regression | +5.6 | +1.3 to +10.0 | 160 | better |" in body
    assert "| Calibration error (ECE) (lower is better) | 5.2% | 4.1% | 2.3–5.9% | 160 |" in body
    assert "Not measured: forgetting, memorization, robustness." in body
    assert "400 rows: 320 train, 80 validation, 160 test.\nTest rows come from intents" in body
    assert "fewtune predict . --text" in body


def test_limits_name_the_classes_that_are_surely_weaker(classification):
    _, body = parts_of(classification)
    rows = [json.loads(r) for r in (classification / "predictions.jsonl").read_text().splitlines()]
    found = sum(r["correct"] for r in rows if r["target"] == "cancel")
    assert f"- cancel is found less often than the rest: {5 * found}.0% (" in body
    assert "- opening\\_hours is found less often" not in body


def test_generation_card(generation):
    front, body = parts_of(generation)
    assert front["pipeline_tag"] == "text-generation" and front["base_model"] == "stories260K"
    assert "## Verdict: hold" in body
    assert "fewtune advises against using it" in body
    assert "| Base model, not tuned | 812.00 | 717.00–907.00 | 48 |" in body
    assert "targets (chrF) (higher is better) | 11.0% | 42.0% | 37.0–47.0% | 8 |" in body


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("/home/ada/models/stories260K/", "stories260K"),
        ("../models/tiny", "tiny"),
        ("C:\\models\\tiny", "tiny"),
        ("a/b/c/tiny", "tiny"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("builtin", "builtin"),
    ],
)
def test_a_path_does_not_name_the_machine(classification, model, shown):
    (classification / "plan.yaml").write_text(yaml.safe_dump({"model": model}))
    assert parts_of(classification)[0]["base_model"] == shown


def test_a_users_words_break_neither_table_nor_front_matter(classification):
    evil = "a|b\n---\n<script> [x](http://x) *y*"
    scores = json.loads((classification / "scores.json").read_text())
    scores["verdict"] = {"decision": "hold", "reasons": [evil], "cures": [evil]}
    scores["controls"][evil] = scores["controls"]["tfidf"]
    run_folders.write_json(classification / "scores.json", scores)
    data = json.loads((classification / "data.json").read_text())
    run_folders.write_json(classification / "data.json", {**data, "name": evil})
    front, body = parts_of(classification)
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == " ".join(evil.split())
    assert "<script>" not in body
    assert re.findall(r"(?<!\\)\]\(http", body) == []
    rows = [line for line in body.splitlines() if line.startswith("| A\\|b")]
    assert len(rows) == 3  # accuracy, macro-F1, calibration error
    assert all(row.replace("\\|", "").count("|") == 5 for row in rows)


def test_a_killed_run_has_a_card_that_says_so(killed):
    front, body = parts_of(killed)
    assert "model-index" not in front
    assert "## Verdict: none, the run is unfinished" in body
    assert "nothing here says that the model is good" in body


def test_not_a_run(tmp_path):
    with pytest.raises(RunError, match="without them"):
        card.write(tmp_path)
