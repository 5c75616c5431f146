"""Costs: seconds of the pieces of a fit on this machine, timed before anything is spent."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from fewtune.methods.base import METHODS
from fewtune.select.candidates import Candidate
from fewtune.select.fitting import prepared_model, training_of
from fewtune.select.material import Material
from fewtune.tasks.base import Row, inference
from fewtune.tasks.generation import Generation
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.trunk import cached_trunk

__all__ = ["Costs", "costs_of", "mean_tokens", "tokens_of"]

TIMED_UPDATES = 3
TIMED_ROWS = 16
WRITTEN, STEPS = 8, 8
"""Answers written at once, and steps of each, to time a step."""


def tokens_of(rows: Sequence[Row]) -> int:
    """Return the tokens of rows."""
    return sum(row.length for row in rows)


@dataclass(frozen=True)
class Costs:
    """Seconds of the pieces on this machine.

    Attributes
    ----------
    load
        Loading the base model once.
    token
        One token (or what an image counts as) in a pass without gradients.
    update, start
        Of each candidate by name: one update, and what comes before the first one.
    step, answer
        One step of writing answers: for all, and more for each answer at once.
    """

    load: float
    token: float
    update: dict[str, float]
    start: dict[str, float]
    step: float = 0.0
    answer: float = 0.0


def costs_of(material: Material, entered: Sequence[Candidate]) -> Costs:
    """Time the pieces of the candidates; nothing is written down of it."""
    quiet = replace(material, journal=Journal(None))
    began = time.perf_counter()
    base = material.base()
    load = time.perf_counter() - began
    rows = _timed_rows(material, base)
    material.task.outcomes(base, rows if _loads_kernels(base) else rows[:2])
    began = time.perf_counter()
    material.task.outcomes(base, rows)
    token = (time.perf_counter() - began) / max(1, tokens_of(rows))
    update: dict[str, float] = {}
    start: dict[str, float] = {}
    kinds: dict[Any, tuple[float, float]] = {}
    for candidate in entered:
        if METHODS.load(candidate.method.name).solves & {material.task.name}:
            continue
        guards = tuple(part.name for part in candidate.regularizers)
        kind = (candidate.method.name, candidate.training.batch_size, guards)
        if kind not in kinds:
            kinds[kind] = _updates(quiet, candidate, token)
        start[candidate.name], update[candidate.name] = kinds[kind]
    if update:
        update[""] = min(update.values())
    step, answer = _writing(material) if material.task.name == "generation" else (0.0, 0.0)
    if not update and "vanilla" in material.plan.controls:
        update[""] = 4 * token * material.plan.training.batch_size * mean_tokens(material)
    return Costs(load, token, update, start, step, answer)


def _loads_kernels(model: nn.Module) -> bool:
    """Return whether what runs for the first time is loaded first: on a GPU, which takes longer."""
    return next(model.parameters()).device.type != "cpu"


def _timed_rows(material: Material, base: nn.Module) -> list[Row]:
    """Return test rows to time a pass on: a few, where many at once take as long, a whole batch."""
    most = material.task.budget(base) if _loads_kernels(base) else 0
    found: list[Row] = []
    tokens = 0
    for row in material.test:
        tokens += row.length
        if len(found) >= TIMED_ROWS and tokens > most:
            break
        found.append(row)
    return found


def mean_tokens(material: Material) -> float:
    """Return the tokens of a training row, on average."""
    return tokens_of(material.train) / max(1, len(material.train))


def _updates(material: Material, candidate: Candidate, token: float) -> tuple[float, float]:
    """Return the seconds before the first update and of each, from a training that is given up.

    ``token`` are the seconds of one in a pass: what lies frozen below is computed once a known row.
    """
    size = candidate.training.batch_size
    count = min(len(material.train), size * (TIMED_UPDATES + 1))
    at = [round(i * (len(material.train) - 1) / max(1, count - 1)) for i in range(count)]
    rows = [material.train[i] for i in dict.fromkeys(at)]
    if _loads_kernels(material.base()):
        _given_up(material, candidate, rows, TIMED_UPDATES)
    elif candidate.regularizers:
        # What is drawn of the base is kept for all trainings of the fit: none of them waits for it.
        _given_up(material, candidate, rows, 1)
    began, seen, has_trunk = _given_up(material, candidate, rows, TIMED_UPDATES + 1)
    once = token * tokens_of(material.known) if has_trunk else 0.0
    if len(seen) < 2:
        return once, seen[0] - began if seen else 0.0
    each = (seen[-1] - seen[0]) / (len(seen) - 1)
    start = once + max(0.0, seen[0] - began - each)
    return start, each * mean_tokens(material) * len(rows) / tokens_of(rows)


def _given_up(
    material: Material, candidate: Candidate, rows: Sequence[Row], updates: int
) -> tuple[float, list[float], bool]:
    """Train for a few updates; return when it began and each ended, and if a trunk was kept."""
    method, model = prepared_model(material, candidate, None)
    quick = {"evaluations": 1, "checkpoint_seconds": 1e9}
    training = candidate.training.model_copy(update=quick)
    more = {"stop_at": updates, "asked": material.train}
    plain = replace(candidate, training=training)
    run = training_of(material, plain, method, model, rows, name="timed", more=more)
    run.monitors = ()
    seen: list[float] = []
    run.journal.listeners.append(
        lambda event: seen.append(time.perf_counter()) if event.kind == "step" else None
    )
    try:
        with cached_trunk(
            model, material.task, rows, run.journal, run.stage, run.folder.parent
        ) as trunk:
            began = time.perf_counter()
            train(run)
    finally:
        # One that is interrupted leaves a checkpoint, from which nothing is ever to go on.
        shutil.rmtree(run.folder, ignore_errors=True)
    run.journal.listeners.pop()
    return began, seen, trunk is not None


def _writing(material: Material) -> tuple[float, float]:
    """Return the seconds of one step of writing, for all answers and for each.

    Reading the prompts is no part of it: it would make a step of long prompts seem many times as
    long as it is.
    """
    task = cast(Generation, material.task)
    base = material.base()
    rows = [list(row.ids) for row in material.test[:WRITTEN]]
    if not rows:
        return 0.0, 0.0
    # What is written must find room behind them.
    width = max(1, min([*map(len, rows), task.max_length() - STEPS - 1]))
    prompts = torch.tensor([ids[:width] for ids in rows]).to(next(base.parameters()).device)
    with inference(base), task.autocast():
        found = [_step(base, prompts[:count]) for count in (1, len(rows))]
    if len(rows) < 2:
        return found[0], 0.0
    answer = max(0.0, (found[1] - found[0]) / (len(rows) - 1))
    return max(0.0, found[0] - answer), answer


def _step(model: Any, prompts: Tensor) -> float:
    """Return the seconds of a step after prompts of one length: of many steps, less a first one."""
    took = []
    for steps in (1, 1, STEPS + 1):
        began = time.perf_counter()
        model.generate(
            input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=False,
            min_new_tokens=steps, max_new_tokens=steps, max_length=None, pad_token_id=0,
            temperature=None, top_k=None, top_p=None,
        )  # fmt: skip
        took.append(time.perf_counter() - began)
    # The first of the three loads what runs for the first time.
    return max(0.0, took[2] - took[1]) / STEPS
