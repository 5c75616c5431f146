"""Foreseen: what a prepared fit will hold in memory, told and refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fewtune.environment import device_name, free_memory, process_count, resident_memory
from fewtune.errors import FewtuneError
from fewtune.models.load import read_config
from fewtune.plan.memory import Estimate, estimate
from fewtune.plan.nearest import refuse_unfitting
from fewtune.plan.precision import set_precision
from fewtune.plan.work import Work, work_of
from fewtune.records import Example
from fewtune.tasks.base import TASKS, Row, Task
from fewtune.tasks.generation import Generation
from fewtune.verbs.prepare import Prepared

__all__ = ["foresee", "foresee_plan", "free_for_fit", "refuse_if_unfitting", "task_of"]

LOOKED_AT = 64
"""Rows turned into tokens for the estimate of a plan: the longest."""


def task_of(prepared: Prepared) -> Task:
    """Return the task of a prepared fit, its precision set; the model is not loaded."""
    plan = prepared.plan
    labels = sorted(set(prepared.data.labels) | set(prepared.test.labels if prepared.test else ()))
    task = TASKS.load(plan.task.name)(prepared.source, plan.task, prepared.data.shape, labels)
    # A GPU too small for the base as it is has no room for it beside the packed one either.
    task.packed = bool(plan.method.options.get("four_bit"))
    set_precision(task, plan, prepared.parameters, device_name())
    return task


def foresee(
    prepared: Prepared, task: Task, known: Sequence[Row], test: Sequence[Row]
) -> Estimate | None:
    """Return the memory of a fit on encoded rows; ``None`` for a model that cannot be tried empty.

    Parameters
    ----------
    prepared, task
        The fit.
    known, test
        Rows that train and choose, and rows that judge.
    """
    return _tried(prepared, _work(prepared, task, known, test))


def foresee_plan(prepared: Prepared) -> Estimate | None:
    """Return the memory of a plan, from its longest rows."""
    task = task_of(prepared)
    every = [prepared.data[i] for i in (*prepared.split.train, *prepared.split.validation)]
    held = prepared.test if prepared.test is not None else None
    test = list(held) if held else [prepared.data[i] for i in prepared.split.test]
    some = _longest(every)
    work = _work(prepared, task, task.encode(some), task.encode(_longest(test)))
    grown = sum(map(_letters, every)) / max(1, sum(map(_letters, some)))
    return _tried(prepared, replace(work, known=round(work.known * grown)))


def _letters(example: Example) -> int:
    said = sum(len(str(message.content)) for message in example.messages or ())
    return len(example.input) + len(example.target or "") + said


def _longest(rows: Sequence[Example]) -> list[Example]:
    return sorted(rows, key=_letters, reverse=True)[:LOOKED_AT]


def _work(prepared: Prepared, task: Task, known: Sequence[Row], test: Sequence[Row]) -> Work:
    """Return the shapes of what a fit computes at once."""
    import torch

    plan = prepared.plan
    pixels = (0, 0)
    if task.name == "image_classification":
        shape = task.collate(known[:1]).inputs["pixel_values"].shape
        pixels = (int(shape[-2]), int(shape[-1]))
    place = torch.nn.Linear(1, 1, device=device_name())
    return work_of(
        task.name,
        len(task.labels),
        known,
        test,
        plan.training,
        budget=task.budget(place),
        answer_budget=task.answer_budget(place) if isinstance(task, Generation) else 0,
        samples=plan.select.samples if task.name == "generation" else 0,
        new_tokens=int(getattr(task, "max_new_tokens", 0)),
        pixels=pixels,
    )


def _tried(prepared: Prepared, work: Work) -> Estimate | None:
    try:
        return estimate(
            read_config(prepared.source),
            prepared.plan,
            work,
            parameters=prepared.parameters,
            device=device_name(),
            processes=process_count(),
        )
    except FewtuneError:
        raise
    except Exception:  # a stranger's model may do anything with tensors that have no values
        return None


def free_for_fit() -> int | None:
    """Return the bytes that a fit's process may come to hold; ``None`` where nobody knows."""
    device = device_name()
    free = free_memory(device)
    if free is None:
        return None
    # What this process holds already is part of what is estimated.
    held = resident_memory() if device == "cpu" else 0
    return free // process_count() + held


def refuse_if_unfitting(
    prepared: Prepared, task: Task, known: Sequence[Row], test: Sequence[Row], found: Estimate
) -> None:
    """Raise where the fit needs more than is free.

    Raises
    ------
    PlanError
        Naming the nearest plan that fits.
    """
    given: dict[str, Any] = {"parameters": prepared.parameters, "device": device_name()}
    refuse_unfitting(
        read_config(prepared.source),
        prepared.plan,
        _work(prepared, task, known, test),
        found,
        free=free_for_fit(),
        **given,
    )
