"""Thorough: other seeds, what more rows would bring, plain tuning beside it, and the time told."""

from __future__ import annotations

import json

import pytest

import fewtune
from fewtune.report import html
from fewtune.report.tables import summary


@pytest.fixture(scope="module")
def run(data_folder, encoder, tmp_path_factory):
    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        effort="thorough",
        settings={
            "method.name": "full",
            "training.updates": 8,
            "training.evaluations": 2,
            "training.learning_rate": 0.003,
            "select.rungs": [],
            "select.rates": [],
            "select.folds": 3,
            "select.dial": [1.0],
        },
        output=tmp_path_factory.mktemp("thorough") / "run",
    )


def scores(run):
    return json.loads((run.path / "scores.json").read_text(encoding="utf-8"))


def events(run, kind):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def test_three_seeds_are_trained_and_the_plans_own_is_kept(run):
    found = scores(run)["seeds"]
    assert run.chosen["updates"], "nothing was tuned, so nothing differs by seed"
    assert found["seeds"] == [0, 1, 2]
    assert found["values"][0] == run.scores["accuracy"].value
    mean = sum(found["values"]) / 3
    apart = sum((value - mean) ** 2 for value in found["values"]) / 2
    assert found["deviation"] == pytest.approx(apart**0.5)
    assert [event["values"]["seed"] for event in events(run, "seed")] == [1, 2]
    losses = {
        seed: [e["values"]["loss"] for e in events(run, "step") if e["stage"] == f"full+seed{seed}"]
        for seed in (1, 2)
    }
    assert losses[1] != losses[2], "other seeds draw other rows"


def test_the_value_curve_never_looks_at_test_rows(run):
    curve = scores(run)["value_curve"]
    # 60 known rows in three folds: forty may train while one is held.
    assert [point["rows"] for point in curve["points"]] == [10, 20, 30, 40]
    assert curve["more"] == 60
    assert curve["sentence"].startswith(("60 more rows: about", "What 60 more rows would bring"))
    stages = {event["stage"] for event in events(run, "step")}
    assert {"full+10rows", "full+20rows", "full+30rows", "full+40rows"} <= stages


def test_plain_fine_tuning_is_scored_on_the_same_rows(run):
    assert run.controls["vanilla"]["accuracy"].n == run.scores["accuracy"].n
    steps = [event for event in events(run, "step") if event["stage"] == "vanilla"]
    # Three epochs of 60 rows in updates of 16.
    assert len(steps) == 12
    assert steps[-1]["values"]["rate"] < steps[0]["values"]["rate"] == 0.003


def test_the_time_was_told_before_and_is_kept_beside_what_it_took(run):
    told = next(e for e in events(run, "stage") if e["values"]["name"] == "time")
    first = next(e for e in events(run, "stage") if e["values"]["name"] == "controls")
    assert told["seconds"] <= first["seconds"]
    kept = scores(run)["time"]
    assert kept["told_seconds"] == told["values"]["told_seconds"] > 0
    assert kept["ratio"] == pytest.approx(kept["told_seconds"] / kept["took_seconds"], rel=0.01)
    assert kept["dropped"] == []


def test_all_of_it_is_shown(run):
    import io

    from rich.console import Console

    found = scores(run)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(run.path))
    screen = console.export_text()
    page = html.write(run.path).read_text(encoding="utf-8")
    for sentence in (found["seeds"]["sentence"], found["value_curve"]["sentence"]):
        assert sentence in screen
        assert sentence in page
    assert "were foreseen" in screen
    assert "plain fine-tuning" in screen
