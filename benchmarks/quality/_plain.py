"""Plain tunings of stories260K on E2E: nothing is chosen, the last weights are kept."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from benchmarks.common import read_csv, shared
from fewtune.environment import seed_everything
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import Row, Task, TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.run import Training

BATCH = 8


def pairs(file: str, meanings: int, each: int, seed: int, but: set[str]) -> list[Example]:
    """Return ``each`` pairs of that many meaning representations drawn, none among ``but``."""
    rows = read_csv(shared("data", "e2e", file))
    known = sorted({row["mr"] for row in rows} - but)
    random.Random(seed).shuffle(known)
    return [
        Example(meaning, row["ref"], f"{file}:{meaning}:{i}", group=meaning)
        for meaning in known[:meanings]
        for i, row in enumerate([r for r in rows if r["mr"] == meaning][:each])
    ]


def stories_task() -> Generation:
    """Return generation on stories260K."""
    return Generation(resolve(str(shared("models", "stories260K"))), TaskSettings(), "prompt")


def tuned(
    task: Task,
    rows: Sequence[Row],
    folder: Path,
    *,
    method: str = "full",
    rate: float,
    epochs: int,
    regularizers: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
) -> Any:
    """Return a model trained for ``epochs`` at ``rate``, the last weights."""
    seed_everything(seed)
    chosen = METHODS.load(method)()
    model = chosen.prepare(task.load_model(), task)
    updates = epochs * math.ceil(len(rows) / BATCH)
    plan = TrainingPlan(
        learning_rate=rate,
        updates=updates,
        batch_size=BATCH,
        evaluations=1,
        checkpoint_seconds=10_000,
    )
    train(
        Training(
            stage="plain",
            model=model,
            task=task,
            method=chosen,
            rows=rows,
            plan=plan,
            counts=counts(plan, len(rows)),
            seed=seed,
            journal=Journal(None),
            folder=folder / "checkpoints" / "plain",
            evaluate=None,
            accelerator=Accelerator(cpu=True),
            regularizers=[REGULARIZERS.load(n)(o) for n, o in (regularizers or {}).items()],
        )
    )
    return model
