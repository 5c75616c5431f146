"""The race of candidates: what a plan enters, how it is shortened, who is left; and the refit."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from accelerate import Accelerator

import fewtune
import fewtune.select.race as race_module
from fewtune.measures.base import row_measure
from fewtune.plan.plan import Plan
from fewtune.records import Score
from fewtune.select.candidates import candidates
from fewtune.select.dial import Rise
from fewtune.select.pace import Pace
from fewtune.select.race import ranked
from fewtune.select.trials import Trial
from fewtune.train.journal import Journal


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


def test_two_strengths_of_one_guard_have_names_of_their_own():
    guards = [{"name": "kl_to_base", "options": {"weight": w}} for w in (0.5, 8.0)]
    entered = candidates(plan(**{"select.guards": guards}))
    assert [c.name for c in entered[1:]] == [
        "lora+kl_to_base(weight=0.5)",
        "lora+kl_to_base(weight=8.0)",
    ]


def trial(value, rise):
    outcomes = SimpleNamespace(losses=np.asarray([value]))
    return SimpleNamespace(score=SimpleNamespace(value=value), validation=outcomes, rise=Rise(rise))


def test_of_trials_as_good_as_the_best_the_one_that_forgets_least_leads():
    """A loss: 1.005 is within one percent of 1.0, 1.02 is not, however little it forgets."""
    loss = row_measure("loss_per_byte")
    trials = [trial(1.0, 0.2), trial(1.005, 0.1), trial(1.02, 0.0), trial(1.5, 0.0)]
    assert ranked(trials, loss) == [1, 0, 2, 3]
    # Where forgetting is not asked, the headline alone decides.
    assert ranked([trial(v, None) for v in (1.0, 1.005, 0.5)], loss) == [2, 0, 1]
    assert ranked([trial(v, None) for v in (0.5, 0.9)], row_measure("accuracy")) == [1, 0]


def test_what_costs_more_general_text_than_is_borne_comes_last():
    loss = row_measure("loss_per_byte")
    trials = [trial(1.0, 0.076), trial(1.2, 0.075), trial(1.5, 0.0)]
    assert ranked(trials, loss, 0.075) == [1, 2, 0]
    assert ranked(trials, loss) == [0, 1, 2]
    # Where none is within, it is as without.
    assert ranked([trial(1.2, 0.3), trial(1.0, 0.2)], loss, 0.075) == [1, 0]


@pytest.mark.parametrize(
    ("updates", "share", "expected"), [(300, 0.15, 45), (100, 0.15, 20), (10, 0.4, 10)]
)
def test_a_short_trial_has_its_own_whole_schedule(updates, share, expected):
    candidate = candidates(plan(**{"training.updates": updates}))[0].shortened(share, 20)
    assert candidate.training.updates == expected
    assert candidate.training.evaluations <= expected


def fitted(data, model, output, rate, other):
    """Return a fit whose plan has one rate and tries another."""
    return fewtune.fit(
        data / "prompts.jsonl",
        str(model),
        test=data / "prompts_test.jsonl",
        settings={
            "method.name": "full",
            "training.updates": 24,
            "training.evaluations": 3,
            "training.learning_rate": rate,
            "select.rates": [other],
            "select.samples": 2,
        },
        output=output,
    )


@pytest.fixture(scope="module")
def run(data_folder, causal_lm, tmp_path_factory):
    """A model with random weights learns at 0.01 and not at 1e-6."""
    return fitted(data_folder, causal_lm, tmp_path_factory.mktemp("race") / "run", 1e-6, 0.01)


def events(run, kind):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [e for e in map(json.loads, lines) if e["kind"] == kind]


def test_the_rate_that_learns_is_trained_beside_the_plans_own_and_wins(run):
    order = events(run, "race")[0]["values"]["order"]
    assert [(entry["name"], entry["stays"]) for entry in order] == [
        ("full@0.01", True), ("full", True),
    ]  # fmt: skip
    steps = events(run, "step")
    assert {e["update"] for e in steps if e["stage"] == "full"} >= {24}
    assert {e["update"] for e in steps if e["stage"] == "full@0.01"} >= {24}
    assert run.chosen["learning_rate"] == 0.01


def test_who_does_not_lead_is_not_trained_in_full(data_folder, causal_lm, tmp_path):
    """The usual rate learns, a ten-thousandth of it does not."""
    run = fitted(data_folder, causal_lm, tmp_path / "run", 0.01, 1e-6)
    (order,) = (e["values"]["order"] for e in events(run, "race"))
    assert [(entry["name"], entry["stays"]) for entry in order] == [
        ("full", True), ("full@1e-06", False),
    ]  # fmt: skip
    assert "full@1e-06" not in {e["stage"] for e in events(run, "step")}
    assert run.chosen["learning_rate"] == 0.01


def raced(monkeypatch, values, rates=(0.1, 0.01)):
    """Return who is left of a race whose short trials come to such losses, by rate."""

    def tried(material, candidate):
        value = values[candidate.training.learning_rate]
        score = Score("loss_per_byte", value, value, value, 2, "lower", "nats/byte")
        found = SimpleNamespace(losses=np.asarray([value]))
        return Trial(candidate, None, None, found, score, 0.0)

    monkeypatch.setattr(race_module, "try_out", tried)
    made = Plan(model="none").changed(
        {"method.name": "lora", "training.learning_rate": 0.001, "select.rates": list(rates)}
    )
    material = SimpleNamespace(
        plan=made, headline=row_measure("loss_per_byte"), journal=Journal(None), pace=Pace(),
        accelerator=Accelerator(cpu=True), base=lambda: None,
    )  # fmt: skip
    monkeypatch.setattr(race_module, "replace", lambda one, **kept: one)
    return [c.training.learning_rate for c in race_module.race(material, candidates(made))]


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({0.001: 1.0, 0.1: 0.8, 0.01: 0.9}, [0.001, 0.1]),
        ({0.001: 1.0, 0.1: 1.2, 0.01: 0.9}, [0.001, 0.01]),
        ({0.001: 1.0, 0.1: 1.2, 0.01: 1.1}, [0.001]),
    ],
)
def test_the_best_rival_goes_on_where_it_leads_the_plans_own(monkeypatch, values, left):
    assert raced(monkeypatch, values) == left


def test_in_a_longer_race_a_rival_may_fall_behind_before_the_last_round(monkeypatch):
    """Of five the best two stay for a second round, in which both are behind."""
    rates = (0.1, 0.02, 0.03, 0.04, 0.05)
    behind = {0.001: 1.0} | {rate: 1.0 + rate for rate in rates}
    assert raced(monkeypatch, behind, rates) == [0.001]
    assert raced(monkeypatch, behind | {0.03: 0.5}, rates) == [0.001, 0.03]


def test_a_guard_takes_the_place_of_one_that_does_the_same():
    """Two that keep the rows of the base would do it twice; what masks secrets stays."""
    entered = candidates(
        plan(
            regularizers=[{"name": "kl_to_base"}, {"name": "secret_mask"}],
            **{"select.guards": [{"name": "replay"}, {"name": "token_weight"}]},
        )
    )
    assert [[p.name for p in c.regularizers] for c in entered[1:]] == [
        ["secret_mask", "replay"], ["kl_to_base", "secret_mask", "token_weight"],
    ]  # fmt: skip


def test_the_winner_is_trained_again_on_all_known_rows(run):
    again = [e for e in events(run, "step") if e["stage"] == "full@0.01+all"]
    # 40 rows of which 32 trained: as many epochs are 5/4 of the updates.
    trained = json.loads((run.path / "data.json").read_text())["parts"]["train"]
    assert len(again) == round(run.chosen["updates"] * 40 / len(trained))


def test_a_rival_that_meets_nan_is_left_out_and_the_fit_goes_on(data_folder, encoder, tmp_path):
    run = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={
            "method.name": "full",
            "training.updates": 20,
            "training.evaluations": 2,
            "select.rungs": [],
            "select.guards": [{"name": "poison:Poison", "options": {"update": 2}}],
            "controls": ["majority"],
        },
        output=tmp_path / "run",
    )
    said = [
        json.loads(line)["values"].get("sentence", "")
        for line in (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    (left,) = [sentence for sentence in said if "is left out" in sentence]
    assert left.startswith("full+poison:Poison~10 is left out") and "nan" in left
    assert run.chosen["method"] == "full" and run.scores["accuracy"].n
