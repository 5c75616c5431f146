"""Temperature, calibration error and conformal sets: by hand, by scikit-learn, by simulation."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from outcomes import classified
from sklearn.calibration import calibration_curve

from fewtune.errors import DataError
from fewtune.measures.base import Evidence, row_measure, score_all
from fewtune.measures.calibration import (
    Calibration,
    calibrate,
    fit_temperature,
    least_share,
    likely,
    temper,
    tempered,
)
from fewtune.measures.expected_calibration_error import bins
from fewtune.methods.probe import States, fit
from fewtune.tasks.outcomes import Outcomes


def drawn(n, temperature=1.0, seed=0, classes=4):
    """Return outcomes whose truth is drawn from their own probabilities, then told wrongly."""
    draw = np.random.default_rng(seed)
    logits = 2 * draw.normal(size=(n, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([draw.choice(classes, p=row) for row in shares])
    told = np.exp(logits * temperature)
    told /= told.sum(axis=1, keepdims=True)
    return replace(
        classified(truth, truth, classes=classes),
        probabilities=told,
        losses=-np.log(told[np.arange(n), truth]),
    )


class TestTemperature:
    @pytest.mark.parametrize("wrong", [0.25, 1.0, 3.0])
    def test_what_was_multiplied_is_found(self, wrong):
        made = drawn(6000, wrong)
        found = fit_temperature(made)
        assert found == pytest.approx(wrong, rel=0.06)
        after = tempered(made, found)
        assert after.losses.mean() <= made.losses.mean() + 1e-9
        assert after.probabilities == pytest.approx(drawn(6000).probabilities, abs=0.05)
        assert (after.predicted == made.predicted).all()
        assert fit_temperature(after) == pytest.approx(1.0, abs=1e-3)

    def test_the_optimum_by_hand(self):
        """Two classes, told 0.9 and right in 3 of 4: at the best temperature they are told 0.75.

        Log odds ln 9 divided by T make ln 3: T = 2.
        """
        made = classified([0, 0, 0, 1], [0, 0, 0, 0], classes=2, sure=0.9)
        assert fit_temperature(made) == pytest.approx(2.0, abs=1e-3)

    def test_a_class_that_was_never_trained_keeps_its_zero(self):
        shares = np.array([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0]])
        made = replace(classified([0, 1], [0, 1]), probabilities=shares)
        after = tempered(made, 2.0).probabilities
        root = np.sqrt(shares)
        assert after == pytest.approx(root / root.sum(axis=1, keepdims=True))
        assert np.isfinite(fit_temperature(made))

    def test_without_rows_it_is_one(self):
        assert fit_temperature(classified([0], [0]).take([])) == 1.0

    def test_a_head_keeps_it_in_its_weights(self):
        draw = np.random.default_rng(1)
        rows = draw.normal(size=(60, 5)).astype(np.float32)
        truth = (rows[:, 0] > 0).astype(np.int64) + (rows[:, 1] > 1)
        fitted = fit(States(rows, truth, np.ones(60), 3), [range(0, 30), range(30, 60)])
        before = replace(classified(truth, truth), probabilities=fitted.probabilities(rows))
        head = torch.nn.Linear(5, 3)
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(fitted.weight))
            head.bias.copy_(torch.from_numpy(fitted.bias))
        temper(SimpleNamespace(head=head), 0.5)
        expected = tempered(before, 0.5).probabilities
        assert fitted.tempered(0.5).probabilities(rows) == pytest.approx(expected)
        answers = head(torch.from_numpy(rows)).softmax(dim=1).detach().numpy()
        assert answers == pytest.approx(expected, abs=1e-5)


class TestCalibrationError:
    def test_as_scikit_learn_has_it(self):
        """600 rows of two classes in 15 bins of 40: the mean distance of its curve."""
        made = drawn(600, 2.0, classes=2)
        sure = made.probabilities.max(axis=1)
        right = made.predicted == made.truth
        share, told = calibration_curve(right, sure, n_bins=15, strategy="quantile")
        score = row_measure("expected_calibration_error").of(made, draws=200)
        assert bins(600) == 15
        assert score.value == pytest.approx(np.abs(share - told).mean(), abs=1e-3)
        assert 0 <= score.low < score.value < score.high

    def test_equally_sure_rows_have_no_order(self):
        """Told 0.8 always, right in half: the error is 0.3 however the rows are sorted."""
        truth = [0, 0, 0, 1, 1, 1] * 3
        made = classified(truth, [0] * 18, classes=2)
        back = classified(truth[::-1], [0] * 18, classes=2)
        for one in (made, back):
            assert row_measure("expected_calibration_error").of(one).value == pytest.approx(0.3)

    def test_weights_count_as_copies(self):
        made = drawn(90, 2.0)
        times = np.random.default_rng(2).integers(0, 3, size=90)
        measure = row_measure("expected_calibration_error")
        copies = made.take(np.repeat(np.arange(90), times))
        if bins(len(copies)) == bins(90):
            (value,) = measure.values(made, times[None].astype(float))
            assert value == pytest.approx(measure.of(copies, draws=50).value)

    def test_a_calibrated_model_is_not_accused(self):
        """Of 20 samples of 400 rows the intervals of all but a few reach below two points."""
        measure = row_measure("expected_calibration_error")
        lows = [measure.of(drawn(400, seed=seed), draws=200).low for seed in range(20)]
        assert sum(low < 0.02 for low in lows) >= 18
        assert measure.of(drawn(400, 4.0), draws=200).low > 0.1

    def test_bins_by_rows(self):
        assert [bins(n) for n in (1, 119, 160, 599, 600, 10_000)] == [3, 3, 4, 14, 15, 15]


class TestSets:
    def test_the_bound_by_hand(self):
        """Nine rows: ⌈10 · 0.9⌉ = 9, so the smallest share; for 0.8 the 8th largest."""
        told = np.array([0.9, 0.1, 0.8, 0.3, 0.7, 0.2, 0.6, 0.5, 0.4])
        shares = np.column_stack([told, 1 - told])
        made = replace(classified([0] * 9, [0] * 9, classes=2), probabilities=shares)
        assert least_share(made, 0.9) == pytest.approx(0.1)
        assert least_share(made, 0.8) == pytest.approx(0.2)
        assert least_share(made, 0.5) == pytest.approx(0.5)
        assert least_share(made, 0.91) is None
        assert least_share(made.take(range(8)), 0.9) is None

    def test_classes_at_least_as_likely_belong(self):
        shares = np.array([[0.6, 0.3, 0.1], [0.34, 0.33, 0.33], [0.2, 0.5, 0.3]])
        assert likely(shares, 0.3).tolist() == [
            [True, True, False],
            [True, True, True],
            [False, True, True],
        ]
        assert likely(shares, 0.7).sum() == 0

    def test_they_cover_what_they_promise(self):
        """Mean of 30 pairs of samples; the coverage of one has a deviation of about 2.5 points."""
        covered = []
        for seed in range(30):
            known, new = drawn(200, 3.0, seed=seed), drawn(500, 3.0, seed=1000 + seed)
            made = Evidence("text_classification", new, out_of_fold=known)
            covered.append(score_all(made, ["conformal_coverage"])["conformal_coverage"].value)
        assert np.mean(covered) == pytest.approx(0.9, abs=0.015)

    def test_scores_of_sets_by_hand(self):
        """The least share of nine known rows is 0.3; the test sets have 2, 1 and 0 classes."""
        told = np.linspace(0.3, 0.7, 9)
        known = replace(
            classified([0] * 9, [0] * 9),
            probabilities=np.column_stack([told, 1 - told, np.zeros(9)]),
        )
        shares = np.array([[0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.25, 0.25, 0.25]])
        test = replace(classified([1, 1, 2], [0, 0, 0]), probabilities=shares)
        scores = score_all(Evidence("image_classification", test, out_of_fold=known))
        assert scores["conformal_coverage"].value == pytest.approx(1 / 3)
        assert scores["conformal_set_size"].value == pytest.approx(1.0)
        for lacking in (None, known.take(range(8))):
            found = score_all(Evidence("image_classification", test, out_of_fold=lacking))
            assert not {"conformal_coverage", "conformal_set_size"} & set(found)


class TestCalibration:
    def test_it_goes_through_json(self):
        made = calibrate(drawn(60, 2.0))
        assert Calibration.from_json(json.loads(json.dumps(made.as_json()))) == made
        assert made.n == 60
        assert sorted(made.least) == list(range(50, 99))
        assert made.of(0.9) == made.least[90]
        assert made.of(0.5) > made.of(0.95)

    @pytest.mark.parametrize("coverage", [0.99, 0.3, 0.905, 1.0])
    def test_what_the_rows_cannot_promise_is_refused(self, coverage):
        with pytest.raises(DataError, match=r"whole percents from 0\.5 to 0\.98"):
            calibrate(drawn(60)).of(coverage)

    def test_a_dozen_rows_without_a_fault_make_no_certainty(self):
        """Told 0.8 of three classes and right in 14 of 14: then they are told 15/16.

        Odds of 8 to the power of 1/T make 30: T = ln 8 / ln 30.
        """
        made = classified([0, 1, 2] * 4 + [0, 1], [0, 1, 2] * 4 + [0, 1], classes=3, sure=0.8)
        found = calibrate(made)
        assert found.temperature == pytest.approx(np.log(8) / np.log(30), abs=1e-3)
        after = tempered(made, found.temperature).probabilities
        assert after.max(axis=1) == pytest.approx(15 / 16, abs=1e-3)
        # A fourth class that was never trained changes nothing.
        more = np.hstack([made.probabilities, np.zeros((14, 1))])
        wider = replace(made, probabilities=more, labels=(*made.labels, "never"))
        assert calibrate(wider).temperature == pytest.approx(found.temperature, abs=1e-3)

    def test_one_fault_is_enough_to_know_by(self):
        made = classified([0, 1, 2, 0], [0, 1, 2, 1], classes=3, sure=0.8)
        assert calibrate(made).temperature == fit_temperature(made)

    def test_without_rows_there_are_no_sets(self):
        made = calibrate(drawn(5).take([]))
        assert (made.temperature, dict(made.least)) == (1.0, {})
        with pytest.raises(DataError, match="enough rows"):
            made.of(0.9)

    def test_the_bounds_are_those_of_the_tempered_model(self):
        made: Outcomes = drawn(100, 3.0)
        found = calibrate(made)
        assert found.of(0.9) == least_share(tempered(made, found.temperature), 0.9)
        assert found.of(0.9) != least_share(made, 0.9)
