"""SAM: a step worked out by hand, and dropout shared by its two passes."""

from __future__ import annotations

import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.regularizers.sam import Sam
from fewtune.train.loop import train


def step(tmp_path, start, curvature, rho, clip=0.0):
    """Return the weights after one step at rate 0.1 on Σ curvature · w² / 2, and the loss told."""
    task, model = TwoParameterTask(), TwoParameters(*start)
    run = training(task, model, task.rows((1, 1, 1)), tmp_path, clip=clip)
    run.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def backward() -> float:
        loss = (model.w.new_tensor(curvature) * model.w**2).sum() / 2
        loss.backward()
        return float(loss.detach())

    return Sam({"rho": rho}).update(run, backward), model.w.tolist()


def test_a_step_by_hand(tmp_path):
    # At (3, 2) the slope is (3, 4), of length 5; the worst point nearby is (3.3, 2.4), where the
    # slope is (3.3, 4.8): the step ends at (3 - 0.33, 2 - 0.48).
    loss, weights = step(tmp_path, (3.0, 2.0), (1.0, 2.0), rho=0.5)
    assert loss == pytest.approx(8.5)
    assert weights == pytest.approx([2.67, 1.52])


def test_where_nothing_slopes_nothing_moves(tmp_path):
    assert step(tmp_path, (0.0, 0.0), (1.0, 2.0), rho=0.5) == (0.0, [0.0, 0.0])


def test_the_gradient_is_clipped_at_the_worst_point(tmp_path):
    # The slope (3.3, 4.8) has length 5.825; clipped to 1 it is (0.5665, 0.8240).
    _, weights = step(tmp_path, (3.0, 2.0), (1.0, 2.0), rho=0.5, clip=1.0)
    assert weights == pytest.approx([3 - 0.05665, 2 - 0.08240], abs=1e-4)


def test_the_gradient_norm_told_is_that_before_clipping(tmp_path):
    task, heard = TwoParameterTask(), []
    rows = task.rows((30, 40, 0))
    run = training(
        task,
        TwoParameters(),
        rows,
        tmp_path,
        regularizers=[Sam({"rho": 1e-9})],
        updates=1,
        clip=1.0,
    )
    run.journal.listeners.append(lambda event: heard.append(event))
    train(run)
    (step_told,) = [event for event in heard if event.kind == "step"]
    # At w = 0 the slope of the loss is (1/2) · (30, 40), of length 25.
    assert step_told.values["gradient_norm"] == pytest.approx(25.0, rel=1e-4)
