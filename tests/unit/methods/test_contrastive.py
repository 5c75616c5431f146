"""Contrastive tuning: the loss by hand, its order, and that cutting an update changes nothing."""

from __future__ import annotations

import math
from collections import Counter

import made_data
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainings import training

from fewtune.data.batches import Balanced
from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.methods.contrastive import Contrastive
from fewtune.methods.head import features
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train

LABELS = ["billing", "booking", "results"]


@pytest.fixture
def task(encoder):
    return TextClassification(resolve(str(encoder)), TaskSettings(dropout=0.0), labels=LABELS)


@pytest.fixture
def rows(task):
    made = made_data.labelled(6)
    return task.encode([Example(t, y, f"m:{i}") for i, (t, y) in enumerate(made)])


def tuned(task, rows, folder, **settings):
    run = training(task, task.load_model(), rows, folder, batch_size=12, **settings)
    run.method = METHODS.load("contrastive")()
    torch.manual_seed(0)
    run.model = run.method.prepare(task.load_model(), task)
    return train(run)


class TestTheLoss:
    def test_by_hand(self):
        """Three states at 0, 60 and 90 degrees, the first two of one class, τ = 0.5."""
        angles = torch.deg2rad(torch.tensor([0.0, 60.0, 90.0]))
        states = torch.stack([angles.cos(), angles.sin()], dim=1)
        losses = Contrastive({"temperature": 0.5}).losses(None, states, torch.tensor([4, 4, 1]))
        # cosines 0.5 (1-2), 0 (1-3), sqrt(3)/2 (2-3); divided by 0.5: 1, 0, 1.732
        first = -math.log(math.e / (math.e + 1))
        second = -math.log(math.e / (math.e + math.exp(math.sqrt(3))))
        assert losses.tolist() == pytest.approx([first, second, 0.0], abs=1e-6)

    def test_several_of_a_class_count_by_their_mean(self):
        """All at one place: every share is 1/3, so each loss is log 3, whatever the classes."""
        states = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
        losses = Contrastive().losses(None, states, torch.tensor([0, 0, 0, 1]))
        assert losses.tolist() == pytest.approx([math.log(3)] * 3 + [0.0])

    def test_its_slope_is_finite_where_states_are_equal(self):
        states = torch.tensor([[1.0, 0.0]]).repeat(3, 1).requires_grad_()
        Contrastive().losses(None, states, torch.tensor([0, 0, 1])).sum().backward()
        assert torch.isfinite(states.grad).all()


class TestTheOrder:
    @given(
        st.lists(st.integers(0, 6), min_size=2, max_size=60),
        st.integers(2, 24),
        st.integers(2, 3),
        st.integers(0, 5),
    )
    def test_an_update_has_no_row_twice_and_no_more_than_its_size(self, labels, size, each, seed):
        order = Balanced(labels, size, seed, each)
        for update in range(7):
            rows = order.rows(update)
            assert rows
            assert len(rows) == len(set(rows))
            assert len(rows) <= max(order.size, each)

    def test_classes_and_rows_take_turns(self):
        """5 classes of 4 rows, 2 classes an update: 10 updates are 4 turns of every class."""
        labels = [row % 5 for row in range(20)]
        order = Balanced(labels, size=4, seed=3)
        drawn = [order.rows(update) for update in range(10)]
        assert all(Counter(labels[r] for r in rows).most_common()[-1][1] == 2 for rows in drawn)
        seen = Counter(row for rows in drawn for row in rows)
        assert set(seen.values()) == {2}
        assert len(seen) == 20

    def test_a_common_class_comes_no_oftener(self):
        labels = [0] * 90 + [1] * 5 + [2] * 5
        order = Balanced(labels, size=6, seed=0)
        for update in range(20):
            assert sorted(labels[r] for r in order.rows(update)) == [0, 0, 1, 1, 2, 2]

    def test_two_classes_fill_an_update(self):
        order = Balanced([0] * 20 + [1] * 20, size=16, seed=0)
        assert Counter(row // 20 for row in order.rows(0)) == {0: 8, 1: 8}

    def test_it_is_a_function_of_the_update_alone(self):
        labels = [row % 7 for row in range(35)]
        fresh, used = (Balanced(labels, 6, seed=1) for _ in range(2))
        later = [used.rows(update) for update in range(9)][8]
        assert fresh.rows(8) == later
        assert Balanced(labels, 6, seed=2).rows(8) != later


class TestTraining:
    def test_cut_small_it_ends_in_the_same_states(self, task, rows, tmp_path):
        """A budget of few tokens takes the two-pass way, a large one holds all at once.

        States are compared, not weights: Adam blows up the rounding of slopes that are zero.
        """
        before = features(task.load_model(), task, rows)
        whole, cut = (
            features(tuned(task, rows, tmp_path / str(n), tokens_per_batch=n).model, task, rows)
            for n in (4096, 30)
        )
        assert abs(whole - before).max() > 1e-2
        assert whole == pytest.approx(cut, abs=1e-4)

    def test_it_draws_classes_together(self, task, rows, tmp_path):
        truth = np.array([row.label for row in rows])
        kin = truth[:, None] == truth[None, :]

        def contrast(model):
            near = features(model, task, rows) @ features(model, task, rows).T
            return near[kin].mean() - near[~kin].mean()

        before = contrast(task.load_model())
        run = tuned(task, rows, tmp_path, updates=30)
        assert contrast(run.model) > 10 * before

    def test_only_blocks_train(self, task):
        model = Contrastive({"top": 1}).prepare(task.load_model(), task)
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        assert trained
        assert len({part for n in trained for part in n.split(".") if part.isdigit()}) == 1
        whole = Contrastive().prepare(task.load_model(), task)
        trained = {n for n, p in whole.named_parameters() if p.requires_grad}
        assert not any("embeddings" in n or n.startswith("head") for n in trained)

    def test_a_share_of_the_blocks_trains(self, task):
        def trained(**options):
            model = Contrastive(options).prepare(task.load_model(), task)
            names = [n for n, p in model.named_parameters() if p.requires_grad]
            return {int(part) for n in names for part in n.split(".") if part.isdigit()}

        every = trained(share=1.0)
        assert every == set(range(len(every)))
        half = round(len(every) / 2)
        assert trained(share=0.5) == set(range(len(every) - half, len(every)))
        # A number that is given counts; of the smallest share one block is left.
        assert trained(share=1.0, top=1) == trained(share=0.01) == {len(every) - 1}

    def test_generation_is_refused_with_the_reason(self, causal_lm):
        from fewtune.tasks.generation import Generation

        task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
        with pytest.raises(PlanError, match="rows must have classes"):
            Contrastive().prepare(task.load_model(), task)


class TestTheNames:
    def test_join_as_rows_of_their_classes(self, task, rows):
        """Billing, booking and results are classes 0, 1 and 2."""
        names = task.named_rows()
        assert [row.label for row in names] == [0, 1, 2]
        assert Contrastive().joined(rows, names) == [*rows, *names]
        assert Contrastive({"names": False}).joined(rows, names) == rows

    def test_other_methods_leave_them_out(self, task, rows):
        assert METHODS.load("full")().joined(rows, task.named_rows()) == rows


def test_the_last_third_trains(task):
    """Of two blocks the upper one, and nothing of the other, the embeddings or the head."""
    model = Contrastive().prepare(task.load_model(), task)
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trained
    assert all(".layer.1." in name for name in trained)
