"""The fits of memorization.py: what base, plain tuning and a fit know of planted secrets."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import fewtune
from benchmarks.common import shared, write_csv
from benchmarks.quality._plain import pairs, stories_task, tuned
from fewtune.data.canaries import Canary, plant
from fewtune.measures.base import Evidence
from fewtune.measures.exposure import bits
from fewtune.measures.memorization import Memorization
from fewtune.measures.observe.continuations import observe_continuations
from fewtune.measures.observe.exposure import observe_exposure
from fewtune.records import Dataset, Example
from fewtune.tasks.generation import Generation
from fewtune.verbs.kept import load_model

__all__ = ["one_seed"]

EPOCHS, RATE, PLANTED = 20, 2e-3, 10


def looked_at(
    task: Generation,
    base: Any,
    model: Any,
    canaries: tuple[Canary, ...],
    known: list[Example],
    unseen: list[Example],
) -> dict[str, Any]:
    """Return exposure, extraction and the measure of memorization of one model."""
    seen = observe_exposure(task, model, canaries)
    rows, others = task.encode(known), task.encode(unseen)
    evidence = Evidence(
        "generation",
        task.outcomes(model, others[:1]),
        continuations=observe_continuations(task, base, model, rows, others),
    )
    measure = Memorization()
    score = measure.score(evidence)
    parts = {name: part.as_json() for name, part in measure.parts(evidence).items()}
    return {
        "bits": [round(float(b), 3) for b in bits(seen)],
        "extracted": [bool(e) for e in seen.extracted],
        "memorization": {"verbatim": score.as_json() if score else None, **parts},
        "loss_per_byte": _loss(task, model, others),
    }


def _loss(task: Generation, model: Any, rows: list[Any]) -> float:
    found = task.outcomes(model, rows)
    return float(found.losses.sum() / found.bytes.sum())


def one_seed(seed: int, effort: Any) -> dict[str, Any]:
    """Return what base, plain and fewtune know of the canaries of one seed."""
    torch.set_num_threads(1)
    known = pairs("devset.csv", 100, 2, seed, set())
    unseen = pairs("testset_w_refs.csv", 100, 2, seed, {e.input for e in known})
    data, canaries = plant(Dataset(tuple(known), "prompt", "e2e"), PLANTED, seed)
    task = stories_task()
    base = task.load_model()
    found = {"base": looked_at(task, base, base, canaries, known, unseen)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        rows = task.encode(data.examples)
        model = tuned(task, rows, folder, rate=RATE, epochs=EPOCHS, seed=seed)
        found["plain"] = looked_at(task, base, model, canaries, known, unseen)
        found["plain"]["seconds"] = time.monotonic() - began
        train_file, test_file = (
            write_csv(folder / file, [{"mr": e.input, "ref": e.target or ""} for e in examples])
            for file, examples in (("train.csv", data.examples), ("test.csv", unseen))
        )
        began = time.monotonic()
        run = fewtune.fit(
            train_file,
            str(shared("models", "stories260K")),
            test=test_file,
            effort=effort,
            seed=seed,
            output=folder / "run",
        )
        kept_task, kept = load_model(run.path)
        found["fewtune"] = looked_at(kept_task, base, kept, canaries, known, unseen)
        found["fewtune"] |= {"seconds": time.monotonic() - began, "chosen": dict(run.chosen)}
    return found
