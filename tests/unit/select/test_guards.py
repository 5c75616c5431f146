"""What else than quality holds a model back: forgetting, general loss, extraction, the alarm."""

from __future__ import annotations

import pytest

from fewtune.plan.plan import BudgetPlan
from fewtune.records import Score
from fewtune.select.guards import guards
from fewtune.select.verdict import decide


def score(name, value, low, high, direction="lower"):
    return Score(name, value, low, high, 100, direction, "share")


BETTER = {"base": score("accuracy", 0.2, 0.1, 0.3, "higher")}
HEADLINE = score("accuracy", 0.8, 0.7, 0.9, "higher")


def verdict(**scores):
    return decide(HEADLINE, BETTER, "lora", watched=guards(scores, BudgetPlan()))


@pytest.mark.parametrize("name", ["forgetting", "general_loss"])
@pytest.mark.parametrize(
    ("low", "value", "high", "decision", "words"),
    [
        (0.0, 0.005, 0.009, "ship", "within the budget"),
        (0.005, 0.06, 0.09, "ship", "not surely beyond the budget"),
        (0.055, 0.06, 0.09, "hold", "beyond the budget"),
    ],
)
def test_what_is_forgotten_holds_only_where_it_is_surely_too_much(
    name, low, value, high, decision, words
):
    found = verdict(**{name: score(name, value, low, high)})
    assert found.decision == decision
    assert any(words in reason for reason in found.reasons)
    assert bool(found.cures) == (decision == "hold")


def test_the_budget_is_the_plans_and_zero_is_no_bound():
    scores = {"general_loss": score("general_loss", 0.08, 0.06, 0.1)}
    assert guards(scores, BudgetPlan(general_loss=0.1))[0].holds is False
    assert guards(scores, BudgetPlan(general_loss=0.0)) == []


def test_the_cure_depends_on_whether_the_base_was_protected():
    scores = {"general_loss": score("general_loss", 0.3, 0.2, 0.4)}
    assert "[{name: kl_to_base}]" in guards(scores, BudgetPlan())[0].cure
    assert "weight" in guards(scores, BudgetPlan(), protected=True)[0].cure


def test_extraction_above_the_base_holds():
    assert verdict(memorization=score("memorization", 0.1, 0.02, 0.2)).decision == "hold"
    assert verdict(memorization=score("memorization", 0.1, -0.02, 0.2)).decision == "ship"


def test_an_alarm_holds_and_is_said():
    watched = guards({}, BudgetPlan(), alarm="over-memorized: so and so")
    found = decide(HEADLINE, BETTER, "lora", watched=watched)
    assert found.decision == "hold"
    assert "over-memorized: so and so" in found.reasons


def test_a_written_model_that_answers_otherwise_is_never_shipped():
    assert guards({}, BudgetPlan(), exported=0.5)[0].holds
    assert guards({}, BudgetPlan(), exported=0.001) == []
