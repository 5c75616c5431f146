"""What else than quality holds a model back: forgetting, general loss, extraction, the alarm."""

from __future__ import annotations

import pytest

from fewtune.plan.plan import BudgetPlan
from fewtune.records import Score
from fewtune.select.guards import Guard, guards, one_group
from fewtune.select.verdict import decide


def score(name, value, low, high, direction="lower"):
    return Score(name, value, low, high, 100, direction, "share")


BETTER = {"base": score("accuracy", 0.2, 0.1, 0.3, "higher")}
HEADLINE = score("accuracy", 0.8, 0.7, 0.9, "higher")


def verdict(**scores):
    return decide(HEADLINE, BETTER, watched=guards(scores, BudgetPlan()))


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
    assert "[{name: kl_to_base}, {name: secret_mask}]" in guards(scores, BudgetPlan())[0].cure
    cure = guards(scores, BudgetPlan(), held=2.0)[0].cure
    assert "{name: kl_to_base, options: {weight: 8}}" in cure
    assert "budget.general_loss=0.3" in cure
    # Its trial was held harder and kept the budget: so may the refit.
    cure = guards(scores, BudgetPlan(), held=2.0, eased=1.5)[0].cure
    assert "--set select.ease=1" in cure and "weight" not in cure


def test_two_budgets_that_are_exceeded_have_one_cure():
    scores = {
        "general_loss": score("general_loss", 0.3, 0.2, 0.4),
        "forgetting": score("forgetting", 0.1, 0.05, 0.15),
        "forgetting_net": score("forgetting_net", 0.121, 0.08, 0.16),
    }
    found = guards(scores, BudgetPlan(), held=1.0)
    assert [guard.holds for guard in found] == [True, True]
    assert found[0].cure == found[1].cure
    # Rounded up to whole percents, the worse of the two views of the probes.
    assert "--set budget.forgetting=0.1 --set budget.general_loss=0.3" in found[0].cure
    assert len(verdict(**scores).cures) == 1


def test_faults_come_before_controls_and_controls_before_what_broke():
    paired = {"base": Score("loss_per_byte", 0.1, 0.05, 0.15, 50, "lower", "nats/byte")}
    headline = Score("loss_per_byte", 1.0, 0.9, 1.1, 50, "lower", "nats/byte")
    found = decide(
        headline,
        paired,
        watched=[Guard(True, "forgot", "hold it")],
        faults=[Guard(True, "leakage", "drop the copies")],
    )
    assert found.decision == "hold"
    assert found.cures == (
        "drop the copies",
        "Do not tune on this data: the base does as well",
        "hold it",
    )
    assert found.reasons[0] == "leakage" and found.reasons[-1] == "forgot"


@pytest.mark.parametrize(("gain", "decision"), [(0.0009, "hold"), (0.0011, "ship")])
def test_a_gain_that_is_sure_and_next_to_nothing_is_none(gain, decision):
    # The base is at 1.0, so a thousandth of it is 0.001.
    paired = {"base": Score("loss_per_byte", -gain, -2 * gain, -1e-6, 50, "lower", "nats/byte")}
    headline = Score("loss_per_byte", 1.0 - gain, 0.9, 1.1, 50, "lower", "nats/byte")
    found = decide(headline, paired)
    assert found.decision == decision
    assert ("next to nothing" in found.reasons[0]) == (decision == "hold")


def test_a_loss_that_fell_is_told_as_less_loss():
    """A rise of -8% with an interval from -9 to -7.1 is 8% less, from 7.1 to 9."""
    (found,) = guards({"general_loss": score("general_loss", -0.08, -0.09, -0.071)}, BudgetPlan())
    assert found.reason.startswith("general ability within the budget: 8.0% less loss on general")
    assert "95% interval [7.1, 9.0], n " in found.reason
    assert "; budget 5.0% more)" in found.reason
    (risen,) = guards({"general_loss": score("general_loss", 0.02, -0.01, 0.05)}, BudgetPlan())
    assert "2.0% more loss on general text (95% interval [-1.0, 5.0]" in risen.reason
    assert "budget 5.0%)" in risen.reason


def test_extraction_above_the_base_holds():
    assert verdict(memorization=score("memorization", 0.1, 0.02, 0.2)).decision == "hold"
    few = verdict(memorization=score("memorization", 0.1, -0.02, 0.2))
    assert few.decision == "ship"
    assert few.reasons[-1].startswith("not surely memorized: +10.0 points")
    none = verdict(memorization=score("memorization", 0.0, -0.02, 0.02))
    assert none.reasons[-1].startswith("no sign of memorized rows")


def test_fewer_probes_right_hold_where_chance_explains_what_was_lost():
    """Of cloze items with four options 70% right before and 60% now may be no forgetting at all by
    the corrected share, and are ten points fewer all the same."""
    scores = {
        "forgetting": score("forgetting", 0.0, 0.0, 0.02),
        "forgetting_net": score("forgetting_net", 0.1, 0.04, 0.16),
    }
    (found,) = guards(scores, BudgetPlan())
    assert found.holds
    assert "10.0% fewer probes right" in found.reason
    scores["forgetting_net"] = score("forgetting_net", -0.01, -0.05, 0.03)
    (found,) = guards(scores, BudgetPlan())
    assert not found.holds
    assert "0.0% of the probes" in found.reason


@pytest.mark.parametrize(
    ("low", "value", "high", "holds", "words"),
    [
        (-0.2, -0.1, -0.01, True, "further from their targets than the base's: -10.0 points"),
        (-0.2, -0.1, 0.01, False, "not surely nearer"),
        (0.1, 0.2, 0.3, False, "answers nearer to their targets: +20.0 points"),
    ],
)
def test_answers_surely_worse_than_the_bases_hold(low, value, high, holds, words):
    (found,) = guards({"chrf_gain": score("chrf_gain", value, low, high, "higher")}, BudgetPlan())
    assert found.holds == holds
    assert words in found.reason
    assert ("predictions.jsonl" in found.cure) == holds


def test_an_alarm_holds_and_is_said():
    watched = guards({}, BudgetPlan(), alarm="over-memorized: so and so")
    found = decide(HEADLINE, BETTER, watched=watched)
    assert found.decision == "hold"
    assert "over-memorized: so and so" in found.reasons


def test_a_written_model_that_answers_otherwise_is_never_shipped():
    assert guards({}, BudgetPlan(), exported=0.5)[0].holds
    assert guards({}, BudgetPlan(), exported=0.001) == []


@pytest.mark.parametrize(("ended", "holds"), [(0, True), (6, False)])
def test_answers_that_hardly_ever_end_hold(ended, holds):
    # By Wilson's interval 0 of 12 is at most 24%, 6 of 12 at most 75%.
    low, high = (0.0, 0.2425) if not ended else (0.254, 0.746)
    one = Score("ends_by_itself", ended / 12, low, high, 12, "higher", "share")
    found = guards({"ends_by_itself": one}, BudgetPlan())
    assert [guard.holds for guard in found] == ([True] if holds else [])
    if holds:
        assert "0 of 12 end by themselves" in found[0].reason
        assert "training.updates" in found[0].cure


def test_test_rows_of_one_group_hold_whatever_they_say():
    (alone,) = one_group([3, 3, 3])
    assert alone.holds and "the test rows (3) belong together" in alone.reason
    assert one_group([3, 3, 4]) == []
