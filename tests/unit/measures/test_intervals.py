"""Bootstrap intervals: a value worked out by hand, coverage in simulation, pairing, groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from outcomes import classified
from scipy.stats import binomtest, ttest_1samp

from fewtune.measures.base import row_measure
from fewtune.measures.intervals import bootstrap, paired, share, share_difference, weights


def mean(values):
    return lambda w: w @ values / w.sum(axis=1)


def test_weights_take_as_many_groups_as_there_are():
    groups = np.array([5, 5, 2, 9])
    drawn = np.concatenate(list(weights(groups, 1200, seed=0)))
    assert drawn.shape == (1200, 4)
    assert (drawn[:, 0] == drawn[:, 1]).all(), "rows of one group go together"
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(4), abs=0.1)


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
    """100 rows in 10 groups of equal rows tell no more than 10 rows.

    Standard errors √(100·99 / 10·9) apart, and Student's reach: 2.262 for 9 degrees, 1.984 for 99.
    """
    values = np.repeat(np.arange(10) % 2, 10).astype(float)
    _, low, high = bootstrap(mean(values), np.repeat(np.arange(10), 10))
    _, alone_low, alone_high = bootstrap(mean(values), np.arange(100))
    # A bootstrap of so few groups moves in steps, which rounds it outwards.
    by_hand = math.sqrt(110) * 2.262 / 1.984 / math.sqrt(10)
    assert by_hand <= (high - low) / (alone_high - alone_low) <= 1.1 * by_hand


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
    values = np.random.default_rng(0).random(600)
    first, again = (bootstrap(mean(values), np.arange(600), draws=300, seed=4) for _ in range(2))
    assert first == again
    assert bootstrap(mean(values), np.arange(600), draws=300, seed=5) != first


def test_few_rows_have_students_interval_at_least():
    """Mean 2, deviation 1, 3 rows: ± 4.303 / √3 = ± 2.484; of six, cut to what single rows show.

    A single 6 beside five 0: mean 1, standard error 1, Student's reach 2.571 or Hall's 4.9.
    """
    few = mean(np.array([1.0, 2.0, 3.0]))
    assert bootstrap(few, np.arange(3)) == pytest.approx((2.0, -0.484, 4.484), abs=0.001)
    assert bootstrap(few, np.arange(3), within=(0, 4)) == (2.0, 0.0, 4.0)
    assert bootstrap(mean(np.r_[6.0, np.zeros(5)]), np.arange(6)) == (1.0, 0.0, 6.0)
    values = np.random.default_rng(3).normal(size=12)
    value, low, high = bootstrap(mean(values), np.arange(12))
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert low <= expected.low + 1e-9
    assert high >= expected.high - 1e-9
    assert value == pytest.approx(values.mean())
    assert high - low < 1.4 * (expected.high - expected.low)


def test_a_long_tail_widens_its_side():
    """Of an exponential sample the bound above lies further off than that below."""
    values = np.random.default_rng(5).exponential(size=40)
    value, low, high = bootstrap(mean(values), np.arange(40))
    assert high - value > 1.05 * (value - low)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 10), (28, 30), (12, 12)])
def test_a_share_has_wilsons_interval(hits, n):
    right = np.arange(n) < hits
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert share(right, np.arange(n)) == pytest.approx((hits / n, expected.low, expected.high))


def test_grouped_shares_by_hand():
    """8 rows in 4 groups of two that agree: as wide as 4 rows but for Student's reach.

    Spread of a row 1/4; of the mean: Σ(±1)² · 4/3 / 64 = 1/12; so 3 rows' worth.
    """
    right = np.repeat([True, False, True, False], 2)
    value, low, high = share(right, np.repeat(np.arange(4), 2))
    square = 3.182446**2 / 3
    half = math.sqrt(square / 4 + square**2 / 4) / (1 + square)
    assert (value, low, high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)
    alone = share(right, np.arange(8))
    assert high - low > alone[2] - alone[1]
    sure = share(np.ones(8, dtype=bool), np.repeat(np.arange(4), 2))
    assert sure[1] < share(np.ones(8, dtype=bool), np.arange(8))[1]


def test_a_difference_of_shares_as_newcombe_has_it():
    """His table II, a = 36, b = 12, c = 2, d = 0: 0.2 with [0.0569, 0.3404] by methods 8 and 10."""
    first = np.r_[np.ones(36), np.ones(12), np.zeros(2)].astype(bool)
    second = np.r_[np.ones(36), np.zeros(12), np.ones(2)].astype(bool)
    value, low, high = share_difference(first, second, np.arange(50))
    assert (value, low, high) == pytest.approx((0.2, 0.0569, 0.3404), abs=2e-4)


def test_phi_of_a_difference_is_not_corrected_for_continuity():
    """Newcombe 1998, method 8, where ad > bc: both right 16, the first alone 6, the second 1, no 7.

    22 and 17 of 30: Wilson [.5555, .8582] and [.3920, .7262]. ad − bc = 106, so that φ =
    106 / √(22·8·17·13) = .5375. Below: √(.1778² − 2φ·.1778·.1596 + .1596²) = .1630; above:
    √(.1248² − 2φ·.1248·.1747 + .1747²) = .1505; 5/30 less the one, and the other on top.
    """
    both = ([True, True],) * 16 + ([True, False],) * 6 + ([False, True],) + ([False, False],) * 7
    first, second = np.array(both).T
    _, low, high = share_difference(first, second, np.arange(30))
    assert (low, high) == pytest.approx((0.0036, 0.3172), abs=2e-4)


@pytest.mark.parametrize(
    ("rows", "groups", "bound"), [(4, 4, 0.602), (60, 60, 0.060), (60, 4, 0.602)]
)
def test_that_none_differs_is_no_proof_that_none_would(rows, groups, bound):
    """(1 − p)^n = 0.025: p is 0.602 for 4 rows or groups, 0.060 for 60."""
    right = np.arange(rows) // (rows // groups) % 2 == 0
    found = share_difference(right, right, np.arange(rows) // (rows // groups))
    assert found == pytest.approx((0, -bound, bound), abs=0.001)


@pytest.mark.parametrize("differing", range(1, 7))
def test_rows_that_differ_by_chance_are_no_difference(differing):
    """k fair coins fall alike in 2 of 2^k cases; the mid-p counts half of what was seen: 2^-k."""
    first = np.ones(differing, dtype=bool)
    value, low, _ = share_difference(first, ~first, np.arange(differing))
    assert value == 1
    assert (low > 0) == (0.5**differing <= 0.05)
    # Rows of one group are one coin, however many they are.
    rows, copies = np.ones(60, dtype=bool), np.arange(60) % differing
    assert (share_difference(rows, ~rows, copies)[1] > 0) == (0.5**differing <= 0.05)


def test_all_alike_is_no_proof_of_no_difference():
    same = np.ones(20, dtype=bool)
    value, low, high = share_difference(same, same, np.arange(20))
    assert value == 0
    assert low == -high
    assert -0.17 < low < -0.1


def test_what_is_not_defined_is_nan_and_not_a_number():
    answer = bootstrap(lambda w: np.full(len(w), np.nan), np.arange(5))
    assert all(math.isnan(value) for value in answer)


def test_one_group_has_no_interval_and_few_reach_beyond_themselves():
    """Of one group nothing can be told; the truth lies beyond two groups in half of all cases.

    Two means 0 and 1: standard error 0.5, Student's reach 12.706 for one degree of freedom.
    """
    value, low, high = bootstrap(mean(np.array([0.2, 0.4])), np.array([7, 7]))
    assert value == pytest.approx(0.3)
    assert np.isnan([low, high]).all()
    _, low, high = bootstrap(mean(np.array([0.0, 1.0])), np.array([0, 1]))
    assert (low, high) == pytest.approx((0.5 - 6.353, 0.5 + 6.353), abs=0.001)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_groups_are_covered_too(count):
    """300 samples of normal values; 95% less 3 standard errors of that share, rounded out."""
    draw, covered = np.random.default_rng(count), 0
    for _ in range(300):
        _, low, high = bootstrap(mean(draw.normal(1, 1, count)), np.arange(count), draws=200)
        covered += low <= 1 <= high
    assert covered / 300 >= 0.91
