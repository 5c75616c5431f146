"""The sweep of regret.py: thirty configurations on rows encoded once, in this process."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import nn

from benchmarks.common import shared
from benchmarks.quality._regret_cells import Cell, Configuration
from fewtune.environment import device_name, seed_everything
from fewtune.errors import TrainingStopped
from fewtune.measures.observe.divergence import general_rows
from fewtune.methods.base import METHODS, Method
from fewtune.methods.probe import Fitted, fit, refit
from fewtune.plan.plan import Part, Plan
from fewtune.plan.rungs import rung_training
from fewtune.select.candidates import Candidate
from fewtune.select.controls import from_states
from fewtune.select.fitting import prepared_model, settle, training_of
from fewtune.select.material import Material
from fewtune.tasks.generation import Generation
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.trunk import cached_trunk
from fewtune.verbs.foreseen import task_of
from fewtune.verbs.prepare import prepare

__all__ = ["base_of", "sweep", "written"]

Rows = list[dict[str, Any]]


def base_of(cell: Cell) -> str:
    """Return the base model's name or folder."""
    return cell.model if cell.model == "minilm" else str(shared("models", cell.model))


def written(rows: Rows, place: Path) -> Path:
    """Write rows as a file, or images as a folder by class; return it."""
    if "image" in rows[0]:
        for row in rows:
            folder = place / row["label"]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(row["image"], folder)
        return place
    path = place.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def sweep(
    cell: Cell,
    seed: int,
    wanted: Sequence[Configuration],
    keep: Callable[[str, dict[str, Any]], None],
) -> None:
    """Run the configurations, each scored on the test rows; ``keep`` is told as each is done."""
    known, test = cell.draw(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepared = prepare(
            written(known, place / "known"),
            base_of(cell),
            test=written(test, place / "test"),
            effort="normal",
            seed=seed,
        )
        task = task_of(prepared)
        order = [*prepared.split.train, *prepared.split.validation]
        rows = task.encode([prepared.data[i] for i in order])
        assert prepared.test is not None
        material = Material(
            plan=prepared.plan,
            task=task,
            data=prepared.data,
            train=rows[: len(prepared.split.train)],
            validation=rows[len(prepared.split.train) :],
            test=task.encode(list(prepared.test)),
            places=order,
            journal=Journal(None),
            folder=place,
            accelerator=Accelerator(cpu=device_name() == "cpu"),
        )
        head = None
        if task.name != "generation":
            states = material.known_states(names=cell.task == "text")
            head = fit(states, material.folds())
        for _, group in groupby(wanted, lambda c: (c.method, c.options)):
            some = list(group)
            if some[0].strength:
                for one in some:
                    keep(one.name, _solved(material, head, one))
            else:
                _trained(material, head, prepared.plan, some, keep)


def _solved(material: Material, head: Fitted | None, one: Configuration) -> dict[str, Any]:
    assert head is not None
    began = time.process_time()
    like = replace(head, strength=one.strength, name_weight=one.names)
    fitted = refit(material.known_states(names=bool(one.names)), like)
    outcomes = from_states(material, fitted, material.states()[1], material.test)
    return _scored(material, outcomes, began)


def _scored(material: Material, outcomes: Any, began: float) -> dict[str, Any]:
    score = material.headline.of(outcomes)
    cpu = round(time.process_time() - began, 2)
    device = material.accelerator.device.type
    return {"value": score.value, "n": score.n, "cpu": cpu, "device": device}


def _trained(
    material: Material,
    head: Fitted | None,
    plan: Plan,
    some: Sequence[Configuration],
    keep: Callable[[str, dict[str, Any]], None],
) -> None:
    """Train configurations of one method; what its frozen blocks compute is computed once."""
    first = _candidate(material, plan, some[0])
    method, model = prepared_model(material, first, head)
    start = copy.deepcopy(model.state_dict())
    every = [*material.known, *material.test]
    with cached_trunk(
        model, material.task, every, material.journal, "sweep", material.folder / "checkpoints"
    ):
        for one in some:
            model.load_state_dict(start)
            seed_everything(plan.seed)
            keep(one.name, _run(material, head, _candidate(material, plan, one), method, model))


def _candidate(material: Material, plan: Plan, one: Configuration) -> Candidate:
    usual = METHODS.load(one.method)(one.options).rates(_parameters(material), plan.task.name)[1]
    training = rung_training(plan, one.method).model_copy(
        update={"learning_rate": min(1.0, usual * one.factor), "updates": one.updates}
    )
    training.evaluations = 1
    training.averaged = 0.0
    training.checkpoint_seconds = 10_000
    guards = tuple(Part(name=name, options=options) for name, options in one.regularizers)
    part = Part(name=one.method, options=one.options)
    return Candidate(one.name.replace(" ", "_").replace("=", ""), part, training, guards)


def _parameters(material: Material) -> int:
    return sum(p.numel() for p in material.base().parameters())


def _run(
    material: Material, head: Fitted | None, candidate: Candidate, method: Method, model: nn.Module
) -> dict[str, Any]:
    """Train on all known rows, keep the last weights, score the test rows and general text."""
    began = time.process_time()
    try:
        train(training_of(material, candidate, method, model, material.known))
    except TrainingStopped as error:
        cpu = round(time.process_time() - began, 2)
        return {"value": None, "n": 0, "cpu": cpu, "stopped": str(error)[:200]}
    settle(material, method, model, material.known, head)
    found = _scored(material, material.task.outcomes(model, material.test), began)
    if isinstance(material.task, Generation):
        found["rise"] = _rise(material, material.task, model)
    return found


def _rise(material: Material, task: Generation, model: nn.Module) -> float:
    """Return the rise of the loss on the passages that judge, as a share (`general_loss`)."""
    passages = general_rows(task)
    base = material.once(
        "losses of passages", lambda: task.outcomes(material.base(), passages).losses
    )
    return float(task.outcomes(model, passages).losses.sum() / base.sum() - 1)
