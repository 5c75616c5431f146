"""Ctrl-C is never lost, whatever else the same update brings, and what goes on ends the same."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor

POINTS = ((1, 2, 1), (2, -1, 0), (-1, 1, 1), (3, 0, 0))
AT = 3


class Ends(Monitor):
    """Ends the training after the third update, at which Ctrl-C may come."""

    name = "ends"

    def __init__(self, action, place, interrupted):
        super().__init__()
        self.action, self.place, self.interrupted = action, place, interrupted

    def _said(self, place, update):
        if place != self.place or update != AT:
            return GO
        if self.interrupted:
            os.kill(os.getpid(), signal.SIGINT)
        return Advice(self.action, "it is over", 1.0)

    def after_step(self, run, step):
        return self._said("step", step.update)

    def after_evaluation(self, run, evaluation):
        return self._said("evaluation", evaluation.update)


def evaluated(update):
    """The second update has the best figures."""
    return Evaluation(update, 1.0 + abs(update - 2) / 100, 0.01, -abs(update - 2.0), 1)


def tuned(folder, action, place, interrupted, evaluate):
    """Return a training that has ended, or raise what ended it."""
    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows(*POINTS), folder, updates=6, batch_size=2, evaluations=6,
        evaluate=evaluate, monitors=[Ends(action, place, interrupted)],
    )  # fmt: skip
    run.journal = Journal(folder / "journal.jsonl")
    try:
        return train(run)
    finally:
        run.journal.close()


@pytest.mark.parametrize("action", ["stop", "roll back", "warn"])
@pytest.mark.parametrize(
    ("place", "evaluate"), [("step", evaluated), ("evaluation", evaluated), ("step", None)]
)
def test_an_interrupt_at_the_update_after_which_a_monitor_ends_it(
    tmp_path, action, place, evaluate
):
    folders = [tmp_path / "whole", tmp_path / "resumed"]
    for folder in folders:
        folder.mkdir()
    whole = tuned(folders[0], action, place, False, evaluate)
    assert whole.update == (6 if action == "warn" else AT)
    with pytest.raises(KeyboardInterrupt):
        tuned(folders[1], action, place, True, evaluate)
    resumed = tuned(folders[1], action, place, False, evaluate)
    assert resumed.update == whole.update
    assert torch.equal(resumed.model.w, whole.model.w)
    assert [e.update for e in resumed.evaluations] == [e.update for e in whole.evaluations]
    told = [
        [(e.kind, e.update, e.values) for e in run.journal.events()] for run in (whole, resumed)
    ]
    assert told[0] == told[1]
    assert sum(kind == "monitor" for kind, _, _ in told[1]) == 1
