"""What a fit leaves behind is whole, agrees with itself, and serves the model that was scored."""

from __future__ import annotations

import csv
import json
import math

import pytest
import yaml

from fewtune.measures.chrf import chrf

FILES = {
    "plan.yaml",
    "inputs.json",
    "environment.json",
    "data.json",
    "journal.jsonl",
    "scores.json",
    "predictions.jsonl",
    "report.html",
    "README.md",
    "model",
}


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(params=["probed", "adapted", "generated"])
def run(request):
    return request.getfixturevalue(request.param)


def test_every_file_is_there_and_nothing_else(run):
    assert {path.name for path in run.path.iterdir()} == FILES
    left = [p.name for p in run.path.rglob("*") if p.suffix in {".tmp", ".bin", ".pt", ".pkl"}]
    assert left == []


def test_the_parts_are_disjoint_and_hold_every_row(run):
    data = json.loads((run.path / "data.json").read_text())
    parts = data["parts"]
    assert all(parts[name] for name in ("train", "validation", "test"))
    every = [source for part in parts.values() for source in part]
    assert len(every) == len(set(every))
    own = [source for source in every if source.startswith(data["name"])]
    assert len(own) == data["rows"]
    predicted = [record["source"] for record in lines(run.path / "predictions.jsonl")]
    assert predicted == parts["test"]


def test_the_score_is_that_of_the_predictions(run):
    records = lines(run.path / "predictions.jsonl")
    if "accuracy" in run.scores:
        right = [record["output"] == record["target"] for record in records]
        assert [record["correct"] for record in records] == right
        assert run.scores["accuracy"].value == pytest.approx(sum(right) / len(right))
    else:
        for record in records:
            assert record["bytes"] == len(record["target"].encode())
        per_byte = sum(r["loss"] for r in records) / sum(r["bytes"] for r in records)
        assert run.scores["loss_per_byte"].value == pytest.approx(per_byte, abs=1e-4)
        base = sum(r["base_loss"] for r in records) / sum(r["bytes"] for r in records)
        assert run.controls["base"]["loss_per_byte"].value == pytest.approx(base, abs=1e-4)
        ended = [record["ended"] for record in records if "ended" in record]
        assert len(ended) == 4
        assert run.scores["ends_by_itself"].value == sum(ended) / 4
        alike = [chrf(r["output"], r["target"]) for r in records if "ended" in r]
        assert run.scores["chrf"].value == pytest.approx(sum(alike) / 4)
        assert run.scores["chrf_gain"].n == 4
    for score in run.scores.values():
        assert score.low <= score.value <= score.high


def test_the_journal_tells_every_update_once(run):
    journal = lines(run.path / "journal.jsonl")
    stages = dict.fromkeys(event["stage"] for event in journal if event["kind"] == "step")
    for stage in stages:
        steps = [e["update"] for e in journal if e["kind"] == "step" and e["stage"] == stage]
        assert steps == list(range(1, len(steps) + 1))
    assert all(math.isfinite(e["values"]["loss"]) for e in journal if e["kind"] == "step")
    evaluations = [event["update"] for event in journal if event["kind"] == "evaluation"]
    assert evaluations[0] == 0
    assert len([e for e in journal if e["kind"] == "choice"]) == 1
    seconds = [event["seconds"] for event in journal]
    assert seconds == sorted(seconds)


def test_the_plan_is_kept_with_a_reason_for_what_was_set(run):
    plan = yaml.safe_load((run.path / "plan.yaml").read_text())
    assert plan["training"]["updates"] == 12
    assert plan["reasons"]["training.updates"] == "set by the user"
    compared = plan["method"]["name"] == "contrastive"
    said = "rows are compared" if compared else "small batches"
    assert plan["reasons"]["training.batch_size"].startswith(said)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["seed"] == plan["seed"] == 0
    assert environment["versions"]["torch"]


def test_what_was_chosen_is_what_was_kept(run):
    facts = json.loads((run.path / "model" / "fewtune.json").read_text())
    assert facts["method"] == run.chosen["method"]
    assert facts["alpha"] == run.chosen["alpha"]
    kept = {path.name for path in (run.path / "model").iterdir()}
    expected = {
        "head": {"head.safetensors"},
        "lora": {"head.safetensors", "adapter_model.safetensors", "adapter_config.json"},
        "full": {"model.safetensors", "config.json"},
        "contrastive": {"model.safetensors", "config.json", "head.safetensors"},
    }
    assert expected[run.chosen["method"]] <= kept
    assert {"tokenizer.json", "tokenizer_config.json"} <= kept


def test_a_better_score_than_every_control_is_what_ships(run):
    """The verdict, recomputed from the paired differences that the folder holds."""
    found = json.loads((run.path / "scores.json").read_text())
    paired, scores = found["paired"], found["scores"]
    clear = [d["low"] > 0 if d["direction"] == "higher" else d["high"] < 0 for d in paired.values()]
    bounds = {"forgetting": 0.02, "general_loss": 0.05, "memorization": 0.0}
    kept = [scores[name]["low"] <= bound for name, bound in bounds.items() if name in scores]
    kept += [scores["forgetting_net"]["low"] <= 0.02] if "forgetting_net" in scores else []
    kept += [scores["chrf_gain"]["high"] >= 0] if "chrf_gain" in scores else []
    assert run.verdict.decision == ("ship" if all(clear) and all(kept) else "hold")
    # Both views of the probes are one reason.
    assert len(run.verdict.reasons) == len(paired) + len(kept) - ("forgetting_net" in scores)


def test_the_served_model_is_the_scored_one(run):
    """Weights, dial, template and tokenizer survive the way through the folder."""
    import fewtune

    records = lines(run.path / "predictions.jsonl")
    again = fewtune.open(run.path)
    if "accuracy" in run.scores:
        answers = again.predict([record["input"] for record in records])
        assert [a["label"] for a in answers] == [r["output"] for r in records]
        assert [a["probability"] for a in answers] == pytest.approx(
            [r["probability"] for r in records], abs=1e-3
        )
    else:
        some = [record for record in records if "ended" in record]
        answers = again.predict([record["input"] for record in some])
        assert [a["text"] for a in answers] == [r["output"] for r in some]
        assert [a["ended"] for a in answers] == [r["ended"] for r in some]


def test_a_lone_candidate_is_the_one_chosen(adapted, generated):
    assert adapted.chosen["method"] == "lora"
    assert generated.chosen["method"] == "full"


def test_training_a_language_model_helps_here(generated):
    """200 letters of one pattern are learned by any model that trains at all."""
    assert generated.verdict.decision == "ship"
    gained = generated.controls["base"]["loss_per_byte"].value
    gained -= generated.scores["loss_per_byte"].value
    assert gained > 0.1


def test_labels_that_are_numbers_are_names(tmp_path, encoder, data_folder, fewtune):
    with (data_folder / "labelled.csv").open(newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    numbers = {"booking": "0", "billing": "1", "results": "2"}
    import made_data

    data = made_data.write_labelled(tmp_path / "n.csv", [(t, numbers[label]) for t, label in rows])
    done = fewtune(
        "fit", data, "--model", encoder, "-o", tmp_path / "run", "--json", "--set",
        "select.rungs=[]", "--set", "method.name=head",
    )  # fmt: skip
    assert done.code in (0, 1), done.err
    assert json.loads((tmp_path / "run" / "data.json").read_text())["labels"] == ["0", "1", "2"]
    said = fewtune("predict", tmp_path / "run", "--text", "invoice and payment please")
    assert said.out.split("\t")[0] in {"0", "1", "2"}


def test_more_test_rows_than_neighbours_are_looked_at(encoder, data_folder, tmp_path, monkeypatch):
    """More than eight test rows, of which eight are looked at: the score says eight."""
    import fewtune
    from fewtune.verbs import observe

    monkeypatch.setattr(observe, "COMPARED", 8)
    run = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={
            "method.name": "contrastive",
            "select.rungs": [],
            "training.updates": 4,
            "training.evaluations": 1,
        },
        output=tmp_path / "run",
    )
    there = len((run.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines())
    assert there > 8
    assert run.scores["neighbourhood_overlap"].n == 8
