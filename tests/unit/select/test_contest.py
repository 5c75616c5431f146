"""The contest: what stands beside the plan's own settings, one model at a time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from accelerate import Accelerator
from outcomes import classified
from torch import nn

from fewtune.plan.plan import Plan
from fewtune.records import Score
from fewtune.select import contest
from fewtune.select.candidates import candidates
from fewtune.select.pace import Pace, Part
from fewtune.select.trials import Trial
from fewtune.train.journal import Journal

BASE = nn.Linear(1, 1)


class Seen:
    """Who looked at which rows."""

    def __init__(self, model, rows):
        self.model, self.rows = model, list(rows)

    def __len__(self):
        return len(self.rows)

    def take(self, places):
        return Seen(self.model, [self.rows[i] for i in places])


def contested(monkeypatch, left, updates=10, refit=True):
    """Return the trials of a contest that a race left ``left`` of, its own and its pace.

    What a model does on rows is named by the model.
    """
    plan = Plan(model="none").changed(
        {"method.name": "lora", "select.rates": [0.1], "select.refit": refit}
    )
    entered = candidates(plan)
    material = SimpleNamespace(
        plan=plan,
        task=SimpleNamespace(name="generation", outcomes=Seen),
        train=list("abcdef"), journal=Journal(None), accelerator=Accelerator(cpu=True),
        pace=Pace([Part("train", 1.0), Part(contest.RIVAL, 1.0, False)]), base=lambda: BASE,
    )  # fmt: skip

    def tried(material, candidate):
        found = classified([0, 1, 1], [0, 1, 0])
        score = Score("accuracy", 1.0, 1.0, 1.0, 3, "higher", "share")
        return Trial(candidate, None, nn.Linear(1, 1), found, score, 0.0, updates)

    monkeypatch.setattr(contest, "race", lambda material, raced: raced[:left])
    monkeypatch.setattr(contest, "try_out", tried)
    assert len(entered) == 2
    return contest.contest(material), material.pace


def test_the_rival_is_trained_beside_the_plans_own_whose_model_is_let_go(monkeypatch):
    (own, rival), pace = contested(monkeypatch, 2)
    assert own.model is BASE
    assert rival.model is not BASE
    # Three rows judge, so three that were trained are looked at before the model goes.
    assert own.seen.model is not BASE
    assert own.seen.rows == ["a", "c", "f"]
    assert pace.left == 0


@pytest.mark.parametrize("kept", [{"refit": False}, {"updates": 0}])
def test_a_model_that_is_not_trained_anew_stays(monkeypatch, kept):
    """Where the refit is off it is the one to keep; where tuning changed nothing its head is."""
    (own, _), _ = contested(monkeypatch, 2, **kept)
    assert own.model is not BASE
    assert own.seen is None


def test_where_no_rival_leads_its_time_is_not_waited_for(monkeypatch):
    (own,), pace = contested(monkeypatch, 1)
    assert own.model is not BASE
    assert pace.left == 0
    assert pace.dropped == [], "nothing was left out for want of time"
