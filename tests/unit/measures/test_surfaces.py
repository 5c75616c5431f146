"""Sharpness, flips and neighbours by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from outcomes import classified
from sklearn.neighbors import NearestNeighbors
from trainings import TwoParameters, TwoParameterTask

from fewtune.measures.base import Evidence, score_all, silences
from fewtune.measures.intervals import mean_interval
from fewtune.measures.observe.neighbours import observe_neighbours
from fewtune.measures.observe.sharpness import observe_rises

TASK = TwoParameterTask()


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


class TestSharpness:
    def test_one_batch_by_hand(self):
        """Loss ln(1 + e^w) at w = 2 rises along +w by ρ · 2."""
        rows = TASK.rows((1, 0, 0))
        [rise] = observe_rises(TwoParameters(2.0, 0.0), TASK, rows, rho=0.1)
        assert rise == pytest.approx(softplus(2.2) - softplus(2.0), rel=1e-5)

    def test_cut_into_pieces_it_is_the_same(self):
        """Rows of two classes: the gradient is that of all together, however few are at once."""
        rows = TASK.rows((1, 0, 0), (2, 1, 1), (0, 3, 0), (1, 1, 1), (-1, 2, 0))
        whole = observe_rises(TwoParameters(0.5, -1.0), TASK, rows, rho=0.1)
        for at_once in (1, 2, 3):
            cut = observe_rises(TwoParameters(0.5, -1.0), TASK, rows, rho=0.1, at_once=at_once)
            assert cut == pytest.approx(whole, rel=1e-5)

    def test_only_what_trains_moves(self):
        """The gradient has both directions; with the head frozen nothing else counts."""

        class Two(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.one = torch.nn.Parameter(torch.tensor([2.0]))
                self.two = torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False)

            @property
            def w(self):
                return torch.cat([self.one, self.two])

        rows = TASK.rows((1, 1, 0))
        [rise] = observe_rises(Two(), TASK, rows, rho=0.1)
        assert rise == pytest.approx(softplus(5.2) - softplus(5.0), rel=1e-5)
        frozen = Two().requires_grad_(False)
        [all_move] = observe_rises(frozen, TASK, rows, rho=0.1)
        # Both slopes are equal, so each of the two moves by ρ · √13 / √2.
        assert all_move == pytest.approx(softplus(5 + 0.1 * math.sqrt(26)) - softplus(5), rel=1e-5)
        assert not any(p.requires_grad for p in frozen.parameters())

    def test_the_model_stays_as_it_was(self):
        model = TwoParameters(0.3, -0.7)
        model.train()
        before, state = model.w.detach().clone(), torch.random.get_rng_state()
        rows = TASK.rows(*[(i % 3, i % 2, i % 2) for i in range(1, 60)])
        observe_rises(model, TASK, rows)
        assert torch.equal(model.w, before)
        assert model.w.grad is None
        assert model.training
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_batches_are_drawn_by_the_seed(self):
        model = TwoParameters(0.3, -0.7)
        rows = TASK.rows(*[(i % 5, i % 3, i % 2) for i in range(1, 60)])
        rises = observe_rises(model, TASK, rows, batches=3, batch_size=8)
        assert len(rises) == 3
        assert rises == observe_rises(model, TASK, rows, batches=3, batch_size=8)
        assert rises != observe_rises(model, TASK, rows, batches=3, batch_size=8, seed=1)
        assert all(rise > 0 for rise in rises)
        # 59 rows in batches of 16: the last has 11. Of 20 the last four join the others.
        assert len(observe_rises(model, TASK, rows)) == 4
        assert len(observe_rises(model, TASK, rows[:20])) == 1

    def test_flat_and_broken_surfaces(self):
        assert observe_rises(TwoParameters(1.0, 1.0), TASK, TASK.rows((0, 0, 1))) == (0.0,)
        [broken] = observe_rises(TwoParameters(math.nan, 1.0), TASK, TASK.rows((1, 0, 1)))
        assert math.isnan(broken)

    def test_the_score_has_students_interval(self):
        """Mean 2, deviation 1, three batches: half a width of 4.303 / √3."""
        evidence = Evidence("text_classification", classified([0], [0]), rises=(1.0, 2.0, 3.0))
        score = score_all(evidence)["sharpness"]
        assert (score.value, score.n) == (2.0, 3)
        assert score.high - score.value == pytest.approx(4.302653 / math.sqrt(3))
        assert mean_interval([1.0, 2.0, 3.0]) == (score.value, score.low, score.high)
        for rises in ((), (1.0,), (1.0, math.nan)):
            none = Evidence("text_classification", classified([0], [0]), rises=rises)
            assert "sharpness" not in score_all(none)

    def test_beside_the_base_by_hand(self):
        """Tuned 2 and 4, base 1 and 1: the ratio is 3.

        By linearisation 3 + (2 − 3) and 3 + (4 − 3): mean 3, deviation √2, of two batches: half a
        width of 12.706.
        """
        test, base = classified([0], [0]), (1.0, 1.0)
        evidence = Evidence("text_classification", test, rises=(2.0, 4.0), rises_base=base)
        scores = score_all(evidence)
        assert (scores["sharpness_base"].value, scores["sharpness_base"].n) == (1.0, 2)
        ratio = scores["sharpness_ratio"]
        assert (ratio.value, ratio.unit) == (pytest.approx(3.0), "")
        assert ratio.high - ratio.value == pytest.approx(12.7062, abs=1e-4)
        # A base that the loss is flat around has no ratio, and neither has one batch.
        flat = replace(evidence, rises_base=(0.0, 0.0))
        assert "sharpness_ratio" not in score_all(flat)
        one = replace(evidence, rises_base=(1.0, math.nan))
        assert not {"sharpness_base", "sharpness_ratio"} & set(score_all(one))


class TestFlips:
    def test_by_hand(self):
        """Before 6 of 8 right, after 5 of 8: three lost, two gained; three classes.

        F = 3/8; chance = (2/8 · 3/8) / 2 = 3/64; 24/64 − 3/64 = 21/64. Mended: 2/8 − 3/64 = 13/64.
        """
        before = classified([0] * 8, [0, 0, 0, 0, 0, 0, 1, 1])
        after = classified([0] * 8, [0, 0, 0, 1, 1, 1, 0, 0])
        scores = score_all(Evidence("text_classification", after, earlier=before))
        assert scores["flips"].value == pytest.approx(21 / 64)
        assert scores["flips_plain"].value == pytest.approx(3 / 8)
        assert scores["flips_mended"].value == pytest.approx(13 / 64)
        assert scores["flips"].low <= 21 / 64 <= scores["flips"].high

    def test_two_guessers_flip_nothing_beyond_chance(self):
        draw = np.random.default_rng(0)
        truth, one, two = (draw.integers(2, size=2_000) for _ in range(3))
        before, after = (classified(truth, p, classes=2, sure=0.9) for p in (one, two))
        scores = score_all(Evidence("text_classification", after, earlier=before), ["flips"])
        assert scores["flips_plain"].value == pytest.approx(0.25, abs=0.03)
        assert scores["flips"].value == pytest.approx(0, abs=0.03)

    def test_classes_are_known_by_name_and_new_ones_left_out(self):
        """The earlier version knew b and a, in this order; the row of class c is no row of its."""
        now = classified([0, 1, 2], [0, 2, 2])
        before = replace(classified([1, 0, 0], [1, 0, 0], classes=2, sure=0.9), labels=("b", "a"))
        score = score_all(Evidence("text_classification", now, earlier=before))["flips"]
        assert score.n == 2
        assert score.value == pytest.approx(1 / 2)

    def test_without_a_common_row_there_is_no_score(self):
        now = classified([0, 1], [0, 1])
        assert "flips" not in score_all(Evidence("text_classification", now))
        other = replace(now, sources=("other:1", "other:2"))
        strange = Evidence("text_classification", now, earlier=other)
        assert "flips" not in score_all(strange)
        assert silences(strange) == {
            "flips": "no test row is of a class that the earlier version knew"
        }


class TestNeighbours:
    def test_against_scikit_learn(self):
        draw = np.random.default_rng(1)
        before = draw.normal(size=(40, 6))
        after = before + draw.normal(size=(40, 6))
        found = observe_neighbours(before, after, nearest=5)

        def nearest(states):
            search = NearestNeighbors(n_neighbors=6, metric="cosine").fit(states)
            return [set(row[1:]) for row in search.kneighbors(states)[1]]

        old, new = nearest(before), nearest(after)
        assert found == pytest.approx([len(a & b) / 5 for a, b in zip(old, new, strict=True)])
        assert 0.2 < found.mean() < 0.9

    def test_nothing_moves_and_everything_moves(self):
        states = np.random.default_rng(2).normal(size=(600, 4))
        assert observe_neighbours(states, 3 * states) == pytest.approx(np.ones(600))
        assert (
            observe_neighbours(states, np.random.default_rng(3).normal(size=(600, 9))).mean() < 0.1
        )
        copies = np.repeat(states[:30], 2, axis=0)
        assert observe_neighbours(copies, copies) == pytest.approx(np.ones(60))
        assert len(observe_neighbours(states[:2], states[:2])) == 0

    def test_the_score(self):
        test = classified([0] * 4, [0] * 4)
        made = Evidence("image_classification", test, kept_neighbours=np.array([1, 0.5, 0.5, 0]))
        score = score_all(made)["neighbourhood_overlap"]
        assert score.value == pytest.approx(0.5)
        assert 0 <= score.low < 0.5 < score.high <= 1
        none = Evidence("image_classification", test, kept_neighbours=np.full(4, np.nan))
        assert "neighbourhood_overlap" not in score_all(none)

    def test_rows_that_were_not_looked_at_do_not_count(self):
        """Of many test rows a few hundred are looked at: 1 and 0.5 of four rows, mean 0.75."""
        test = classified([0] * 4, [0] * 4)
        kept = np.array([1, np.nan, 0.5, np.nan])
        score = score_all(Evidence("text_classification", test, kept_neighbours=kept))
        assert score["neighbourhood_overlap"].value == pytest.approx(0.75)
        assert score["neighbourhood_overlap"].n == 2
