"""Label errors: 10% of labels flipped, how many of the first k suspects were; where it abstains.

    python -m benchmarks.data.check_labels [--model minilm]

precision@k: k rows are flipped, and the k rows whose own label is least probable are looked at.
"found" are the rows that the check itself names, with how many of them were flipped. Wrong labels
that the data had before count as mistakes here. The hard sets join Banking77's intents into a few
classes at random, so that words say little; noise has labels drawn at random.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import save, shared
from benchmarks.data._check_common import flip_labels, said, subset, wilson
from fewtune.checks._features import leave_one_out
from fewtune.checks.base import Context
from fewtune.checks.label_errors import KNOWS, suspects
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.records import Dataset

FRONT_DESK = Path("examples/front_desk/intents.csv")


def measure(name: str, clean: Dataset, seed: int, model=None, share: float = 0.1) -> dict:
    data, flipped = flip_labels(clean, share, seed)
    context = Context(data, model=model)
    began = time.process_time()
    held_out = leave_one_out(context)
    report = run(context, ["label_errors"])
    seconds = time.process_time() - began
    planted = np.array([data[int(i)].source in flipped for i in held_out.rows])
    own = held_out.probabilities[np.arange(len(held_out.rows)), held_out.given]
    k = int(planted.sum())
    at_k = int(planted[np.argsort(own, kind="stable")[:k]].sum())
    abstains = any("Abstains" in f.evidence for f in report.findings)
    named = set() if abstains else {s for f in report.findings for s in f.rows}
    right = len(named & flipped)
    told = "abstains" if abstains else said("found:", right, len(named))
    result = {
        "set": name,
        "seed": seed,
        "rows": len(data),
        "classes": len(data.labels),
        "accuracy": held_out.accuracy,
        "precision_at_k": wilson(at_k, k),
        "abstains": abstains,
        "named": len(named),
        "right": right,
        "recall": wilson(right, k),
        "cpu_seconds": round(seconds, 2),
        "candidates": len(suspects(held_out)),
    }
    known = "knows" if held_out.accuracy >= KNOWS else "     "
    print(
        f"{name:28} seed {seed}  n {len(data):6,} in {len(data.labels):2}  accuracy "
        f"{held_out.accuracy:.2f} {known}  {said('precision@k', at_k, k)}  {told}  {seconds:.1f} s",
        flush=True,
    )
    return result


def joined(data: Dataset, classes: int, seed: int) -> Dataset:
    """Return the data with its labels joined into a few at random."""
    draw = random.Random(seed)
    into = {label: f"group {draw.randrange(classes)}" for label in data.labels}
    return replace(data, examples=tuple(replace(e, target=into[e.target]) for e in data.examples))


def noise(data: Dataset, seed: int) -> Dataset:
    draw = random.Random(seed)
    rows = tuple(replace(e, target=draw.choice("ab")) for e in data.examples[:2000])
    return replace(data, examples=rows)


def main() -> None:
    model = None
    if "--model" in sys.argv:
        from fewtune.models.view import view

        model = view(sys.argv[sys.argv.index("--model") + 1], "labelled_text")
    data = load(shared("data", "banking77", "train.csv"))
    results = []
    seeds = range(1 if model else 3)
    for seed in seeds:
        if model is None:
            results.append(measure("Banking77", data, seed, model))
        for classes, each in ((2, 100), (5, 100), (12, 30), (20, 100)):
            labels = random.Random(seed).sample(list(data.labels), classes)
            part = subset(data, labels, each, seed)
            results.append(measure(f"Banking77, {classes} intents", part, seed, model))
        if model is None:
            hard = [
                ("joined into 2", joined(data, 2, seed)),
                ("joined into 3", joined(data, 3, seed)),
            ]
            for name, part in [*hard, ("noise", noise(data, seed))]:
                results.append(measure(f"Banking77, {name}", part, seed, model))
        if FRONT_DESK.exists():
            results.append(measure("front desk", load(FRONT_DESK), seed, model))
    judged = [r for r in results if not r["abstains"]]
    named, right = sum(r["named"] for r in judged), sum(r["right"] for r in judged)
    at_k = [r["precision_at_k"][0] for r in judged]
    print(f"where it speaks: precision@k {min(at_k):.3f} to {max(at_k):.3f}")
    print(f"where it speaks: {said('rows named were flipped:', right, named)}")
    save("data/check_labels" + ("_minilm" if model else ""), results)


if __name__ == "__main__":
    main()
