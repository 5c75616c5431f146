"""Seconds of an epoch with and without the trunk cache: all-MiniLM-L6-v2, 616 rows of Banking77.

Eight rows a class, drawn with seed 0; updates of 16 rows, as the loop makes them; no evaluation.
Seconds are those of the processor (``time.process_time`` on one thread), which other work on the
machine changes little; the medians of ``--repeats`` epochs, the configurations in turn. Results of
cached and uncached training are compared too.

    python -m benchmarks.speed.trunk [--repeats 3] [--rows-per-class 8] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.common import read_csv, save, shared
from fewtune.data.batches import Order
from fewtune.environment import seed_everything
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.journal import Journal
from fewtune.train.trunk import cached_trunk

CONFIGURATIONS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "full": ("full", {}, False),
    "partial, top third": ("partial", {}, False),
    "partial, top third, cached": ("partial", {}, True),
    "lora on the top third": ("lora", {"top": 2}, False),
    "lora on the top third, cached": ("lora", {"top": 2}, True),
    "head by the loop": ("head", {}, False),
    "head by the loop, cached": ("head", {}, True),
}
BATCH = 16


def drawn(per_class: int, seed: int) -> tuple[list[Example], list[str]]:
    """Return rows of Banking77, the same number of every class, and the labels."""
    by_label: dict[str, list[str]] = {}
    for row in read_csv(shared("data", "banking77", "train.csv")):
        by_label.setdefault(row["category"], []).append(row["text"])
    draw = random.Random(seed)
    examples = [
        Example(text, label, f"{label}:{number}")
        for label, texts in sorted(by_label.items())
        for number, text in enumerate(draw.sample(texts, per_class))
    ]
    return examples, sorted(by_label)


class Trained:
    """A model that trains an epoch at a time, on cached states or not."""

    def __init__(self, name: str, examples: list[Example], labels: list[str]) -> None:
        method, options, cached = CONFIGURATIONS[name]
        self.task = TextClassification(resolve("minilm"), TaskSettings(), labels=labels)
        self.rows = self.task.encode(examples)
        seed_everything(0)
        model = self.task.load_model()
        torch.nn.init.normal_(model.head.weight, std=0.1)
        self.model = METHODS.load(method)(options).prepare(model, self.task).train()
        trainable = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=1e-4, fused=True)
        self.order = Order([row.length for row in self.rows], BATCH, 0)
        self.epochs = 0
        self.fill_seconds = 0.0
        self._trunk = None
        if cached:
            began = time.process_time()
            self._trunk = cached_trunk(
                model, self.task, self.rows, Journal(None), name, Path(tempfile.gettempdir())
            )
            if self._trunk.__enter__() is None:
                raise SystemExit(f"{name}: nothing was cached")
            self.fill_seconds = time.process_time() - began

    def epoch(self) -> float:
        """Train one epoch; return processor seconds."""
        began = time.process_time()
        for number in range(self.order.updates_per_epoch):
            update = self.epochs * self.order.updates_per_epoch + number
            batch = self.task.training_batch(
                [self.rows[i] for i in self.order.rows(update)], f"0/{update}"
            )
            seed_everything(update)
            self.optimizer.zero_grad(set_to_none=True)
            losses = self.task.losses(self.task.logits(self.model, batch), batch)
            losses.mean().backward()
            self.optimizer.step()
        self.epochs += 1
        return time.process_time() - began


def main() -> None:
    """Measure, print a table and keep the raw seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows-per-class", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    examples, labels = drawn(given.rows_per_class, given.seed)
    runs = {name: Trained(name, examples, labels) for name in CONFIGURATIONS}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.repeats):
        for name, run in runs.items():
            seconds[name].append(run.epoch())
    middle = {name: median(values) for name, values in seconds.items()}
    print(f"n = {len(examples)} rows, seed {given.seed}, {given.repeats} epochs each, one thread")
    print(f"{'':32}{'s/epoch':>9}{'of uncached':>13}{'of full':>9}{'filling':>9}")
    for name, run in runs.items():
        own = middle[name.removesuffix(", cached")] / middle[name]
        print(
            f"{name:32}{middle[name]:9.2f}{own:12.1f}×{middle['full'] / middle[name]:8.1f}×"
            f"{run.fill_seconds:8.2f}s"
        )
    differences = {}
    for name in runs:
        if name.endswith(", cached"):
            one, two = runs[name].model, runs[name.removesuffix(", cached")].model
            pairs = zip(one.parameters(), two.parameters(), strict=True)
            differences[name] = max(float((a - b).detach().abs().max()) for a, b in pairs)
            print(f"{name}: largest difference of a weight {differences[name]:.1e}")
    results = {"n": len(examples), "seed": given.seed, "seconds": seconds, "medians": middle}
    fills = {name: run.fill_seconds for name, run in runs.items() if run.fill_seconds}
    print(save("speed/trunk", {**results, "filling": fills, "differences": differences}))


if __name__ == "__main__":
    main()
