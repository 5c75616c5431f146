"""Measures against scikit-learn and against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from outcomes import classified, generated
from sklearn.metrics import accuracy_score, f1_score, log_loss

from fewtune.errors import DataError
from fewtune.measures.base import Evidence, row_measure, score_all

DRAW = np.random.default_rng(3)
TRUTH = DRAW.integers(3, size=60)
PREDICTED = np.where(DRAW.random(60) < 0.7, TRUTH, DRAW.integers(3, size=60))
MADE = classified(TRUTH.tolist(), PREDICTED.tolist())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("accuracy", lambda w: accuracy_score(TRUTH, PREDICTED, sample_weight=w)),
        ("macro_f1", lambda w: f1_score(TRUTH, PREDICTED, average="macro", sample_weight=w)),
        ("log_loss", lambda w: log_loss(TRUTH, MADE.probabilities, sample_weight=w)),
    ],
)
def test_classification_as_scikit_learn_has_it(name, reference, weighted):
    weights = DRAW.integers(0, 4, size=60).astype(float) if weighted else np.ones(60)
    (value,) = row_measure(name).values(MADE, weights[None])
    assert value == pytest.approx(reference(weights))


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    """Truth a a b, predicted a b b: F1 is 2/3 for both a and b; c and d are not there."""
    made = classified([0, 0, 1], [0, 1, 1], classes=4)
    assert row_measure("macro_f1").of(made).value == pytest.approx(2 / 3)


def test_loss_per_byte_is_a_ratio_of_sums():
    """(2 + 6) nats over (1 + 3) bytes is 2, not the mean of 2 and 2 by chance: so 2 + 9 over 4."""
    assert row_measure("loss_per_byte").of(generated([2.0, 9.0], [1, 3])).value == 11 / 4


def test_knowing_nothing_costs_the_logarithm_of_the_classes():
    made = classified([0, 1, 2, 2], [0, 0, 0, 0], sure=1 / 3)
    assert row_measure("log_loss").of(made).value == pytest.approx(math.log(3))


def test_the_gap_is_positive_where_trained_rows_fare_better():
    trained = classified([0, 1, 2, 0], [0, 1, 2, 0])
    unseen = classified([0, 1, 2, 0], [0, 1, 1, 1])
    scores = score_all(Evidence("text_classification", unseen, trained, unseen))
    gap = scores["generalization_gap"]
    assert gap.value == pytest.approx(0.5)
    assert gap.low <= 0.5 <= gap.high
    better, worse = generated([1.0] * 9, [2] * 9), generated([3.0] * 9, [2] * 9)
    gap = score_all(Evidence("generation", worse, better, worse))["generalization_gap"]
    assert gap.value == pytest.approx(1.0)


def test_answers_that_end_by_themselves():
    made = Evidence("generation", generated([1.0], [1]), ended=(True, True, True, False))
    assert score_all(made)["ends_by_itself"].value == 0.75
    assert "ends_by_itself" not in score_all(Evidence("generation", generated([1.0], [1])))


def test_only_the_measures_of_the_task_are_taken():
    classification = score_all(Evidence("text_classification", MADE))
    generation = score_all(Evidence("generation", generated([1.0, 2.0], [3, 4])))
    assert {"accuracy", "macro_f1", "log_loss"} <= set(classification)
    assert "loss_per_byte" in generation
    assert not set(classification) & {"loss_per_byte", "ends_by_itself"}
    assert not set(generation) & {"accuracy", "macro_f1", "log_loss"}


def test_no_rows_and_other_rows_are_refused():
    measure = row_measure("accuracy")
    with pytest.raises(DataError, match="rows to measure on"):
        measure.of(MADE.take([]))
    with pytest.raises(DataError, match="the same rows"):
        measure.difference(MADE.take([0, 1]), MADE.take([1, 0]))
