"""The cross-fit: every known row once, by a model that never saw it; one place for all folds."""

from __future__ import annotations

import csv
import json

import pytest
from outcomes import classified

import fewtune
from fewtune.report.folder import read
from fewtune.report.training import trainings
from fewtune.select.crossfit import _best_place, _Fold
from fewtune.select.material import Material
from fewtune.tasks.outcomes import joined


def kept(run):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


VARIED = 12


@pytest.fixture(scope="module")
def run(data_folder, encoder, tmp_path_factory):
    """Sixty rows and variations of twelve of them, which a file written by ``augment`` names."""
    data = tmp_path_factory.mktemp("varied") / "labelled.csv"
    with (data_folder / "labelled.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    for line, row in enumerate(rows[:VARIED], 2):
        rows.append({**row, "text": f"{row['text']} please", "parent": f"labelled.csv:{line}"})
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "parent"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return fewtune.fit(
        data,
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={
            "method.name": "full",
            "training.updates": 6,
            "training.evaluations": 3,
            "training.learning_rate": 0.001,
            "select.folds": 3,
            "select.dial": [0.5, 1.0],
        },
        output=tmp_path_factory.mktemp("crossfit") / "run",
    )


def test_each_fold_is_trained_without_its_rows_and_all_count(run):
    folds = {e["stage"] for e in kept(run) if e["stage"].startswith("full#")}
    assert folds == {"full#1", "full#2", "full#3"}
    choice = next(e["values"] for e in kept(run) if e["kind"] == "choice")
    # All 60 rows of the data file, since the test rows have a file of their own; no variation.
    assert {a["name"]: a["n"] for a in choice["alternatives"]} == {"head": 60, "full": 60}
    curve = [e["update"] for e in kept(run) if e["kind"] == "crossfit"]
    assert curve == [0, 2, 4, 6]


def test_every_fold_says_what_it_does_and_the_report_has_one_curve(run):
    said = [e["values"] for e in kept(run) if e["kind"] == "stage" and "#" in e["values"]["name"]]
    assert [s["name"] for s in said] == ["full#1", "full#2", "full#3"]
    for number, one in enumerate(said, 1):
        assert one["sentence"].startswith(f"full, fold {number} of 3: training without 20 rows")
        assert one["updates"] == 6
    (together,) = [t for t in trainings(read(run.path)) if t.folds]
    assert (together.stage, together.folds, together.updates) == ("full", 3, 18)
    assert [update for update, _ in together.headline] == [0, 2, 4, 6]
    assert [update for update, _ in together.loss] == [1, 2, 3, 4, 5, 6]
    losses = [e["values"]["loss"] for e in kept(run) if e["kind"] == "step" and "#" in e["stage"]]
    assert together.loss[0][1] == pytest.approx(sum(losses[::6]) / 3)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Cross-fit over 3 folds" in page
    assert "full#1" not in page


def test_the_kept_model_is_trained_on_all_rows(run):
    stages = [e["values"] for e in kept(run) if e["kind"] == "stage"]
    again = [s for s in stages if s["name"].endswith("+all")]
    if run.chosen["method"] == "full" and run.chosen["updates"]:
        assert f"all {60 + VARIED} known rows" in again[0]["sentence"]
    else:
        assert not again


def fold(held, **places):
    """A fold of rows that are all of class 0; ``u2=[1, 0]`` says which are right at update 2."""
    outcomes = {}
    for place, rights in places.items():
        predicted = [0 if right else 1 for right in rights]
        outcomes[int(place[1:]), 1.0] = classified([0] * len(rights), predicted)
    return _Fold(held, outcomes)


def test_the_place_is_the_best_of_all_folds_together():
    """Update 4 is best for the first fold, 2 for the second; together 2 has three right of four."""
    made = Material.__new__(Material)
    made.task = type("T", (), {"headline": "accuracy"})()
    first = fold([0, 1], u0=[0, 0], u2=[1, 0], u4=[1, 1])
    second = fold([2, 3], u0=[0, 0], u2=[1, 1], u4=[0, 0])
    place, curve = _best_place(made, [first, second])
    assert place == (2, 1.0)
    assert curve == [(0, 0.0), (2, 0.75), (4, 0.5)]


def test_a_fold_that_ended_early_counts_with_its_end():
    early = fold([0], u0=[0], u2=[1])
    assert early.at((4, 1.0)) is early.outcomes[2, 1.0]


def test_joined_outcomes_keep_groups_of_parts_apart():
    both = joined([classified([0, 1], [0, 1], groups=[0, 0]), classified([1], [2], groups=[0])])
    assert both.groups.tolist() == [0, 0, 1]
    assert both.truth.tolist() == [0, 1, 1]
    assert both.predicted.tolist() == [0, 1, 2]
    assert both.labels == ("a", "b", "c")
