"""How much less a refit is held than its trial."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fewtune.methods.base import METHODS
from fewtune.plan.plan import BudgetPlan, Part, Plan, SelectPlan, TrainingPlan
from fewtune.records import Score
from fewtune.regularizers.base import REGULARIZERS, Regularizer
from fewtune.regularizers.kl_to_base import KlToBase
from fewtune.select.candidates import Candidate
from fewtune.select.dial import Rise
from fewtune.select.ease import eased, slack
from fewtune.select.trials import Trial
from fewtune.train.monitors.base import Evaluation

LEARNT = (Evaluation(0, 4.0, 0.1, 4.0, -1), Evaluation(300, 0.2, 0.1, 0.2, -1, best=True))
"""A twentieth of the base's loss is left."""
SCORE = Score("loss_per_byte", 1.0, 0.9, 1.1, 5, "lower", "nats/byte")
TRIAL = Trial(
    Candidate("full", Part(name="full"), TrainingPlan(), (Part(name="kl_to_base"),)),
    METHODS.load("full")(),
    nn.Linear(1, 1),
    validation=None,
    score=SCORE,
    seconds=1.0,
    updates=TrainingPlan().updates,
    evaluations=LEARNT,
)


def planned(budget: float, **select: object) -> Plan:
    """Return a plan of this budget; its refit may be held four times less, or as is said."""
    settings = {"ease": 4.0, **select}
    return Plan(
        model="builtin", budget=BudgetPlan(general_loss=budget), select=SelectPlan(**settings)
    )


@pytest.mark.parametrize(
    ("rise", "alpha", "budget", "expected"),
    [
        # Three quarters of one percent are aimed at: three times as much as was lost, one and a
        # half times, four times.
        (0.0025, 1.0, 0.01, 3.0),
        (0.005, 1.0, 0.01, 1.5),
        (0.001875, 1.0, 0.01, 4.0),
        (0.0001, 1.0, 0.01, 4.0),
        (0.0, 1.0, 0.01, 4.0),
        (-0.02, 1.0, 0.01, 4.0),
        # However large the budget, more than one percent is a reason to hold.
        (0.0025, 1.0, 0.05, 3.0),
        (0.0075, 1.0, 0.05, 1.0),
        # Nothing to spare, or more than was allowed: never held harder.
        (0.0075, 1.0, 0.01, 1.0),
        (0.03, 1.0, 0.01, 1.0),
        # Turned back for the target's sake, and because the whole tuning cost too much.
        (0.0025, 0.85, 0.01, 3.0),
        (0.02, 0.85, 0.01, 1.0),
        # Not asked, no bound.
        (None, 1.0, 0.01, 1.0),
        (0.0025, 1.0, 0.0, 1.0),
    ],
)
def test_how_little_a_trial_forgot_eases_its_refit(rise, alpha, budget, expected):
    trial = replace(TRIAL, rise=Rise(rise), alpha=alpha)
    assert slack(trial, planned(budget)) == pytest.approx(expected, abs=5e-4)
    assert slack(trial, planned(budget, ease=1.0)) == 1.0
    # What is kept is the trial itself.
    assert slack(trial, planned(budget, refit=False)) == 1.0


def test_a_rise_that_is_known_roughly_eases_by_as_much_less():
    trial = replace(TRIAL, rise=Rise(0.001, error=0.0015))
    assert slack(trial, planned(0.05)) == pytest.approx(3.0)
    surely_less = replace(TRIAL, rise=Rise(-0.004, error=0.002))
    assert slack(surely_less, planned(0.05)) == 4.0


def test_one_that_turned_worse_before_its_end_is_held_as_hard():
    trial = replace(TRIAL, rise=Rise(-0.02), updates=TRIAL.updates - 1)
    assert slack(trial, planned(0.05)) == 1.0


def test_one_that_has_more_to_learn_is_held_as_hard():
    """The hold keeps it from learning by heart; where nearly all is learnt it only holds."""
    more = (*LEARNT[:1], replace(LEARNT[1], loss=0.201))
    assert slack(replace(TRIAL, rise=Rise(-0.02), evaluations=more), planned(0.05)) == 1.0
    assert slack(replace(TRIAL, rise=Rise(-0.02)), planned(0.05)) == 4.0


def test_what_is_not_held_is_not_eased():
    free = replace(TRIAL, candidate=replace(TRIAL.candidate, regularizers=()), rise=Rise(0.0))
    assert slack(free, planned(0.01)) == 1.0


def test_the_weight_alone_changes():
    parts = [
        Part(name="secret_mask"),
        Part(name="kl_to_base", options={"samples": 7, "weight": 4.0}),
    ]
    assert eased(parts, 2.0) == (
        parts[0],
        Part(name="kl_to_base", options={"samples": 7, "weight": 2.0}),
    )
    assert parts[1].options["weight"] == 4.0, "the trial's own stay"
    # The weight that is not given is the usual one.
    (usual,) = eased([Part(name="kl_to_base")], 4.0)
    assert usual.options == {"weight": KlToBase.Options().weight / 4}
    assert eased([Part(name="secret_mask")], 2.0) == (Part(name="secret_mask"),)


class Weighing(KlToBase):
    """Writes down its weight where it starts; adds nothing."""

    weights: dict[str, float] = {}  # noqa: RUF012

    def start(self, run):
        Weighing.weights[run.stage] = self.options.weight

    def penalty(self, run):
        return torch.zeros(())


@pytest.mark.parametrize(("settings", "weight"), [({}, 1.0), ({"select.ease": 1}, 4.0)])
def test_the_refit_is_held_less(fit_prompts, monkeypatch, settings, weight):
    load = REGULARIZERS.load

    def weighing(name: str) -> type[Regularizer]:
        return Weighing if name == "kl_to_base" else load(name)

    monkeypatch.setattr(REGULARIZERS, "load", weighing)
    # So short a training would have to learn next to nothing to have learnt nearly all.
    monkeypatch.setattr("fewtune.select.ease.LEARNT", 1.1)
    # At so low a rate nothing is forgotten.
    few = {"training.updates": 2, "training.learning_rate": 1e-6, "select.dial": [1.0]}
    _, events = fit_prompts({**few, "budget.general_loss": 0.01, **settings})
    assert (Weighing.weights["full"], Weighing.weights["full+all"]) == (4.0, weight)
    (said,) = [e["values"]["sentence"] for e in events if " again on " in str(e["values"])]
    told = "; held 4.0 times less, as its trial learnt nearly all and forgot next to nothing"
    assert said.endswith(told) == (weight < 4)


def test_a_trial_tells_how_well_its_rise_is_known(fit_prompts, monkeypatch):
    seen = []

    def looked_at(trial, plan):
        seen.append(trial)
        return slack(trial, plan)

    monkeypatch.setattr("fewtune.select.refit.slack", looked_at)
    fit_prompts({"training.updates": 2, "training.evaluations": 1, "select.dial": [1.0]})
    (trial,) = seen
    # Some passages lost more than others.
    assert 0 < trial.rise.error < 0.1
