"""NaN in a weight, in the loss or in the gradient alone stops the update that meets it."""

from __future__ import annotations

import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.errors import TrainingStopped
from fewtune.regularizers.base import Regularizer
from fewtune.train.loop import train
from fewtune.train.monitors.nonfinite import Nonfinite

POINTS = [(1, 2, 1), (2, -1, 0), (-1, 1, 1), (3, 1, 1)]


class Wrong(Regularizer):
    """Breaks something in the fourth update."""

    def at(self, run):
        return run.update == 3


class InWeight(Wrong):
    def rows(self, run, rows):
        if self.at(run):
            with torch.no_grad():
                run.model.w[1] = float("nan")
        return rows


class InLoss(Wrong):
    def penalty(self, run):
        return torch.tensor(float("inf")) if self.at(run) else None


class InGradient(Wrong):
    """0 · w under a root: 0 itself, and without a slope."""

    def penalty(self, run):
        return (0 * run.model.w.sum()).sqrt() if self.at(run) else None


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (InWeight, "the loss is nan at update 4"),
        (InLoss, "the loss is inf at update 4"),
        (InGradient, "the gradient norm is nan at update 4"),
    ],
)
def test_it_stops_at_that_update_and_keeps_nothing(tmp_path, broken, said):
    task = TwoParameterTask()
    run = training(
        task,
        TwoParameters(),
        task.rows(*POINTS),
        tmp_path,
        updates=9,
        regularizers=[broken()],
        monitors=[Nonfinite()],
    )
    with pytest.raises(TrainingStopped, match=said):
        train(run)
    assert run.update == 4
