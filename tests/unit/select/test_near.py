"""What is better on the same rows, and how surely: by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from outcomes import classified, generated

from fewtune.measures.base import row_measure
from fewtune.select.near import behind, calibrated_losses, stays, surest

ACCURACY, BYTES = row_measure("accuracy"), row_measure("loss_per_byte")


def sure_of(rights, wrongs):
    """Return two-class outcomes of truth 0 with these probabilities of the right class."""
    first = np.array([*rights, *wrongs])
    made = classified([0] * len(first), [0] * len(first), classes=2)
    return replace(made, probabilities=np.stack([first, 1 - first], axis=1), losses=-np.log(first))


def test_a_difference_and_its_standard_error():
    """30 and 28 of 40 right, nested: 2/40, and sqrt(2 · 38/40)/40."""
    truth = [0] * 40
    many = classified(truth, [0] * 30 + [1] * 10)
    few = classified(truth, [0] * 28 + [1] * 12)
    value, error = behind(ACCURACY, many, few)
    assert value == pytest.approx(0.05)
    assert error == pytest.approx(np.sqrt(2 * 38 / 40) / 40, rel=0.08)


def test_how_sure_it_is_as_it_comes_says_nothing():
    """Logits times three are another temperature: the calibrated losses are the same."""
    mild = sure_of([0.9, 0.8, 0.7, 0.9], [0.3])
    logits = 3 * np.log(mild.probabilities)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bold = replace(mild, probabilities=shares, losses=-np.log(shares[:, 0]))
    assert bold.losses.mean() != pytest.approx(mild.losses.mean(), abs=0.05)
    assert calibrated_losses(bold).losses == pytest.approx(calibrated_losses(mild).losses, abs=1e-3)


def test_of_equal_accuracies_the_surer_one_where_it_is_right():
    """One row of 40 apart, which is one standard error; the other is doubtful where it is wrong."""
    top = sure_of([0.8] * 30, [0.2] * 10)
    other = sure_of([0.8] * 29, [0.45] * 11)
    assert calibrated_losses(other).losses.mean() < calibrated_losses(top).losses.mean()
    assert surest(ACCURACY, [top, other]) == 1
    assert surest(ACCURACY, [other, top]) == 0


@pytest.mark.parametrize(("rows", "chosen"), [(3, 1), (5, 0)])
def test_an_accuracy_decides_that_leads_by_two_standard_errors(rows, chosen):
    """Three rows of 40 are 1.8 standard errors of the paired difference, five are 2.4."""
    top = sure_of([0.8] * 30, [0.2] * 10)
    other = sure_of([0.8] * (30 - rows), [0.49] * (10 + rows))
    assert calibrated_losses(other).losses.mean() < calibrated_losses(top).losses.mean()
    assert surest(ACCURACY, [top, other]) == chosen


def test_on_few_rows_one_standard_error_decides():
    """One row of six is 1.1 standard errors of the paired difference."""
    top, other = sure_of([0.8] * 4, [0.2] * 2), sure_of([0.8] * 3, [0.49] * 3)
    assert calibrated_losses(other).losses.mean() < calibrated_losses(top).losses.mean()
    assert surest(ACCURACY, [top, other]) == 0


def test_a_surely_lower_accuracy_is_not_made_up_for():
    top = sure_of([0.8] * 36, [0.2] * 4)
    other = sure_of([0.999] * 24, [0.499] * 16)
    assert surest(ACCURACY, [top, other]) == 0


@pytest.mark.parametrize(
    ("right", "wrong", "stay"),
    [
        # Five of 40 rows more are 2.4 standard errors of the accuracy.
        ([0.8] * 35, [0.2] * 5, False),
        # As often right, and in doubt wherever it is wrong: surely the lower loss.
        ([0.8] * 30, [0.45] * 10, False),
        # The same, but less often right.
        ([0.8] * 29, [0.45] * 11, True),
        # One row alone is one standard error at most, of either.
        ([0.8] * 31, [0.2] * 9, True),
        ([0.8] * 30, [0.2] * 10, True),
    ],
)
def test_what_pays_in_the_mean_stays_unless_a_rival_is_surely_better(right, wrong, stay):
    own, rival = sure_of([0.8] * 30, [0.2] * 10), sure_of(right, wrong)
    assert stays(ACCURACY, own, rival) == stay


def test_below_enough_rows_what_seems_better_is_taken():
    own, rival = sure_of([0.8] * 30, [0.2] * 9), sure_of([0.8] * 31, [0.2] * 8)
    assert not stays(ACCURACY, own, rival)


def test_of_generators_the_headline_decides_and_of_equals_the_last():
    low, high = generated([1.0, 2.0], [4, 4]), generated([1.0, 3.0], [4, 4])
    assert surest(BYTES, [high, low]) == 1
    assert surest(BYTES, [low, high, low]) == 2
