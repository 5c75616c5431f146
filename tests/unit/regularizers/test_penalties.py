"""EWC, L1, L2-SP and KL on a two-parameter problem, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, begun, training

from fewtune.regularizers.base import REGULARIZERS

MOVED = (0.2, -0.4)


def penalty_and_slope(tmp_path, name, points, moved=MOVED, start=(0.0, 0.0), **options):
    """Return a regularizer's penalty at ``moved`` after it began at ``start``, and its gradient."""
    task, model = TwoParameterTask(), TwoParameters(*start)
    regularizer = REGULARIZERS.load(name)(options)
    rows = task.rows(*points)
    run = training(task, model, rows, tmp_path, regularizers=[regularizer], batch_size=len(rows))
    begun(run)
    with torch.no_grad():
        model.w.copy_(torch.tensor(moved))
    penalty = regularizer.penalty(run)
    penalty.backward()
    return penalty.item(), model.w.grad.tolist()


def test_l2_to_base_by_hand(tmp_path):
    # 3 / 2 · (0.2² + 0.4²) = 0.3; the slope is 3 · (0.2, -0.4).
    value, slope = penalty_and_slope(tmp_path, "l2_to_base", [(1, 2, 1)], strength=3.0)
    assert value == pytest.approx(0.3, rel=1e-5)
    assert slope == pytest.approx([0.6, -1.2], rel=1e-5)


def test_l2_pulls_to_the_start_and_not_to_zero(tmp_path):
    # 1 / 2 · (0.8² + 0.6²) = 0.5, from a start at (1, -1).
    value, slope = penalty_and_slope(
        tmp_path, "l2_to_base", [(1, 2, 1)], start=(1.0, -1.0), strength=1.0
    )
    assert value == pytest.approx(0.5, rel=1e-5)
    assert slope == pytest.approx([-0.8, 0.6], rel=1e-5)


def test_l1_by_hand(tmp_path):
    # 0.5 · (0.2 + 0.4) = 0.3; the slope is 0.5 · (1, -1).
    value, slope = penalty_and_slope(tmp_path, "l1", [(1, 2, 1)], strength=0.5)
    assert value == pytest.approx(0.3, rel=1e-5)
    assert slope == pytest.approx([0.5, -0.5], rel=1e-5)


@pytest.mark.parametrize("name", ["l1", "l2_to_base", "ewc", "kl_to_base"])
def test_no_pull_where_nothing_moved(tmp_path, name):
    value, slope = penalty_and_slope(tmp_path, name, [(1, 2, 1), (3, 0, 0)], moved=(0.0, 0.0))
    assert value == pytest.approx(0.0, abs=1e-7)
    assert slope == pytest.approx([0.0, 0.0], abs=1e-7)


def test_ewc_by_hand(tmp_path):
    # At w = 0 both classes have probability 1/2, so whichever label is drawn the slope of its
    # log-probability is ±x/2: F = mean of x²/4 = ((1 + 9)/8, (4 + 0)/8) = (1.25, 0.5).
    # 2 / 2 · (1.25 · 0.2² + 0.5 · 0.4²) = 0.13; the slope is 2 · (1.25 · 0.2, 0.5 · -0.4).
    points = [(1, 2, 1), (3, 0, 0)]
    value, slope = penalty_and_slope(tmp_path, "ewc", points, strength=2.0)
    assert value == pytest.approx(0.13, rel=1e-5)
    assert slope == pytest.approx([0.5, -0.4], rel=1e-5)


def test_fisher_of_many_rows_is_near_its_expectation(tmp_path):
    # Away from w = 0 the drawn labels matter: the expectation is mean p(1 - p)x².
    task, model = TwoParameterTask(), TwoParameters(0.4, -0.2)
    rows = task.rows(*[(a, b, 0) for a in range(-4, 5) for b in range(-4, 5)] * 25)
    ewc = REGULARIZERS.load("ewc")({"samples": len(rows)})
    begun(training(task, model, rows, tmp_path, regularizers=[ewc]))
    x = torch.tensor([row.ids for row in rows], dtype=torch.float64)
    p = torch.sigmoid(x @ torch.tensor([0.4, -0.2], dtype=torch.float64))
    expected = ((p * (1 - p))[:, None] * x**2).mean(dim=0)
    assert ewc.fisher["w"].tolist() == pytest.approx(expected.tolist(), rel=0.08)


def test_kl_by_hand(tmp_path):
    # The base says 1/2 everywhere; tuned log odds are 0.2·1 - 0.4·2 = -0.6 and 0.2·3 = 0.6.
    # KL(1/2 ‖ q) = -ln 2 - (ln q + ln(1 - q)) / 2, the same for both rows by symmetry.
    q = 1 / (1 + math.exp(0.6))
    expected = -math.log(2) - (math.log(q) + math.log(1 - q)) / 2
    points = [(1, 2, 1), (3, 0, 0)]
    value, slope = penalty_and_slope(tmp_path, "kl_to_base", points, weight=3.0, dose=1.0)
    assert value == pytest.approx(3 * expected, rel=1e-5)
    # d KL / d log odds = q - 1/2; mean over rows of that times x, times the weight.
    first = (q - 0.5) * 1 + (1 - q - 0.5) * 3
    second = (q - 0.5) * 2
    assert slope == pytest.approx([3 * first / 2, 3 * second / 2], rel=1e-4)


def test_kl_is_the_same_whether_the_bases_answers_are_kept_or_computed(tmp_path):
    points = [(1, 2, 1), (3, 0, 0), (-1, 1, 1)]
    kept = penalty_and_slope(tmp_path, "kl_to_base", points, start=(0.3, 0.1), memory=1)
    anew = penalty_and_slope(tmp_path, "kl_to_base", points, start=(0.3, 0.1), memory=0)
    assert kept[0] == pytest.approx(anew[0], rel=1e-6)
    assert kept[1] == pytest.approx(anew[1], rel=1e-5)
    assert kept[0] > 0


def test_ewc_at_strength_1_is_about_the_divergence(tmp_path):
    # Where one direction is seen at a time the diagonal is exact: KL ≈ 1/2 · F · Δ².
    points = [(2, 0, 1), (0, 2, 0)]
    small = (0.05, -0.05)
    ewc, _ = penalty_and_slope(tmp_path, "ewc", points, moved=small, strength=1.0)
    divergence, _ = penalty_and_slope(tmp_path, "kl_to_base", points, moved=small, dose=1.0)
    assert ewc == pytest.approx(divergence, rel=0.01)


@pytest.mark.parametrize(("dose", "share"), [(0.25, 0.25), (1.0, 1.0), (2.0, 1.0)])
def test_below_one_protected_row_an_update_kl_counts_in_a_share_of_them(tmp_path, dose, share):
    """One row an update: of 400 updates a quarter compares one, and each then counts whole."""
    task, model = TwoParameterTask(), TwoParameters()
    kl = REGULARIZERS.load("kl_to_base")({"dose": dose})
    run = training(
        task, model, task.rows((1, 2, 1), (2, 4, 0)), tmp_path, regularizers=[kl], batch_size=1
    )
    begun(run)
    with torch.no_grad():
        model.w.copy_(torch.tensor(MOVED))
    found = []
    for run.update in range(400):
        found.append(kl.penalty(run))
    counted = [value.detach().item() for value in found if value is not None]
    assert len(counted) == pytest.approx(400 * share, abs=0 if share == 1 else 40)
    if dose <= 1:
        # 0.2 · 1 − 0.4 · 2 = −0.6 against 0, and twice that for the other row.
        whole = [kl_to_even(odds) for odds in (-0.6, -1.2)]
        assert sorted({round(value, 6) for value in counted}) == pytest.approx(whole, rel=1e-4)


def kl_to_even(odds: float) -> float:
    """Return KL(½, ½ ‖ p, 1 − p) in nats for log odds of p."""
    share = 1 / (1 + math.exp(-odds))
    return -0.5 * math.log(4 * share * (1 - share))
