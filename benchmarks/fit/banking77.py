"""Banking77, 8 rows per class, 5 draws: fit --effort quick beside frozen states + regression.

Every draw is fitted from the command line with all-MiniLM-L6-v2 and judged on the whole test file.
The comparison is made here with scikit-learn alone, on the same draw and the same encoder.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.common import command, mean_interval, read_csv, save, shared, write_csv
from fewtune.models.view import view

PER_CLASS = 8
SEEDS = (0, 1, 2, 3, 4)


def draw(rows: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Return ``PER_CLASS`` rows of every class."""
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    taken: dict[str, list[dict[str, str]]] = {}
    for row in shuffled:
        if len(taken.setdefault(row["category"], [])) < PER_CLASS:
            taken[row["category"]].append(row)
    return [row for label in sorted(taken) for row in taken[label]]


def main() -> None:
    """Print the table and keep the raw results."""
    rows = read_csv(shared("data", "banking77", "train.csv"))
    test_file = shared("data", "banking77", "test.csv")
    test = read_csv(test_file)
    encoder = view("minilm", "labelled_text")
    test_states = encoder.embed([row["text"] for row in test])
    truth = np.array([row["category"] for row in test])
    results = []
    seeds = [int(s) for s in sys.argv[1:]] or SEEDS
    for seed in seeds:
        few = draw(rows, seed)
        began = time.monotonic()
        states = encoder.embed([row["text"] for row in few])
        labels = [row["category"] for row in few]
        probe = LogisticRegression(C=10, max_iter=2000).fit(states, labels)
        probe_seconds = time.monotonic() - began
        right = probe.predict(test_states) == truth
        with tempfile.TemporaryDirectory() as folder:
            data = write_csv(Path(folder) / "few.csv", few)
            answer, seconds = command(
                "fit",
                str(data),
                "--test",
                str(test_file),
                "--model",
                "minilm",
                "--effort",
                "quick",
                "--seed",
                str(seed),
                "-o",
                str(Path(folder) / "run"),
            )
        score = answer["scores"]["accuracy"]
        results.append(
            {
                "seed": seed,
                "n": score["n"],
                "fewtune": score["value"],
                "low": score["low"],
                "high": score["high"],
                "method": answer["chosen"]["method"],
                "verdict": answer["verdict"]["decision"],
                "seconds": round(seconds, 1),
                "frozen": float(right.mean()),
                "frozen_seconds": round(probe_seconds, 1),
            }
        )
        print(results[-1], flush=True)
    for name in ("fewtune", "frozen"):
        value, low, high = mean_interval([r[name] for r in results])
        print(f"{name:8} {100 * value:.2f}% [{100 * low:.2f}, {100 * high:.2f}] over seeds {seeds}")
    gain = mean_interval([r["fewtune"] - r["frozen"] for r in results])
    print("fewtune − frozen, points: {:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * g for g in gain)))
    print(f"longest run {max(r['seconds'] for r in results)} s, n = {len(test)} test rows each")
    print(save("fit/banking77", results))


if __name__ == "__main__":
    main()
