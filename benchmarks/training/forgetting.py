"""E2E on stories260K: what each regularizer gives up of the target and saves of the base.

    python -m benchmarks.training.forgetting [--seeds 0 1] [--only plain kl_to_base_1 …]

200 pairs from 100 meaning representations train, 80 from 40 others choose the snapshot, E2E's own
test file judges. Two measures of the base: stories that the base itself wrote with another seed
(its own distribution), and paragraphs of general English. Bits per byte; intervals are 95%
bootstraps by meaning representation or text; differences are paired on the same rows.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.common import read_csv, save, shared
from fewtune.data.tokens import encode_supervised
from fewtune.environment import seed_everything
from fewtune.measures.loss_per_byte import LossPerByte
from fewtune.measures.probes import general_text
from fewtune.methods.base import METHODS, trained_state
from fewtune.models.load import resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.records import Example, Score
from fewtune.regularizers._rows import RowOptions, base_samples
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import Row, TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.checkpoint import restore_weights
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training

BIT = float(np.log(2))
RATES = {"full": 2e-3, "lora": 8e-3}
EPOCHS, BATCH = 10, 8
CONFIGURATIONS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "plain": ("full", {}),
    "replay_0.25": ("full", {"replay": {"dose": 0.25}}),
    "kl_to_base_1": ("full", {"kl_to_base": {"weight": 1.0}}),
    "kl_to_base_4": ("full", {"kl_to_base": {"weight": 4.0}}),
    "lora": ("lora", {}),
    "lora_kl_to_base_1": ("lora", {"kl_to_base": {"weight": 1.0}}),
    "l2_to_base_0.1": ("full", {"l2_to_base": {"strength": 0.1}}),
    "l2_to_base_0.01": ("full", {"l2_to_base": {"strength": 0.01}}),
    "l1_1e-4": ("full", {"l1": {"strength": 1e-4}}),
    "ewc_1": ("full", {"ewc": {"strength": 1.0}}),
    "ewc_10": ("full", {"ewc": {"strength": 10.0}}),
    "half": ("full", {"half": {}}),
    "sam_0.05": ("full", {"sam": {"rho": 0.05}}),
    "token_mask_0.2": ("full", {"token_mask": {"share": 0.2}}),
    "eaft": ("full", {"token_weight": {"kind": "eaft"}}),
    "flow": ("full", {"token_weight": {"kind": "flow"}}),
}
DIALLED = {"plain": (0.85, 0.7), "kl_to_base_1": (0.85,), "kl_to_base_4": (0.85,)}


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


class Material:
    """Rows and base of one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        source = resolve(str(shared("models", "stories260K")))
        self.task = Generation(source, TaskSettings(), "prompt")
        training = pairs("devset.csv", 100, 2, seed, set())
        seen = {e.input for e in training}
        self.train = self.task.encode(training)
        self.validation = self.task.encode(pairs("devset.csv", 40, 2, seed + 1, seen))
        self.test = self.task.encode(pairs("testset_w_refs.csv", 150, 2, seed, seen))
        general = [Example("", text, f"general:{i}") for i, text in enumerate(general_text())]
        encoded = encode_supervised(self.task.tokenizer, general, "text", 512, "right")
        self.general = [
            Row(e, c.ids, labels=c.labels, bytes=c.bytes)
            for e, c in zip(general, encoded, strict=True)
        ]
        model = self.task.load_model()
        judge: Any = SimpleNamespace(
            model=model,
            task=self.task,
            rows=self.train,
            start=trained_state(model),
            seed=seed + 1000,
            folder=folder / "judge" / "x",
            accelerator=Accelerator(cpu=True),
            journal=Journal(None),
            device=torch.device("cpu"),
        )
        self.stories = base_samples(judge, RowOptions(samples=100, length=200))
        self.base = self.measured(model)

    def measured(self, model: Any) -> dict[str, Any]:
        """Return the model's outcomes on target, stories and general text."""
        parts = {"target": self.test, "stories": self.stories, "general": self.general}
        return {name: self.task.outcomes(model, rows) for name, rows in parts.items()}

    def evaluate(self, model: Any, update: int) -> Evaluation:
        """Return the validation loss per byte."""
        found = self.task.outcomes(model, self.validation)
        loss = float(found.losses.sum() / found.bytes.sum())
        return Evaluation(update, loss, 0.0, loss, -1)


def fitted(material: Material, name: str) -> tuple[Training, float]:
    """Return a finished training of a configuration and the seconds it took."""
    method_name, regularizers = CONFIGURATIONS[name]
    seed_everything(material.seed)
    task, method = material.task, METHODS.load(method_name)()
    model = method.prepare(task.load_model(), task)
    updates = EPOCHS * -(-len(material.train) // BATCH)
    plan = TrainingPlan(
        learning_rate=RATES[method_name],
        updates=updates,
        batch_size=BATCH,
        evaluations=EPOCHS,
        checkpoint_seconds=10_000,
    )
    run = Training(
        stage=name,
        model=model,
        task=task,
        method=method,
        rows=material.train,
        plan=plan,
        counts=counts(plan, len(material.train)),
        seed=material.seed,
        journal=Journal(None),
        folder=material.folder / "runs" / name,
        evaluate=lambda update: material.evaluate(model, update),
        accelerator=Accelerator(cpu=True),
        regularizers=[REGULARIZERS.load(n)(o) for n, o in regularizers.items()],
    )
    began = time.monotonic()
    train(run)
    return run, time.monotonic() - began


def bits(score: Score) -> dict[str, Any]:
    """Return a score in bits per byte."""
    return {
        "value": score.value / BIT,
        "low": score.low / BIT,
        "high": score.high / BIT,
        "n": score.n,
    }


def compared(material: Material, found: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """Return each measure, and its paired difference from the plain training."""
    measure = LossPerByte()
    return {
        part: {
            **bits(measure.of(outcomes)),
            "minus_plain": bits(measure.difference(outcomes, plain[part])),
        }
        for part, outcomes in found.items()
    }


def show(seed: int, name: str, row: dict[str, Any]) -> None:
    cells = [
        f"{row[part]['value']:.3f} [{row[part]['low']:.3f}, {row[part]['high']:.3f}]"
        for part in ("target", "stories", "general")
    ]
    print(f"{seed}  {name:22} {'  '.join(cells)}  {row.get('seconds', 0):5.0f} s", flush=True)


def main() -> None:
    """Print the figures and keep the raw results."""
    reader = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    reader.add_argument("--seeds", nargs="+", type=int, default=[0])
    reader.add_argument("--only", nargs="+", default=list(CONFIGURATIONS))
    reader.add_argument("--name", default="forgetting", help="of the results file")
    wanted = reader.parse_args()
    results: list[dict[str, Any]] = []
    print("seed  configuration: bits per byte of target, stories, general text [95%]; seconds")
    for seed in wanted.seeds:
        with tempfile.TemporaryDirectory() as folder:
            material = Material(seed, Path(folder))
            plain = material.base
            names = ["plain", *(n for n in wanted.only if n != "plain")]
            for name in names:
                run, seconds = fitted(material, name)
                if name == "plain":
                    plain = material.measured(run.model)
                    first = compared(material, material.base, plain)
                    results.append({"seed": seed, "name": "base", **first})
                    show(seed, "base", first)
                for alpha in (1.0, *DIALLED.get(name, ())):
                    restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
                    row = compared(material, material.measured(run.model), plain)
                    label = name if alpha == 1 else f"{name} dial {alpha}"
                    best = run.best_evaluation.update if run.best_evaluation else 0
                    row |= {"seconds": seconds, "best_update": best}
                    results.append({"seed": seed, "name": label, **row})
                    show(seed, label, row)
                kept = save(f"training/{wanted.name}", results)
    print(kept)


if __name__ == "__main__":
    main()
