"""Bootstrap intervals: a value worked out by hand, coverage in simulation, pairing, groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from outcomes import classified

from fewtune.measures.base import row_measure
from fewtune.measures.intervals import bootstrap, paired, weights


def mean(values):
    return lambda w: w @ values / w.sum(axis=1)


def test_weights_take_as_many_groups_as_there_are():
    groups = np.array([5, 5, 2, 9])
    drawn = np.concatenate(list(weights(groups, 1200, seed=0)))
    assert drawn.shape == (1200, 4)
    assert (drawn[:, 0] == drawn[:, 1]).all(), "rows of one group go together"
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(4), abs=0.1)


def test_the_interval_of_two_rows_by_hand():
    """Rows 0 and 1: a draw has mean 0 (1/4), 1/2 (1/2) or 1 (1/4); so 95% lies in [0, 1]."""
    assert bootstrap(mean(np.array([0.0, 1.0])), np.array([0, 1])) == (0.5, 0.0, 1.0)


def test_the_interval_of_many_rows_is_the_normal_one():
    """Of 1,000 rows, 300 right: 0.3 ± 1.96 · sqrt(0.3 · 0.7 / 1000) = 0.3 ± 0.0284."""
    values = np.r_[np.ones(300), np.zeros(700)]
    value, low, high = bootstrap(mean(values), np.arange(1000))
    assert value == pytest.approx(0.3)
    assert low == pytest.approx(0.3 - 0.0284, abs=0.002)
    assert high == pytest.approx(0.3 + 0.0284, abs=0.002)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """200 samples of 80 rows with mean 0.6; 95% ± 3 standard errors of that share, rounded out."""
    draw, covered = np.random.default_rng(1), 0
    for _ in range(200):
        values = (draw.random(80) < 0.6).astype(float)
        _, low, high = bootstrap(mean(values), np.arange(80), draws=500)
        covered += low <= 0.6 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_groups_make_the_interval_as_wide_as_they_are_few():
    """100 rows in 10 groups of equal rows tell no more than 10 rows."""
    values = np.repeat(np.arange(10) % 2, 10).astype(float)
    _, low, high = bootstrap(mean(values), np.repeat(np.arange(10), 10))
    _, alone_low, alone_high = bootstrap(mean(values), np.arange(100))
    assert (high - low) / (alone_high - alone_low) == pytest.approx(math.sqrt(10), rel=0.15)


def test_a_paired_comparison_is_narrower_than_two_intervals():
    """Two models that agree on nearly all rows: pairing sees the few on which they differ."""
    draw = np.random.default_rng(2)
    truth = draw.integers(3, size=200)
    first = np.where(draw.random(200) < 0.7, truth, (truth + 1) % 3)
    second = first.copy()
    wrong = np.flatnonzero(first != truth)[:10]
    second[wrong] = truth[wrong]
    a, b = classified(truth.tolist(), first.tolist()), classified(truth.tolist(), second.tolist())
    measure = row_measure("accuracy")
    difference = measure.difference(b, a)
    assert difference.value == pytest.approx(10 / 200)
    assert difference.low > 0
    one, two = measure.of(a), measure.of(b)
    unpaired = math.hypot(one.high - one.low, two.high - two.low)
    assert difference.high - difference.low < 0.5 * unpaired


def test_a_model_against_itself_differs_by_exactly_nothing():
    values = np.random.default_rng(0).random(30)
    assert paired(mean(values), mean(values), np.arange(30)) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(30)
    first, again = (bootstrap(mean(values), np.arange(30), seed=4) for _ in range(2))
    assert first == again
    assert bootstrap(mean(values), np.arange(30), seed=5) != first


def test_what_is_not_defined_is_nan_and_not_a_number():
    answer = bootstrap(lambda w: np.full(len(w), np.nan), np.arange(5))
    assert all(math.isnan(value) for value in answer)
