"""Every method on every task it is for, on real models: the score before and after, time and size.

    python -m benchmarks.training.methods [--only minilm:lora …] [--seed 0]

minilm: front-desk intents (12 classes, 8 rows each train, 181 test rows), 60 updates of 16.
mobilenet_v2: photos of hands (10 classes, 10 each train, 150 test rows), 40 updates of 16.
stories260K: 200 E2E pairs, 50 updates of 8; builtin: 200 front-desk chats, 30 updates of 4.
The rate is the method's usual one, the last weights are judged, and nothing is chosen, so these are
figures of the methods as they come and not of a fit. A classifier starts from the solved head:
that is its score before. Every cell is kept as soon as it is done; a second call does the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.common import save, shared
from benchmarks.training.forgetting import pairs
from fewtune.data.load import load
from fewtune.environment import seed_everything
from fewtune.errors import FewtuneError
from fewtune.measures.base import row_measure
from fewtune.methods.base import METHODS
from fewtune.methods.head import features, install
from fewtune.methods.probe import States, fit
from fewtune.models.load import parameter_count, resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.records import Example
from fewtune.tasks.base import TASKS, Row, Task, TaskSettings
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training
from fewtune.train.trunk import cached_trunk

NAME = "training/methods"
DESK = Path(__file__).resolve().parents[2] / "examples" / "front_desk"


@dataclass
class Case:
    """A model, a task, and the rows of one draw."""

    name: str
    task: Task
    train: list[Row]
    test: list[Row]
    updates: int
    batch: int


def chosen(data: Sequence[Example], each: int, seed: int) -> tuple[list[Example], list[Example]]:
    """Return ``each`` examples of every label, and the rest."""
    by_label: dict[str, list[Example]] = {}
    for example in data:
        by_label.setdefault(str(example.target), []).append(example)
    some: list[Example] = []
    rest: list[Example] = []
    for label in sorted(by_label):
        drawn = random.Random(f"{seed}/{label}").sample(by_label[label], len(by_label[label]))
        some += drawn[:each]
        rest += drawn[each:]
    return some, rest


def minilm(seed: int) -> Case:
    data = load(str(DESK / "intents.csv"))
    test = load(str(DESK / "intents_test.csv")).examples
    task = TASKS.load("text_classification")(
        resolve("minilm"), TaskSettings(), "labelled_text", data.labels
    )
    some, _ = chosen(data.examples, 8, seed)
    return Case("minilm", task, task.encode(some), task.encode(test), 60, 16)


def mobilenet(seed: int) -> Case:
    data = load(str(shared("data", "sign_digits")))
    source = resolve(str(shared("models", "mobilenet_v2")))
    task = TASKS.load("image_classification")(source, TaskSettings(), "labelled_image", data.labels)
    some, rest = chosen(data.examples, 10, seed)
    test, _ = chosen(rest, 15, seed)
    return Case("mobilenet_v2", task, task.encode(some), task.encode(test), 40, 16)


def stories(seed: int) -> Case:
    source = resolve(str(shared("models", "stories260K")))
    task = TASKS.load("generation")(source, TaskSettings(), "prompt")
    training = pairs("devset.csv", 100, 2, seed, set())
    test = pairs("testset_w_refs.csv", 60, 2, seed, {e.input for e in training})
    return Case("stories260K", task, task.encode(training), task.encode(test), 50, 8)


def builtin(seed: int) -> Case:
    data = load(str(DESK / "conversations.jsonl"))
    test = load(str(DESK / "conversations_test.jsonl")).examples[:40]
    task = TASKS.load("generation")(resolve("builtin"), TaskSettings(), "chat")
    some = random.Random(seed).sample(list(data.examples), 200)
    return Case("builtin", task, task.encode(some), task.encode(test), 30, 4)


CASES = {"stories260K": stories, "minilm": minilm, "mobilenet_v2": mobilenet, "builtin": builtin}


def solved(case: Case, model: Any) -> None:
    """Fit the head of a classifier on its frozen states and put it in."""
    rows = features(model, case.task, case.train)
    truth = np.asarray([row.label for row in case.train], dtype=np.int64)
    states = States(rows, truth, np.ones(len(truth)), len(case.task.labels))
    folds = [list(range(start, len(truth), 4)) for start in range(4)]
    install(model, fit(states, folds))


def always_better(update: int) -> Evaluation:
    """Return an evaluation that keeps the last weights."""
    return Evaluation(update, 1.0 / (1 + update), 0.0, float(update), 1)


def trained(case: Case, name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return the figures of one cell."""
    task, measure = case.task, row_measure(case.task.headline)
    method = METHODS.load(name)()
    seed_everything(seed)
    model: Any = task.load_model()
    clock, cpu = time.monotonic(), time.process_time()
    untrained = measure.of(task.outcomes(model, case.test))
    if hasattr(model, "head"):
        solved(case, model)
    if task.name in method.solves:
        before, rate, updates = untrained, 0.0, 0
        size = sum(p.numel() for p in model.head.parameters())
    else:
        before = measure.of(task.outcomes(model, case.test))
        clock, cpu = time.monotonic(), time.process_time()
        model = method.prepare(model, task)
        rate = method.rates(parameter_count(task.source), task.name)[1]
        updates = case.updates
        size = sum(p.numel() for p in model.parameters() if p.requires_grad)
        plan = TrainingPlan(
            learning_rate=rate,
            updates=updates,
            batch_size=case.batch,
            evaluations=1,
            checkpoint_seconds=10_000,
        )
        run = Training(
            stage=name,
            model=model,
            task=task,
            method=method,
            rows=case.train,
            plan=plan,
            counts=counts(plan, len(case.train)),
            seed=seed,
            journal=Journal(None),
            folder=folder / name,
            evaluate=always_better,
            accelerator=Accelerator(cpu=True),
        )
        with cached_trunk(model, task, case.train, run.journal, name, folder):
            train(run)
        if method.solves_after:
            solved(case, model)
    seconds, cpu_seconds = time.monotonic() - clock, time.process_time() - cpu
    after = measure.of(task.outcomes(model, case.test))
    return {
        "measure": measure.name,
        "before": before.as_json(),
        "after": after.as_json(),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "trainable": size,
        "learning_rate": rate,
        "updates": updates,
    }


def kept() -> list[dict[str, Any]]:
    """Return the cells that earlier calls have finished."""
    path = Path(__file__).parent / "results" / "methods.json"
    if not path.exists():
        return []
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return results


def show(row: dict[str, Any]) -> None:
    head = f"{row['case']:13} {row['method']:12}"
    if "refused" in row:
        print(f"{head} refused: {row['refused']}", flush=True)
        return
    told = [
        f"{row[k]['value']:.3f} [{row[k]['low']:.3f}, {row[k]['high']:.3f}]"
        for k in ("before", "after")
    ]
    print(
        f"{head} {row['measure']} {told[0]} → {told[1]} n {row['after']['n']}  "
        f"{row['cpu_seconds']:6.1f} CPU s  {row['trainable']:>9,} trainable  "
        f"rate {row['learning_rate']:g}",
        flush=True,
    )


def main() -> None:
    """Run the cells that are missing, keep each, and print the table."""
    reader = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    reader.add_argument("--only", nargs="+", default=[], help="model:method")
    reader.add_argument("--seed", type=int, default=0)
    wanted = reader.parse_args()
    torch.set_num_threads(1)
    results = kept()
    for name, make in CASES.items():
        case: Case | None = None
        for method in METHODS.names():
            done = any(
                (r["case"], r["method"], r["seed"]) == (name, method, wanted.seed) for r in results
            )
            if done or (wanted.only and f"{name}:{method}" not in wanted.only):
                continue
            case = case or make(wanted.seed)
            row: dict[str, Any] = {"case": name, "method": method, "seed": wanted.seed}
            if case.task.name not in METHODS.load(method).tasks:
                row["refused"] = f"{method} is not for {case.task.name}"
            else:
                try:
                    with tempfile.TemporaryDirectory() as folder:
                        row |= trained(case, method, wanted.seed, Path(folder))
                except FewtuneError as error:
                    row["refused"] = str(error)
            # Read again: another call may have kept other cells in the meantime.
            results = [*kept(), row]
            save(NAME, results)
            show(row)
    print("\nall cells")
    for row in results:
        show(row)


if __name__ == "__main__":
    main()
