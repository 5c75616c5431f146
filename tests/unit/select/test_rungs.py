"""A cheaper method beside the plan's own is trained as it wants to be, not as the other does."""

from __future__ import annotations

import pytest

from fewtune.plan.plan import Part, Plan, TrainingPlan
from fewtune.select.candidates import candidates


def plan(method, rungs, **training):
    made = Plan(model="m", method=Part(name=method), training=TrainingPlan(**training))
    made.select.rungs = rungs
    return made


def test_a_rung_has_its_own_rate():
    """LoRA takes ten times full's rate and partial five times: 1e-3 becomes 5e-4."""
    made = {c.name: c for c in candidates(plan("lora", ["partial"], learning_rate=1e-3))}
    assert made["partial"].training.learning_rate == pytest.approx(5e-4)
    assert made["partial"].training.updates == made["lora"].training.updates
    assert made["lora"].training.learning_rate == 1e-3


def test_a_rung_that_compares_rows_has_larger_and_fewer_updates():
    """Contrastive takes twice full's rate: 1e-3 · 2 / 10."""
    given = plan("lora", ["head", "contrastive"], learning_rate=1e-3, updates=600, batch_size=16)
    made = {c.name: c for c in candidates(given)}
    assert list(made) == ["head", "contrastive", "lora"]
    own = made["contrastive"].training
    assert own.learning_rate == pytest.approx(2e-4)
    assert (own.updates, own.batch_size, own.evaluations) == (60, 48, 1)
    assert made["lora"].training == given.training


def test_a_rung_has_the_options_that_it_is_given():
    rungs = ["head", {"name": "contrastive", "options": {"share": 0.5}}]
    made = {c.name: c for c in candidates(plan("lora", rungs, learning_rate=1e-3))}
    assert made["contrastive"].method == Part(name="contrastive", options={"share": 0.5})
    assert made["head"].method == Part(name="head")


def test_the_plans_own_method_keeps_its_options_among_the_rungs():
    given = plan("contrastive", ["contrastive", "head"])
    given.method.options = {"share": 0.5}
    made = candidates(given)
    assert [(c.name, c.method.options) for c in made] == [
        ("contrastive", {"share": 0.5}),
        ("head", {}),
    ]


def test_a_rate_stays_within_what_a_plan_allows():
    made = candidates(plan("contrastive", ["prefix"], learning_rate=0.5))
    assert made[0].training.learning_rate == 1.0
