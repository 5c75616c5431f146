"""The cross-fit: every known row once, by a model that never saw it; one place for all folds."""

from __future__ import annotations

import csv
import json

import pytest
from outcomes import classified

import fewtune
from fewtune.methods.base import own_head
from fewtune.methods.full import Full
from fewtune.report.folder import read
from fewtune.report.training import trainings
from fewtune.tasks.outcomes import joined


def kept(run):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


VARIED = 12


class FrozenHead(Full):
    """Everything trains but the head."""

    def prepare(self, model, task):
        model = super().prepare(model, task)
        own_head(model).requires_grad_(False)
        return model


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


def test_every_known_row_is_told_once_unknown_and_once_known(run):
    lines = (run.path / "crossfit.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    # All 60 rows in the order of the file, and none of their variations.
    assert sorted(int(row["source"].rpartition(":")[2]) for row in rows) == [*range(2, 62)]
    for row in rows:
        assert row["memorized"] == pytest.approx(row["out_of_fold"] - row["in_fold"], abs=2e-5)
        assert row["target"] and row["input"] and len(row["fingerprint"]) > 8
        assert (row["suspected_label"] is None) == (not row["suspect"])
    # They are told of the place that was chosen, as the score of the choice is.
    events = kept(run)
    choice = next(e["values"] for e in events if e["kind"] == "choice")
    own = next(a for a in choice["alternatives"] if a["name"] == choice["chosen"])
    assert own["n"] == 60 and own["reason"]
    assert run.scores["generalization_gap"].n == 60


def test_the_dial_of_all_folds_together_is_in_the_report(run):
    stands = [e for e in kept(run) if e["kind"] == "dial"]
    assert {e["stage"] for e in stands} == {"full"}
    place = {e["values"]["alpha"] for e in kept(run) if e["kind"] == "crossfit"}
    chosen = [e for e in stands if e["values"]["chosen"]]
    assert len(place) == len(chosen) == 1
    assert chosen[0]["values"]["alpha"] == place.pop()
    # The curve over updates and the dial tell the same of the place.
    curve = {e["update"]: e["values"]["value"] for e in kept(run) if e["kind"] == "crossfit"}
    assert curve[chosen[0]["update"]] == chosen[0]["values"]["value"]
    if chosen[0]["update"]:
        assert {e["values"]["alpha"] for e in stands} == {0.5, 1.0}
        page = (run.path / "report.html").read_text(encoding="utf-8")
        assert "was best on known rows, out of fold" in page


def test_a_head_that_cannot_learn_is_named_of_folds_too(data_folder, encoder, tmp_path):
    found = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={
            "method.name": f"{__name__}:FrozenHead", "training.head_first": False,
            "training.updates": 4, "training.evaluations": 2, "select.rungs": [],
            "select.folds": 2, "select.dial": [1.0],
        },
        output=tmp_path / "run",
    )  # fmt: skip
    assert [fault.name for fault in found.diagnosis] == ["frozen_head"]
    assert "guessing among 3 classes is 1.099" in found.diagnosis[0].evidence


def test_an_interrupted_cross_fit_comes_to_the_same_end(run, data_folder, encoder, tmp_path):
    """What a fold did before its checkpoint is kept nowhere: it is trained anew."""

    def stop(event):
        if event.kind == "step" and event.stage == "full#3" and event.update == 5:
            raise KeyboardInterrupt

    more = {"test": data_folder / "labelled_test.csv", "output": tmp_path / "run"}
    settings = {
        "method.name": "full", "training.updates": 6, "training.evaluations": 3,
        "training.learning_rate": 0.001, "select.folds": 3, "select.dial": [0.5, 1.0],
        "select.rungs": [], "training.checkpoint_seconds": 0,
    }  # fmt: skip
    rows = data_folder / "labelled.csv"
    with pytest.raises(KeyboardInterrupt):
        fewtune.fit(rows, str(encoder), settings=settings, listeners=[stop], **more)
    again = fewtune.fit(rows, str(encoder), resume=True, **more)
    whole = fewtune.fit(
        rows, str(encoder), settings=settings, **(more | {"output": tmp_path / "whole"})
    )
    assert again.chosen == whole.chosen
    told = [(one.path / "crossfit.jsonl").read_text(encoding="utf-8") for one in (again, whole)]
    assert told[0] == told[1]


def test_without_a_refit_the_training_rows_train_what_is_kept(data_folder, encoder, tmp_path):
    """The folds' models are nobody's: the last one stood elsewhere than where all are best."""
    found = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={
            "method.name": "full", "training.updates": 8, "training.evaluations": 2,
            "training.learning_rate": 0.003, "select.folds": 2, "select.dial": [1.0],
            "select.rungs": [], "select.refit": False,
        },
        output=tmp_path / "run",
    )  # fmt: skip
    assert found.chosen["updates"]
    said = [e["values"] for e in kept(found) if e["kind"] == "stage"]
    (again,) = [s for s in said if s["name"] == "full+train"]
    assert again["sentence"].startswith("training full again on 50 known rows")


def test_where_nothing_was_tuned_the_start_is_kept(data_folder, encoder, tmp_path):
    """Updates so large that they destroy the encoder: what is left is a head fitted on the base."""
    more = {"test": data_folder / "labelled_test.csv"}
    shared = {"select.folds": 2, "select.rungs": [], "select.dial": [1.0]}
    rate = {"training.learning_rate": 1.0, "training.updates": 4, "training.evaluations": 2}
    tuned, head = (
        fewtune.fit(
            data_folder / "labelled.csv",
            str(encoder),
            settings={"method.name": method, **shared, **(rate if method == "full" else {})},
            output=tmp_path / method,
            **more,
        )
        for method in ("full", "head")
    )
    assert tuned.chosen["updates"] == 0
    lines = (tuned.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["input"] for line in lines]
    given = [[answer["label"] for answer in run.predict(texts)] for run in (tuned, head)]
    assert given[0] == given[1]


def test_joined_outcomes_keep_groups_of_parts_apart():
    both = joined([classified([0, 1], [0, 1], groups=[0, 0]), classified([1], [2], groups=[0])])
    assert both.groups.tolist() == [0, 0, 1]
    assert both.truth.tolist() == [0, 1, 1]
    assert both.predicted.tolist() == [0, 1, 2]
    assert both.labels == ("a", "b", "c")


def test_a_class_that_is_one_unit_is_left_out_of_a_fold_and_no_fault_is_seen_in_it(
    data_folder, encoder, tmp_path
):
    with (data_folder / "labelled.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first, second = sorted({row["label"] for row in rows})[:2]
    few = [row for row in rows if row["label"] == second][:6]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "group"])
        for number, row in enumerate([r for r in rows if r["label"] == first] + few):
            one_unit = row["label"] == second
            writer.writerow([row["text"], row["label"], "one" if one_unit else f"g{number}"])
    run = fewtune.fit(
        tmp_path / "a.csv",
        str(encoder),
        settings={
            "method.name": "full",
            "training.updates": 4,
            "training.evaluations": 2,
            "select.folds": 2,
            "select.rungs": ["head"],
            "controls": ["majority"],
        },
        output=tmp_path / "run",
    )
    tried = [event for event in kept(run) if event["kind"] == "choice"]
    judged = {one["n"] for event in tried for one in event["values"].get("alternatives", ())}
    assert len(judged) == 1, "every candidate is judged on the same rows"
    assert "shuffled_labels" not in [fault["name"] for fault in told_of(run)]


def told_of(run):
    return json.loads((run.path / "scores.json").read_text(encoding="utf-8"))["diagnosis"]
