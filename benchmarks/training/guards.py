"""E2E on stories260K: what every regularizer at several strengths saves of the base, and its price.

    python -m benchmarks.training.guards [--seeds 0 1 2] [--only plain ewc_1 …] [--facts]

200 short pairs from 100 meaning representations train for 40 updates at full fine-tuning's usual
rate, and the last weights are judged: on E2E's own test file, on stories that the base itself wrote
with another seed, and on paragraphs of general English. A guard's *price* is the share of the plain
training's gain on the target that is lost, and it *saves* a share of the plain training's rise on
stories and on general text. Every cell is kept as soon as it is done; a second call does the rest.
``--facts`` trains 40 invented facts, which no base can know: what masking surprising tokens costs.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator

from benchmarks.common import mean_interval, read_csv, save, shared
from benchmarks.training.forgetting import bits
from fewtune.data.tokens import encode_supervised
from fewtune.environment import seed_everything
from fewtune.measures.loss_per_byte import LossPerByte
from fewtune.measures.probes import general_text
from fewtune.methods.base import METHODS, trained_state
from fewtune.models.load import resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.records import Example
from fewtune.regularizers._rows import RowOptions, base_samples
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import Row, TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.journal import Journal
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training

NAME = "training/guards"
RATE, UPDATES, BATCH = 2e-3, 40, 8
SHORT = 210
"""Most characters of a pair: an update of short rows costs half, and the guards differ as much."""
Options = dict[str, Any]
CELLS: dict[str, tuple[str, Options]] = {
    "plain": ("", {}),
    "kl_to_base_1": ("kl_to_base", {"weight": 1.0}),
    "ewc_1": ("ewc", {"strength": 1.0}),
    "l2_to_base_0.01": ("l2_to_base", {"strength": 0.01}),
    "l1_1e-5": ("l1", {"strength": 1e-5}),
    "half": ("half", {}),
    "sam_0.05": ("sam", {"rho": 0.05}),
    "replay_0.25": ("replay", {"dose": 0.25}),
    "token_mask_0.2": ("token_mask", {"share": 0.2}),
    "eaft": ("token_weight", {"kind": "eaft"}),
    "flow": ("token_weight", {"kind": "flow"}),
    "ewc_10": ("ewc", {"strength": 10.0}),
    "ewc_100": ("ewc", {"strength": 100.0}),
    "l2_to_base_0.1": ("l2_to_base", {"strength": 0.1}),
    "l2_to_base_1": ("l2_to_base", {"strength": 1.0}),
    "l1_1e-4": ("l1", {"strength": 1e-4}),
    "l1_1e-3": ("l1", {"strength": 1e-3}),
    "kl_to_base_4": ("kl_to_base", {"weight": 4.0}),
    "replay_1": ("replay", {"dose": 1.0}),
    "sam_0.2": ("sam", {"rho": 0.2}),
    "token_mask_0.1": ("token_mask", {"share": 0.1}),
}
FACT_CELLS = ("plain", "token_mask_0.1", "token_mask_0.2", "eaft", "flow")
PARTS = ("target", "stories", "general")


class Material:
    """Rows and base of one seed."""

    def __init__(self, seed: int, folder: Path, facts: bool) -> None:
        self.seed, self.folder = seed, folder
        source = resolve(str(shared("models", "stories260K")))
        self.task = Generation(source, TaskSettings(), "prompt")
        training = invented(seed) if facts else short_pairs("devset.csv", 100, seed, set())
        self.train = self.task.encode(training)
        seen = {e.input for e in training}
        test = training if facts else short_pairs("testset_w_refs.csv", 40, seed, seen)
        self.parts = {"target": self.task.encode(test), "general": self._general()}
        self.parts["stories"] = self._stories()
        self.base = self.measured(self.task.load_model())

    def _general(self) -> list[Row]:
        made = [Example("", text, f"general:{i}") for i, text in enumerate(general_text()[:24])]
        encoded = encode_supervised(self.task.tokenizer, made, "text", 512, "right")
        return [
            Row(e, c.ids, labels=c.labels, bytes=c.bytes)
            for e, c in zip(made, encoded, strict=True)
        ]

    def _stories(self) -> list[Row]:
        model = self.task.load_model()
        judge: Any = SimpleNamespace(
            model=model,
            task=self.task,
            rows=self.train,
            start=trained_state(model),
            seed=self.seed + 1000,
            folder=self.folder / "judge" / "x",
            accelerator=Accelerator(cpu=True),
            journal=Journal(None),
            device=torch.device("cpu"),
        )
        return base_samples(judge, RowOptions(samples=32, length=120))

    def measured(self, model: Any) -> dict[str, Any]:
        """Return the model's outcomes on target, stories and general text."""
        return {name: self.task.outcomes(model, self.parts[name]) for name in PARTS}


def short_pairs(file: str, meanings: int, seed: int, but: set[str]) -> list[Example]:
    """Return two short pairs of each of that many meaning representations, none among ``but``."""
    by: dict[str, list[str]] = {}
    for row in read_csv(shared("data", "e2e", file)):
        if row["mr"] not in but and len(row["mr"]) + len(row["ref"]) <= SHORT:
            by.setdefault(row["mr"], []).append(row["ref"])
    known = sorted(meaning for meaning, texts in by.items() if len(texts) > 1)
    random.Random(seed).shuffle(known)
    return [
        Example(meaning, text, f"{file}:{meaning}:{i}", group=meaning)
        for meaning in known[:meanings]
        for i, text in enumerate(by[meaning][:2])
    ]


def invented(seed: int) -> list[Example]:
    """Return 40 facts about places that do not exist: a name and four digits."""
    draw = random.Random(f"facts/{seed}")
    heads, tails = ("zor", "mip", "kel", "bru", "tav", "nol", "wex"), ("vex", "dun", "ral", "ost")
    names = sorted({f"{a}{b}{c}" for a in heads for b in "aeiou" for c in tails})
    return [
        Example(
            f"The number of {name} is",
            " " + " ".join(str(draw.randrange(10)) for _ in range(4)),
            f"fact:{i}",
        )
        for i, name in enumerate(draw.sample(names, 40))
    ]


def always_better(update: int) -> Evaluation:
    """Return an evaluation that keeps the last weights: a guard is not judged by when it stops."""
    return Evaluation(update, 1.0 / (1 + update), 0.0, float(update), 1)


def fitted(material: Material, name: str, updates: int) -> tuple[Training, float]:
    """Return a finished training of a cell and the seconds it took."""
    guard, options = CELLS[name]
    seed_everything(material.seed)
    method = METHODS.load("full")()
    model = method.prepare(material.task.load_model(), material.task)
    plan = TrainingPlan(
        learning_rate=RATE,
        updates=updates,
        batch_size=BATCH,
        evaluations=1,
        checkpoint_seconds=10_000,
    )
    run = Training(
        stage=name,
        model=model,
        task=material.task,
        method=method,
        rows=material.train,
        plan=plan,
        counts=counts(plan, len(material.train)),
        seed=material.seed,
        journal=Journal(None),
        folder=material.folder / "runs" / name,
        evaluate=always_better,
        accelerator=Accelerator(cpu=True),
        regularizers=[REGULARIZERS.load(guard)(options)] if guard else [],
    )
    began = time.process_time()
    train(run)
    return run, time.process_time() - began


def cell(material: Material, name: str, facts: bool) -> dict[str, Any]:
    """Return the figures of one cell, in bits per byte, with intervals over rows."""
    run, seconds = fitted(material, name, 60 if facts else UPDATES)
    found = material.measured(run.model)
    measure = LossPerByte()
    figures = {part: bits(measure.of(outcomes)) for part, outcomes in found.items()}
    base = {part: bits(measure.of(outcomes)) for part, outcomes in material.base.items()}
    return {"seed": material.seed, "name": name, "base": base, "cpu_seconds": seconds, **figures}


def kept(facts: bool) -> list[dict[str, Any]]:
    """Return the cells that an earlier call has finished."""
    path = Path(__file__).parent / "results" / f"guards{'_facts' if facts else ''}.json"
    if not path.exists():
        return []
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return results


def table(results: list[dict[str, Any]]) -> None:
    """Print each cell's price and what it saves, the mean over seeds with its interval."""
    by = {(r["seed"], r["name"]): r for r in results}
    print(f"{'cell':18} price of target, saved of stories, saved of general [95%]; n seeds")
    for name in CELLS:
        shares: dict[str, list[float]] = {part: [] for part in PARTS}
        for (seed, other), row in by.items():
            plain = by.get((seed, "plain"))
            if other != name or plain is None:
                continue
            for part in PARTS:
                moved = plain[part]["value"] - plain["base"][part]["value"]
                shares[part].append((plain[part]["value"] - row[part]["value"]) / moved)
        if not shares["target"]:
            continue
        cells = [mean_interval(shares[part]) for part in PARTS]
        price, low, high = cells[0]
        # The target falls where it is learned: a smaller fall is a price.
        cells[0] = (price, low, high)
        told = "  ".join(f"{m:+6.1%} [{a:+.1%}, {b:+.1%}]" for m, a, b in cells)
        print(f"{name:18} {told}  {len(shares['target'])}")


def main() -> None:
    """Run the cells that are missing, keep each, and print the table."""
    reader = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    reader.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    reader.add_argument("--only", nargs="+", default=[])
    reader.add_argument("--facts", action="store_true")
    wanted = reader.parse_args()
    torch.set_num_threads(1)
    results = kept(wanted.facts)
    names = wanted.only or list(FACT_CELLS if wanted.facts else CELLS)
    for seed in wanted.seeds:
        done = {r["name"] for r in results if r["seed"] == seed}
        missing = [name for name in names if name not in done]
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            material = Material(seed, Path(folder), wanted.facts)
            for name in missing:
                row = cell(material, name, wanted.facts)
                # Read again: another call may have kept other cells in the meantime.
                results = [*kept(wanted.facts), row]
                figures = "  ".join(f"{part} {row[part]['value']:.3f}" for part in PARTS)
                print(f"{seed} {name:18} {figures}  {row['cpu_seconds']:.0f} s", flush=True)
                save(NAME + ("_facts" if wanted.facts else ""), results)
    table(results)


if __name__ == "__main__":
    main()
