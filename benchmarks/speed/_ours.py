"""fewtune's side of the races: one training in this process; the last line printed is its figures.

python -m benchmarks.speed._ours generation MODEL ROWS METHOD BATCH EPOCHS [cached|""] [TOKENS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator

from fewtune.data.load import load
from fewtune.environment import bf16_is_native, seed_everything
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.plan.rules import CACHED_TOKENS
from fewtune.tasks.base import TASKS, TaskSettings
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.run import Training
from fewtune.train.trunk import cached_trunk


def main(
    task_name: str,
    model: str,
    rows: str,
    method: str,
    batch: str,
    epochs: str,
    cache: str = "",
    tokens: str = "",
) -> None:
    """Train and print seconds, of filling the cache apart, and the mean loss of the last epoch."""
    data = load(rows)
    task = TASKS.load(task_name)(resolve(model), TaskSettings(), data.shape, data.labels)
    if bf16_is_native("cpu"):
        task.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    known = task.encode(data.examples)
    seed_everything(0)
    chosen = METHODS.load(method)()
    prepared = chosen.prepare(task.load_model(), task)
    updates = -(-len(known) // int(batch)) * int(epochs)
    plan = TrainingPlan(
        learning_rate=1e-4, updates=updates, batch_size=int(batch), evaluations=1, warmup=0.0,
        tokens_per_batch=int(tokens or CACHED_TOKENS),
    )  # fmt: skip
    losses: list[float] = []
    journal = Journal(None)
    journal.listeners.append(
        lambda event: losses.append(event.values["loss"]) if event.kind == "step" else None
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Training(
            stage="race", model=prepared, task=task, method=chosen, rows=known, plan=plan,
            counts=counts(plan, len(known)), seed=0, journal=journal,
            folder=Path(folder) / "checkpoints" / "race", evaluate=None,
            accelerator=Accelerator(cpu=True),
        )  # fmt: skip
        began = time.monotonic()
        cached = cached_trunk(prepared, task, known, journal, "race", Path(folder))
        with cached if cache else nullcontext():
            filled, busy = time.monotonic(), time.process_time()
            train(run)
            ended, busy = time.monotonic(), time.process_time() - busy
    last = losses[-(updates // int(epochs)) :]
    print(
        json.dumps(
            {
                "seconds": ended - filled,
                "cpu_seconds": busy,
                "fill_seconds": filled - began,
                "updates": updates,
                "loss": sum(last) / len(last),
                "tokens": sum(row.length for row in known),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
