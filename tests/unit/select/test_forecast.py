"""Forecast: what is written after a fit is counted by what there is to write, not by the bounds."""

from __future__ import annotations

from dataclasses import replace

import made_data
import pytest
import torch
from accelerate import Accelerator

from fewtune.environment import device_name
from fewtune.models.load import resolve
from fewtune.plan.plan import Plan
from fewtune.records import Example
from fewtune.select import costs, forecast
from fewtune.select.candidates import candidates
from fewtune.select.costs import Costs
from fewtune.select.material import Material
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.journal import Journal

STEPS_ALONE = Costs(load=0.0, token=0.0, update={}, start={}, step=1.0, answer=0.0)
"""A second for every step of writing, and nothing else costs anything."""


@pytest.fixture
def material(causal_lm, tmp_path):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    rows = task.encode([Example(p, t, p) for p, t in made_data.prompts(12, seed=1)])
    plan = Plan(model="none").changed({"method.name": "full", "select.rungs": []})
    return Material(
        plan=plan, task=task, data=None, train=rows[:8], validation=rows[8:10], test=rows[10:],
        places=range(10), journal=Journal(None), folder=tmp_path,
        accelerator=Accelerator(cpu=device_name() == "cpu"),
    )  # fmt: skip


def test_two_test_rows_are_answered_two_at_a_time_however_many_could_be(material):
    """By hand: samples and draws of the base go on to the bound, of the tuned to the longest
    answer; both go on after two beginnings of each sort by three quarters of that; and the base
    alone draws along which it is compared."""
    task = material.task
    own, bound = task.longest_target, task.max_new_tokens
    rest = -(-3 * own // 4)
    assert rest < own < bound <= 64
    found = forecast._answers(material)
    assert found == [
        (2, bound), (2, own), (4, rest), (4, rest), (2, bound), (2, own), (2, bound),
    ]  # fmt: skip
    steps = sum(forecast._written(material, STEPS_ALONE, *one) for one in found)
    assert steps == 3 * bound + 2 * own + 2 * rest


def test_answers_that_do_not_fit_at_once_take_their_steps_anew(material, monkeypatch):
    monkeypatch.setattr(Generation, "answer_budget", lambda self, model: 100)
    for row in material.test:
        object.__setattr__(row, "ids", row.ids[:9])
    # Ten answers of 9 tokens read and 16 written are 250: three batches of at most a hundred.
    assert forecast._written(material, STEPS_ALONE, 10, 16) == 3 * 16


def test_a_step_of_writing_is_not_the_reading_of_its_prompt(material, monkeypatch):
    """A clock that ticks a second for each prompt token read and each step: a step takes one."""
    now = [0.0]

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def generate(self, input_ids, min_new_tokens, max_new_tokens, **kept):
            assert min_new_tokens == max_new_tokens, "the base may end at once"
            now[0] += input_ids.numel() + max_new_tokens
            return input_ids

    monkeypatch.setattr(costs.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Material, "base", lambda self: Counting())
    assert costs._writing(material) == (1.0, 0.0)


def test_steps_are_timed_within_the_context(material):
    """Rows that fill it: a model that knows places up to there cannot write behind them."""
    model = material.base()
    model.config.max_position_embeddings = 12
    asked = []
    model.register_forward_pre_hook(
        lambda module, args, kept: asked.append(kept["input_ids"].shape), with_kwargs=True
    )
    material.task.settings = TaskSettings(max_length=12)
    costs._writing(material)
    assert max(width for _, width in asked) == 12 - costs.STEPS - 1 > 0


GUARD = ({"name": "kl_to_base", "options": {"samples": 8}},)


def candidate(material, evaluations, regularizers):
    """Return the plan's own candidate of 40 updates."""
    settings = {"training.updates": 40, "training.evaluations": evaluations}
    plan = material.plan.changed({**settings, "regularizers": list(regularizers)})
    return candidates(plan)[0]


KINDS = {"free": (5, ()), "held": (5, GUARD), "held, last weights": (1, GUARD)}


@pytest.mark.parametrize(("kind", "expected"), [*zip(KINDS, (50.0, 35.0, 50.0), strict=True)])
def test_a_held_refit_is_foreseen_between_one_that_turned_and_one_that_did_not(
    material, kind, expected
):
    """By hand: 10 known rows for 8 that trained are 1.25 times the updates; 0.5 if it turned."""
    spent = Costs(load=0.0, token=0.0, update={"full": 1.0}, start={"full": 0.0})
    again = forecast._again(material, spent, candidate(material, *KINDS[kind]), 1.0)
    assert again - forecast.TRIAL == expected


@pytest.mark.parametrize(("kind", "expected"), [*zip(KINDS, (40.0, 32.0, 40.0), strict=True)])
def test_a_held_trial_is_foreseen_between_one_that_is_stopped_and_one_that_is_not(
    material, kind, expected
):
    """By hand: 40 updates of a second, or 24; a short trial of 20 is never stopped."""
    spent = Costs(load=0.0, token=0.0, update={"full": 1.0}, start={"full": 0.0})
    one = candidate(material, *KINDS[kind])
    assert forecast._trial(material, spent, one, 1.0) - forecast.TRIAL == expected
    assert forecast._trial(material, spent, one, 0.5) - forecast.TRIAL == 20.0


def test_a_rival_is_foreseen_to_be_trained_in_half_of_the_fits(material, monkeypatch):
    spent = Costs(0.0, 0.0, dict.fromkeys(("full", "full@0.5", ""), 1.0), {"full": 0.0})
    spent.start["full@0.5"] = 0.0
    monkeypatch.setattr(forecast, "costs_of", lambda *some: spent)
    monkeypatch.setattr(forecast, "_observed", lambda *some: 0.0)
    plan = material.plan.changed(
        {"training.updates": 40, "select.rates": [0.5], "regularizers": [], "controls": []}
    )
    parts = {part.name: part for part in forecast.forecast(replace(material, plan=plan))}
    assert parts["rival"].seconds == parts["train"].seconds / 2
    assert not parts["rival"].needed
    assert {name for name in parts if name.startswith("race")} == {"race 1 0", "race 1 1"}
    alone = forecast.forecast(replace(material, plan=plan.changed({"select.rates": []})))
    assert "rival" not in {part.name for part in alone}


def test_a_cross_fit_is_foreseen_with_all_that_its_folds_read(material, monkeypatch):
    """By hand: ten known rows of 10 tokens, 40 updates of a second; a token read takes 0.01 s."""
    for row in (*material.train, *material.validation):
        object.__setattr__(row, "ids", tuple(range(10)))
    monkeypatch.setattr(forecast, "_general", lambda material: 400.0)
    spent = Costs(load=3.0, token=0.01, update={"full": 1.0}, start={"full": 2.0})
    changes = {"select.folds": 5, "select.dial": [0.5, 1.0]}

    def told(**more):
        one = replace(material, plan=material.plan.changed({**changes, **more}))
        return forecast._tried(one, spent, candidate(one, 4, ()))

    # At 4 · 2 + 1 places 20 tokens that are held, 20 that were learnt, 100 of general text.
    each = 40 + 9 * 0.01 * (20 + 20 + 100) + forecast.TRIAL
    assert told() == pytest.approx(3 + 2 + 5 * each)
    assert told(**{"select.repeats": 3}) == pytest.approx(3 + 2 + 15 * each)
    unbound = 40 + 9 * 0.01 * 40 + forecast.TRIAL
    assert told(**{"budget.general_loss": 0}) == pytest.approx(3 + 2 + 5 * unbound)
    alone = forecast._trial(material, spent, candidate(material, 4, ()), 1.0)
    assert told(**{"select.folds": 0, "select.dial": material.plan.select.dial}) == alone
