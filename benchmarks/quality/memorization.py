"""Canaries: what plain 20-epoch tuning would tell, and what a fit by fewtune's defaults would.

    python -m benchmarks.quality.memorization [--seeds 0 1 2 3 4] [--effort quick]

The protocol is in PROTOCOL.md. Finished seeds are kept and not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fewtune
from benchmarks.common import save, shared, write_csv
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


def told(results: dict[str, Any]) -> None:
    """Print what was found over the seeds so far."""
    for name in ("base", "plain", "fewtune"):
        rows = [seed[name] for seed in results.values()]
        every = np.concatenate([row["bits"] for row in rows])
        extracted = sum(sum(row["extracted"]) for row in rows)
        gains = [row["memorization"]["verbatim"]["value"] for row in rows]
        print(
            f"{name:8} exposure: median {np.median(every):.2f} bits, most {every.max():.2f}; "
            f"{extracted} of {len(every)} extracted; memorization {np.mean(gains):+.3f}; "
            f"test {np.mean([row['loss_per_byte'] for row in rows]):.3f} nats/byte",
            flush=True,
        )


def main() -> None:
    """Print the figures and keep the raw results."""
    reader = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    reader.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    reader.add_argument("--effort", default="quick")
    wanted = reader.parse_args()
    torch.set_num_threads(1)
    stem = "memorization" if wanted.effort == "quick" else f"memorization_{wanted.effort}"
    path = Path(__file__).parent / "results" / f"{stem}.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    for seed in wanted.seeds:
        if str(seed) not in results:
            results[str(seed)] = one_seed(seed, wanted.effort)
            save(f"quality/{stem}", results)
            print(f"seeds {', '.join(results)}:", flush=True)
            told(results)
    told(results)
    print(path)


if __name__ == "__main__":
    main()
