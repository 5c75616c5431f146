"""The value curve: subsets by rule, a law that is known, and when nothing can be said."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from outcomes import classified, generated

from fewtune.measures.base import row_measure
from fewtune.select.law import Law, fit_law
from fewtune.select.subsets import nested_subsets
from fewtune.select.value_curve import (
    Round,
    ValueCurve,
    _fitted,
    _spread,
    value_curve,
)

ACCURACY = row_measure("accuracy")


class TestSubsets:
    def test_each_holds_the_smaller_ones_and_its_share_of_every_stratum(self):
        strata = ["a"] * 40 + ["b"] * 20 + ["c"] * 20
        found = nested_subsets(range(80), strata, range(80), (0.25, 0.5, 1.0), seed=1)
        assert [len(one) for one in found] == [20, 40, 80]
        assert set(found[0]) < set(found[1]) < set(found[2]) == set(range(80))
        for one in found:
            counted = Counter(strata[row] for row in one)
            assert [counted[x] for x in "abc"] == [len(one) // 2, len(one) // 4, len(one) // 4]

    def test_groups_stay_whole(self):
        groups = np.arange(60) // 3
        sizes = (0.3, 0.7)
        found = nested_subsets(range(60), [0] * 60, groups, sizes, seed=2)
        for one in found:
            counted = Counter(groups[row] for row in one)
            # The last group may be cut where the share ends in its middle.
            assert sum(times < 3 for times in counted.values()) <= 1

    def test_the_seed_draws(self):
        made = [nested_subsets(range(30), [0] * 30, range(30), (0.5,), seed=s) for s in (1, 1, 2)]
        assert made[0] == made[1] != made[2]
        assert nested_subsets([5, 9], "0" * 10, range(10), (0.1, 1.0)) in (
            [[5], [5, 9]],
            [[9], [9, 5]],
        )


def simulated(error, n=400, held=400, folds=3, seed=0):
    """Return rounds whose models are wrong with probability error(rows) on the held rows.

    Every held row has a difficulty of its own, so models of different sizes fail on the same rows.
    """
    draw = np.random.default_rng(seed)
    rounds = []
    for _ in range(folds):
        hard = draw.random(held)

        def score(rows, hard=hard):
            wrong = hard < error(len(rows))
            return classified([0] * held, wrong.astype(int), classes=2, sure=0.9)

        rounds.append(Round(range(n), score))
    return rounds


def law(a, b, c):
    return lambda m: c + a * m**-b


class TestCurve:
    @pytest.mark.parametrize(("a", "b", "c"), [(2.0, 0.5, 0.02), (0.8, 0.3, 0.04)])
    def test_a_known_law(self, a, b, c):
        """From 400 to 800 rows; the truth is inside the interval and the middle is near."""
        truth = law(a, b, c)(400) - law(a, b, c)(800)
        inside, far = 0, []
        for seed in range(10):
            found = value_curve(
                simulated(law(a, b, c), seed=seed), ACCURACY, [0, 1] * 200, range(400), seed=seed
            )
            assert not found.doubt
            inside += found.low <= truth <= found.high
            far.append(found.gain - truth)
        assert inside >= 9
        assert abs(np.mean(far)) < 0.3 * truth

    def test_what_it_tells(self):
        found = value_curve(
            simulated(law(2.0, 0.5, 0.02)), ACCURACY, [0, 1] * 200, range(400), more=200
        )
        assert [p.rows for p in found.points] == [100, 200, 300, 400]
        assert all(p.low <= p.value <= p.high for p in found.points)
        assert found.points[0].value < found.points[-1].value
        assert found.sentence().startswith("200 more rows: about +")
        assert found.sentence().endswith("points of accuracy.")
        kept = json.loads(json.dumps(found.as_json()))
        assert kept["sentence"] == found.sentence()
        assert kept["drawn"][-1][0] == pytest.approx(600)
        assert kept["points"][0]["rows"] == 100

    def test_every_fit_is_of_a_subset_and_the_whole_is_fitted_once(self):
        asked = []

        def score(rows):
            asked.append(len(rows))
            return classified([0] * 50, [0] * 25 + [1] * 25, classes=2, sure=0.9)

        value_curve([Round(range(100), score)], ACCURACY, [0] * 100, range(100), repeats=3)
        assert Counter(asked) == {25: 3, 50: 3, 75: 3, 100: 1}

    def test_loss_per_byte_falls(self):
        draw = np.random.default_rng(0)

        def score(rows):
            sizes = np.full(80, 20)
            noise = draw.normal(scale=0.2, size=80)
            return generated(
                ((0.5 + 4 * len(rows) ** -0.6) * sizes + noise).tolist(), sizes.tolist()
            )

        found = value_curve(
            [Round(range(120), score)], row_measure("loss_per_byte"), [0] * 120, range(120)
        )
        truth = 4 * 120**-0.6 - 4 * 240**-0.6
        assert found.low <= truth <= found.high
        assert "nats/byte less" in found.sentence()

    def test_no_gain_is_said_to_be_unknown(self):
        found = value_curve(simulated(lambda m: 0.2), ACCURACY, [0] * 400, range(400))
        assert "does not rise above chance" in found.doubt
        assert found.low <= 0 <= found.high
        assert found.sentence().startswith("What 400 more rows would bring cannot be told: ")

    def test_too_few_rows_for_three_sizes(self):
        made = simulated(law(1.0, 0.5, 0.0), n=12)
        found = value_curve(made, ACCURACY, list(range(12)), range(12))
        assert "too few" in found.doubt
        assert np.isnan(found.gain)
        assert json.loads(json.dumps(found.as_json()))["gain"] is None

    def test_it_does_not_reach_far(self):
        made = simulated(law(1.0, 0.5, 0.0))
        found = value_curve(made, ACCURACY, [0] * 400, range(400), more=4000)
        assert "does not reach" in found.doubt

    def test_scores_without_a_law(self):
        """Worse in the middle than at both ends, by far more than the rows' own noise."""
        odd = {100: 0.1, 200: 0.5, 300: 0.1, 400: 0.4}
        found = value_curve(simulated(odd.get), ACCURACY, [0] * 400, range(400))
        assert "no law" in found.doubt


def test_the_spread_over_draws_is_told_from_the_luck_of_the_held_rows():
    """Errors of 20% on 200 held rows, of models drawn anew each time: with own luck of variance
    1 / rows, and without. Held rows alone make differences too, which are not to be counted."""
    found = {}
    for own in (0.0, 1.0):
        draw = np.random.default_rng(3)

        def score(rows, own=own, draw=draw):
            share = 0.3 + draw.normal() * np.sqrt(own / len(rows))
            return classified(
                [0] * 200, (draw.random(200) < share).astype(int), classes=2, sure=0.9
            )

        rounds = [Round(range(400), score) for _ in range(12)]
        sizes, outcomes = _fitted(rounds, [0] * 400, range(400), (0.25, 0.5), 4, 0)
        found[own] = _spread(ACCURACY, sizes, outcomes, (0.0, 0.0))
    assert found[0.0] == pytest.approx(0.0, abs=0.12)
    assert found[1.0] == pytest.approx(1.0, rel=0.35)


class TestLaw:
    def test_exact_errors_give_the_law_back(self):
        """Errors 0.05 + 2 / √m without noise to speak of, at 100, 200, 400 and 800 rows."""
        sizes = [100.0, 200.0, 400.0, 800.0]
        draw = np.random.default_rng(1)
        errors = [np.r_[e, e + draw.normal(scale=1e-5, size=300)][None] for e in
                  (0.05 + 2 * np.asarray(sizes) ** -0.5)]  # fmt: skip
        found = fit_law(sizes, errors, 0.0, [1] * 4)
        gain, low, high = found.gain(800, 1600)
        truth = 2 * 800**-0.5 - 2 * 1600**-0.5
        assert gain == pytest.approx(truth, rel=0.02)
        assert low <= truth <= high
        assert found.error(1600) == pytest.approx(0.05 + 2 * 1600**-0.5, rel=0.02)

    def test_the_luck_of_a_draw_widens_it(self):
        """Variance 0.04 / m: from 400 to 800 rows it adds √(0.04 (1/400 − 1/800)) = 0.0071."""
        sizes = [100.0, 200.0, 400.0]
        draw = np.random.default_rng(1)
        errors = [np.r_[e, e + draw.normal(scale=1e-5, size=300)][None] for e in
                  (2 * np.asarray(sizes) ** -0.5)]  # fmt: skip
        sure = fit_law(sizes, errors, 0.0, [1] * 3).gain(400, 800)
        lucky = fit_law(sizes, errors, 0.04, [1] * 3).gain(400, 800)
        assert lucky[2] - lucky[1] > sure[2] - sure[1] + 1.96 * 0.0071

    def test_what_the_laws_say_is_told_though_the_wider_interval_reaches_below_nothing(self):
        """By hand: falls of 0.5 to 3.5% of an error of 0.2, even: 95% within 0.115 and 0.685
        points, the middle 0.4; half as far again on both sides is -0.0275 and 0.8275."""
        falls = np.linspace(0.005, 0.035, 4001)
        made = Law(100, np.full(4001, 0.2), 1 - 2 * falls, np.ones(4001), 0.0)
        gain, low, high = made.gain(100, 200)
        assert (gain, low, high) == pytest.approx((0.004, -0.000275, 0.008275), abs=1e-5)
        assert not made.silent(100, 200)
        level = Law(100, np.full(4001, 0.2), 1 - 2 * (falls - 0.006), np.ones(4001), 0.0)
        assert level.silent(100, 200)


def test_a_sentence_for_a_loss():
    made = ValueCurve("loss_per_byte", "nats/byte", "lower", (), 100, 50, 0.02, 0.012, 0.028)
    assert made.sentence() == "50 more rows: about 0.020 ± 0.008 nats/byte less."


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("told", [True, False])
def test_it_is_drawn_with_and_without_a_law(told):
    from xml.etree import ElementTree

    from fewtune.report.plots import value_curve as draw

    made = simulated(law(2.0, 0.5, 0.02), n=400 if told else 5)
    strata = [0, 1] * 200 if told else list(range(400))
    found = value_curve(made, ACCURACY, strata, range(400))
    assert bool(found.drawn) == told
    svg = draw(json.loads(json.dumps(found.as_json())), "curve0")
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "Score over training rows"
    assert "training rows" in "".join(root.itertext())
    assert "#0102" not in svg, "every colour follows the page"
