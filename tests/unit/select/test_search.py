"""A search by Optuna: what it may propose, and that what it finds joins the race."""

from __future__ import annotations

import importlib.util
import json
import math

import pytest

import fewtune
from fewtune.errors import MissingExtra, PlanError

COUNT = 6


@pytest.fixture(scope="module")
def run(data_folder, causal_lm, tmp_path_factory):
    pytest.importorskip("optuna")
    return fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        test=data_folder / "prompts_test.jsonl",
        settings={
            "method.name": "full",
            "training.updates": 24,
            "training.evaluations": 2,
            "training.learning_rate": 1e-5,
            "regularizers": [{"name": "l2_to_base", "options": {"strength": 0.01}}],
            "select.search": COUNT,
            "select.dial": [1.0],
            "select.samples": 0,
        },
        output=tmp_path_factory.mktemp("search") / "run",
    )


def events(run, kind):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [event["values"] for event in map(json.loads, lines) if event["kind"] == kind]


def test_the_plans_own_settings_are_tried_first_and_others_within_bounds(run):
    tried = [event["settings"] for event in events(run, "search")]
    assert len(tried) == COUNT
    first = {"learning_rate": 1e-5, "length": 1.0, "l2_to_base.strength": 0.01}
    assert tried[0] == pytest.approx(first)
    assert len({settings["learning_rate"] for settings in tried}) == COUNT
    for settings in tried:
        assert settings["length"] in (0.5, 1.0, 2.0)
        assert 0.01 / 8.0001 <= settings["l2_to_base.strength"] <= 0.08001
        assert 1e-5 / 3.0001 <= settings["learning_rate"] <= 1.0


def test_the_best_three_join_the_race_and_one_of_them_wins(run):
    tried = events(run, "search")
    values = {number: event["value"] for number, event in enumerate(tried)}
    assert all(math.isfinite(value) for value in values.values())
    # The plan's rate learns nothing, so anything larger is ahead of it.
    best = sorted((n for n in values if n), key=lambda n: values[n])[:3]
    entered = {one["name"] for one in events(run, "race")[0]["order"]}
    assert entered == {"full", *(f"full-search{n}" for n in best)}
    assert run.chosen["learning_rate"] > 1e-5
    assert run.chosen["learning_rate"] in [event["settings"]["learning_rate"] for event in tried]


def test_without_optuna_it_is_said_before_anything_is_done(monkeypatch, data_folder, causal_lm):
    whole = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else whole(name, *a)
    )
    with pytest.raises(MissingExtra, match=r"optuna.*fewtune\[tune\]"):
        fewtune.prepare(
            data_folder / "prompts.jsonl", str(causal_lm), settings={"select.search": 4}
        )


def test_what_a_solver_fits_has_nothing_to_search(data_folder, encoder):
    with pytest.raises(PlanError, match="a method that trains"):
        fewtune.prepare(
            data_folder / "labelled.csv",
            str(encoder),
            settings={"select.search": 4, "method.name": "head"},
        )
