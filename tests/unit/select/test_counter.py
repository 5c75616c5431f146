"""A strange rate beside the usual one: who is asked, and what the two losses say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import generated

from fewtune.select.counter import Counter, _compared


def counter(rate, own, other, error):
    return Counter("full", rate, 1e-3, 3e-4, 3e-3, own, other, error, 20)


@pytest.mark.parametrize(
    ("rate", "own", "high", "low"),
    [
        (1e-2, 2.0, True, False),
        (1e-2, 1.0, True, False),  # no better than usual: the strange rate has to show its worth
        (1e-2, 0.5, False, False),  # surely better
        (1e-5, 2.0, False, True),
        (1e-5, 0.5, False, False),
        (2e-3, 2.0, False, False),  # within the sweep
    ],
)
def test_a_strange_rate_is_a_fault_unless_it_is_surely_better(rate, own, high, low):
    found = counter(rate, own, 1.0, 0.1)
    assert (found.too_high, found.too_low) == (high, low)


def test_the_sentence_holds_rates_losses_and_doubt():
    sure = counter(1e-2, 2.0, 1.0, 0.1).sentence()
    assert "0.01 is 10 times what is usual here (0.001; sweep 0.0003 to 0.003)" in sure
    assert "1.0000 nats a unit, at this one 2.0000 (± 0.1000, n 20)." in sure
    assert "is 0.01 times what is usual" in counter(1e-5, 2.0, 1.0, 0.1).sentence()
    assert "cannot tell apart" in counter(1e-5, 1.1, 1.0, 0.1).sentence()


def test_losses_of_the_same_rows_are_paired():
    own, other = generated([2.0, 4.0, 6.0], [2, 2, 2]), generated([1.0, 3.0, 5.0], [2, 2, 2])
    mean, usual, error, n = _compared(own, other)
    assert (mean, usual, n) == (2.0, 1.5, 3)
    assert error == pytest.approx(0.0)  # each row is worse by the same


def test_losses_of_other_rows_are_not():
    own, other = generated([2.0, 4.0, 6.0], [2, 2, 2]), generated([1.0, 3.0, 5.0], [2, 2, 2])
    *_, error, _ = _compared(replace(own, sources=("x", "y", "z")), other)
    # Each mean: deviations −2, 0, 2 over 6 units, so √8 / 6; two of them add as squares.
    assert error == pytest.approx((8 / 36 * 2) ** 0.5)
