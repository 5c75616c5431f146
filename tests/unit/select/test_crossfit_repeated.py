"""A language model's cross-fit, once and over two partitions: its budget and its rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fewtune

SETTINGS = {
    "method.name": "full", "training.updates": 6, "training.evaluations": 2,
    "training.learning_rate": 0.01, "regularizers": [], "select.samples": 0, "select.folds": 2,
    "select.dial": [0.5, 1.0], "controls": ["base"],
}  # fmt: skip


def fitted(data_folder, causal_lm, folder, **settings):
    return fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        test=data_folder / "prompts_test.jsonl",
        settings=SETTINGS | settings,
        output=folder / "run",
    )


def lines(run, name):
    return [json.loads(line) for line in (run.path / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def once(data_folder, causal_lm, tmp_path_factory):
    return fitted(data_folder, causal_lm, tmp_path_factory.mktemp("once"))


@pytest.fixture(scope="module")
def twice(data_folder, causal_lm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twice")
    return fitted(data_folder, causal_lm, folder, **{"select.repeats": 2})


def choice(run):
    return next(e["values"] for e in lines(run, "journal.jsonl") if e["kind"] == "choice")


def test_it_says_what_tuning_costs_of_general_text_at_every_stand(once):
    stands = [e["values"] for e in lines(once, "journal.jsonl") if e["kind"] == "dial"]
    assert [one["alpha"] for one in stands] == [0.5, 1.0]
    assert all(isinstance(one["general_loss"], float) for one in stands)
    # Random weights that learn a little English: further from the base is further from its loss.
    assert abs(stands[1]["general_loss"]) > abs(stands[0]["general_loss"]) > 0


def test_over_memorization_and_the_gap_are_of_the_place_that_was_chosen(once):
    rows = lines(once, "crossfit.jsonl")
    assert once.scores["over_memorization"].value >= 1
    assert once.scores["over_memorization"].n == len(rows)
    sizes = np.array([len(row["target"].encode()) for row in rows])
    out, own = (np.array([row[key] for row in rows]) for key in ("out_of_fold", "in_fold"))
    gap = (out @ sizes - own @ sizes) / sizes.sum()
    assert once.scores["generalization_gap"].value == pytest.approx(gap, abs=1e-4)
    (curve,) = [
        e["values"]["value"]
        for e in lines(once, "journal.jsonl")
        if e["kind"] == "crossfit" and e["update"] == once.chosen["updates"]
    ]
    assert curve == pytest.approx(out @ sizes / sizes.sum(), abs=1e-4)


def test_a_repeat_parts_the_rows_anew_and_makes_no_further_row(once, twice):
    trained = {e["stage"] for e in lines(twice, "journal.jsonl") if e["kind"] == "step"}
    assert {f"full#{number}" for number in range(1, 5)} <= trained
    assert "full#5" not in trained
    first, second = lines(once, "crossfit.jsonl"), lines(twice, "crossfit.jsonl")
    assert [row["source"] for row in first] == [row["source"] for row in second]
    assert [row["out_of_fold"] for row in first] != [row["out_of_fold"] for row in second]
    (told,) = choice(twice)["alternatives"]
    assert told["n"] == len(first)
    assert f"on the {len(first)} known rows, out of fold" in choice(twice)["reason"]
