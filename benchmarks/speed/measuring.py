"""Processor seconds of measuring rows, by how many tokens are computed at once.

all-MiniLM-L6-v2 on 300 front-desk questions and the built-in model on 40 of its chats, one thread.
Every budget in turn, ``--repeats`` times; the losses must be the same.

    python -m benchmarks.speed.measuring [--repeats 2]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import save
from fewtune.data.load import load
from fewtune.models.load import resolve
from fewtune.tasks.base import TASKS, TaskSettings

DESK = Path(__file__).resolve().parents[2] / "examples" / "front_desk"
BUDGETS = (512, 1024, 2048, 4096, 8192)
CASES = {
    "minilm": ("text_classification", "intents.csv", 300),
    "builtin": ("generation", "conversations.jsonl", 40),
}


def main() -> None:
    """Measure, print the medians and keep the raw seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, (task_name, file, count) in CASES.items():
        data = load(str(DESK / file))
        settings = TaskSettings(truncation="left")
        task = TASKS.load(task_name)(resolve(name), settings, data.shape, data.labels)
        rows, model = task.encode(data.examples[:count]), task.load_model()
        seconds: dict[int, list[float]] = {budget: [] for budget in BUDGETS}
        losses = []
        for _ in range(given.repeats):
            for budget, times in seconds.items():
                task.budget = lambda model, budget=budget: budget  # type: ignore[method-assign]
                began = time.process_time()
                losses.append(float(task.outcomes(model, rows).losses.sum()))
                times.append(time.process_time() - began)
        tokens = sum(row.length for row in rows)
        told = "  ".join(f"{b}: {median(times):.2f} s" for b, times in seconds.items())
        off = max(losses) / min(losses) - 1
        print(f"{name}, {count} rows, {tokens} tokens; {told}; losses differ by {off:.0e}")
        results[name] = {"rows": count, "tokens": tokens, "seconds": seconds, "off": off}
    print(save("speed/measuring", results))


if __name__ == "__main__":
    main()
