"""Costs: what the pieces of a fit take, timed; what is kept is paid once."""

from __future__ import annotations

import os
import signal
import time

import made_data
import pytest
from accelerate import Accelerator

from fewtune.environment import device_name
from fewtune.models.load import resolve
from fewtune.plan.plan import Plan
from fewtune.records import Example
from fewtune.regularizers.kl_to_base import KlToBase
from fewtune.select.candidates import candidates
from fewtune.select.costs import costs_of
from fewtune.select.material import Material
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train import loop
from fewtune.train.journal import Journal


def test_what_is_drawn_of_the_base_is_no_cost_of_every_training(causal_lm, tmp_path, monkeypatch):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    rows = task.encode([Example(p, t, p) for p, t in made_data.prompts(12, seed=1)])
    guard = {"name": "kl_to_base", "options": {"samples": 96}}
    plan = Plan(model="none").changed(
        {"method.name": "full", "select.rungs": [], "regularizers": [guard]}
    )
    made = Material(
        plan=plan, task=task, data=None, train=rows[:8], validation=rows[8:10], test=rows[10:],
        places=range(10), journal=Journal(None), folder=tmp_path,
        accelerator=Accelerator(cpu=device_name() == "cpu"),
    )  # fmt: skip
    took = []
    start = KlToBase.start

    def timed(self, run):
        began = time.perf_counter()
        start(self, run)
        took.append(time.perf_counter() - began)

    monkeypatch.setattr(KlToBase, "start", timed)
    costs = costs_of(made, candidates(plan))
    assert len(took) == 2
    assert took[0] > 4 * took[1], "the second training finds what the first one drew"
    assert costs.start["full"] < took[0] / 2


def test_an_interrupt_while_updates_are_timed_leaves_no_checkpoint_to_go_on_from(
    causal_lm, tmp_path, monkeypatch
):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    rows = task.encode([Example(p, t, p) for p, t in made_data.prompts(12, seed=1)])
    plan = Plan(model="none").changed({"method.name": "full", "select.rungs": []})
    made = Material(
        plan=plan, task=task, data=None, train=rows[:8], validation=rows[8:10], test=rows[10:],
        places=range(10), journal=Journal(None), folder=tmp_path,
        accelerator=Accelerator(cpu=device_name() == "cpu"),
    )  # fmt: skip
    taken = loop.update

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return taken(*given)

    monkeypatch.setattr(loop, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        costs_of(made, candidates(plan))
    assert not list(tmp_path.rglob("timed*"))
