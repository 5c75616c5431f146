"""The mean of the last weights, kept where no validation rows choose among them.

A training of few rows ends between what it has learnt and what it has begun to learn by heart; the
mean over its last weights lies where the loss is flatter, and does not ask for the right length
(1803.05407; to rows unlike the known ones as well, 2102.08604).
"""

from __future__ import annotations

from fewtune.train.run import Training

__all__ = ["average"]


def average(run: Training) -> None:
    """Take the present weights into the mean, which is ``run.best`` where nothing is evaluated.

    How many weights are in it is a function of the update, so a checkpoint needs to know no more.
    """
    count = run.update - run.last + round(run.plan.averaged * run.last)
    if run.evaluate is not None or count < 1:
        return
    if count == 1:
        run.best = run.weights()
        return
    parameters = dict(run.model.named_parameters())
    for name, mean in run.best.items():
        mean.lerp_(parameters[name].detach(), 1 / count)
