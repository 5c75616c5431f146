"""Augmentations in a plan: each method with and without them, on training rows, and a choice."""

from __future__ import annotations

import json

import pytest

import fewtune
from fewtune.errors import PlanError


def journal(run):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def run(data_folder, encoder, tmp_path_factory):
    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={
            "augmentations": [{"name": "typos"}],
            "method.name": "full",
            "training.updates": 4,
            "training.evaluations": 2,
        },
        output=tmp_path_factory.mktemp("varied") / "run",
    )


def test_every_method_is_tried_without_and_with_them(run):
    choices = [e for e in journal(run) if e["kind"] == "choice"]
    tried = [a["name"] for a in choices[0]["values"]["alternatives"]]
    raced = [e["values"]["order"] for e in journal(run) if e["kind"] == "race"]
    assert {entry["name"] for entry in raced[0]} == {"full", "full+varied"}
    # One is left of the two that train; a head costs so little that both are kept.
    winner = [entry["name"] for entry in raced[-1] if entry["stays"]]
    assert tried == ["head", "head+varied", *winner]


def test_what_was_made_is_told_once_and_only_from_training_rows(run):
    told = [e["values"]["made"] for e in journal(run) if e["kind"] == "augmentation"]
    train = json.loads((run.path / "data.json").read_text())["parts"]["train"]
    assert len(told) == 1
    assert 0 < told[0]["typos"]["kept"] <= told[0]["typos"]["made"]
    # One variation of each training row at most: rows that choose or judge are not varied.
    assert told[0]["typos"]["made"] <= len(train)


def test_more_rows_make_the_same_updates_fewer_epochs(run):
    stages = {e["values"]["name"]: e["values"] for e in journal(run) if e["kind"] == "stage"}
    without, with_them = (stages[name]["sentence"] for name in ("full~4", "full+varied~4"))
    rows = [int(s.split(": ")[1].split(" rows")[0]) for s in (without, with_them)]
    kept = next(e for e in journal(run) if e["kind"] == "augmentation")
    assert rows[1] - rows[0] == kept["values"]["made"]["typos"]["kept"]


def test_the_chosen_model_says_whether_it_learnt_from_them(run):
    chosen = next(e for e in journal(run) if e["kind"] == "choice")["values"]["chosen"]
    expected = ["typos"] if "+varied" in chosen else []
    assert run.chosen["augmentations"] == expected


def test_an_unknown_augmentation_is_refused_before_anything_is_spent(data_folder, encoder):
    with pytest.raises(PlanError, match="Did you mean typos"):
        fewtune.prepare(
            data_folder / "labelled.csv",
            str(encoder),
            settings={"augmentations": [{"name": "typoes"}]},
        )
