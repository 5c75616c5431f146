"""Over-memorization by hand: what counts is the least loss before the kept weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import classified, generated

from fewtune.measures.base import Evidence, score_all
from fewtune.measures.over_memorization import alarm
from fewtune.records import Score

MANY = generated([1.0] * 50, [2] * 50)
EVALUATIONS = (
    {"validation_loss": 1.0, "error": 0.01, "headline": 1.0},
    {"validation_loss": 1.5, "error": 0.02, "headline": 1.5, "best": True},
    {"validation_loss": 2.0, "error": 0.02, "headline": 2.0},
)
FALLING = (
    {"validation_loss": 1.0, "error": 0.03, "headline": 0.8, "best": True},
    {"validation_loss": 0.6, "error": 0.03, "headline": 0.9, "best": True},
    {"validation_loss": 0.45, "error": 0.03, "headline": 0.89, "best": False},
)
"""A classifier that was kept for its accuracy while its loss was still falling."""


def scores(evaluations):
    return score_all(Evidence("generation", MANY, evaluations=evaluations))


def diversity(value):
    return Score("diversity", value, value - 0.05, value + 0.05, 16, "higher", "share")


def test_the_kept_snapshot_over_the_least():
    """1.5 ± 1.96 · 1.5 · sqrt(0.01² + (0.02 / 1.5)²) = 1.5 ± 0.049."""
    found = scores(EVALUATIONS)["over_memorization"]
    assert found.value == pytest.approx(1.5)
    assert found.high - found.value == pytest.approx(0.049, abs=1e-3)
    first = scores(EVALUATIONS[:1])["over_memorization"]
    assert (first.value, first.low, first.high) == (1.0, 1.0, 1.0)
    broken = ({"validation_loss": "nan"}, *EVALUATIONS)
    assert scores(broken)["over_memorization"].value == pytest.approx(1.5)
    assert "over_memorization" not in scores(())


def test_a_loss_that_falls_further_is_no_sign():
    """Kept at 0.6, the least up to there, though 0.45 came after; the same where the start is."""
    assert scores(FALLING)["over_memorization"].value == 1.0
    untuned = ({**FALLING[0]}, *({**e, "best": False} for e in FALLING[1:]))
    assert scores(untuned)["over_memorization"].value == 1.0
    # 0.5 was the least before the kept one, whatever came later.
    risen = ({**FALLING[0], "validation_loss": 0.5}, *FALLING[1:])
    assert scores(risen)["over_memorization"].value == pytest.approx(0.6 / 0.5)


@pytest.mark.parametrize(
    ("fall", "evaluations", "task", "alarms"),
    [
        (-0.2, EVALUATIONS, "generation", True),
        (0.1, EVALUATIONS, "generation", False),
        (-0.04, EVALUATIONS, "generation", False),
        (-0.2, ({**EVALUATIONS[0], "validation_loss": 1.4}, *EVALUATIONS[1:]), "generation", False),
        (-0.2, FALLING, "generation", False),
        (-0.2, EVALUATIONS, "text_classification", False),
    ],
)
def test_an_alarm_needs_all_signs(fall, evaluations, task, alarms):
    evidence = Evidence(task, MANY, validation=MANY, evaluations=evaluations)
    found = score_all(evidence, ["over_memorization"]) | {"diversity": diversity(fall)}
    said = alarm(evidence, found)
    assert bool(said) == alarms
    assert not said or ("1.50 times" in said and "diversity fell by 20.0%" in said)


def test_what_typos_cost_one_model_is_no_sign():
    """A classifier kept late, at twice its least loss, that typos cost 12 of 90 right rows."""
    right = [place % 10 > 0 for place in range(100)]
    test = classified([0] * 100, [int(not one) for one in right])
    typed = classified([0] * 100, [int(not one or place < 13) for place, one in enumerate(right)])
    late = (EVALUATIONS[0], {**EVALUATIONS[1], "validation_loss": 2.0, "headline": 0.9})
    evidence = Evidence(
        "text_classification", test, validation=test, perturbed={"typos": typed}, evaluations=late
    )
    found = score_all(evidence)
    assert found["robustness"].low > 0
    assert found["over_memorization"].value == 2.0
    assert alarm(evidence, found) == ""
    assert alarm(replace(evidence, task="generation"), found) == ""
