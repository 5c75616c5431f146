"""The race of candidates: what a plan enters, how it is shortened, who is left; and the refit."""

from __future__ import annotations

import json

import pytest

import fewtune
from fewtune.plan.plan import Plan
from fewtune.select.candidates import candidates


def plan(**settings):
    return Plan(model="none").changed({"method.name": "lora", **settings})


def test_cheaper_methods_first_then_rates_and_guards_of_the_plans_own():
    entered = candidates(
        plan(
            **{
                "select.rungs": ["head"],
                "select.rates": [1e-5, 1e-4, 1e-3],
                "select.guards": [{"name": "kl_to_base"}],
                "training.learning_rate": 1e-4,
            }
        )
    )
    assert [c.name for c in entered] == [
        "head", "lora", "lora@1e-05", "lora@0.001", "lora+kl_to_base",
    ]  # fmt: skip
    assert [part.name for part in entered[-1].regularizers] == ["kl_to_base"]
    assert [c.training.learning_rate for c in entered[1:4]] == [1e-4, 1e-5, 1e-3]


def test_a_guard_takes_the_place_of_the_same_one_in_the_plan():
    guards = [{"name": "kl_to_base", "options": {"weight": 4.0}}]
    entered = candidates(
        plan(regularizers=[{"name": "kl_to_base"}, {"name": "l1"}], **{"select.guards": guards})
    )
    assert [(p.name, p.options) for p in entered[-1].regularizers] == [
        ("l1", {}),
        ("kl_to_base", {"weight": 4.0}),
    ]


@pytest.mark.parametrize(
    ("updates", "share", "expected"), [(300, 0.15, 45), (100, 0.15, 20), (10, 0.4, 10)]
)
def test_a_short_trial_has_its_own_whole_schedule(updates, share, expected):
    candidate = candidates(plan(**{"training.updates": updates}))[0].shortened(share, 20)
    assert candidate.training.updates == expected
    assert candidate.training.evaluations <= expected


@pytest.fixture(scope="module")
def run(data_folder, causal_lm, tmp_path_factory):
    """A model with random weights learns at 0.01 and not at 1e-6."""
    return fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        test=data_folder / "prompts_test.jsonl",
        settings={
            "method.name": "full",
            "training.updates": 24,
            "training.evaluations": 3,
            "training.learning_rate": 1e-6,
            "select.rates": [0.01],
            "select.samples": 2,
        },
        output=tmp_path_factory.mktemp("race") / "run",
    )


def events(run, kind):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [e for e in map(json.loads, lines) if e["kind"] == kind]


def test_the_rate_that_learns_wins_and_alone_is_trained_in_full(run):
    assert run.chosen["learning_rate"] == 0.01
    order = events(run, "race")[0]["values"]["order"]
    assert [(entry["name"], entry["stays"]) for entry in order] == [
        ("full@0.01", True), ("full", False),
    ]  # fmt: skip
    trained = {e["stage"] for e in events(run, "step")}
    assert "full@0.01" in trained
    assert "full" not in trained


def test_the_winner_is_trained_again_on_all_known_rows(run):
    again = [e for e in events(run, "step") if e["stage"] == "full@0.01+all"]
    # 40 rows of which 32 trained: as many epochs are 5/4 of the updates.
    trained = json.loads((run.path / "data.json").read_text())["parts"]["train"]
    assert len(again) == round(run.chosen["updates"] * 40 / len(trained))
