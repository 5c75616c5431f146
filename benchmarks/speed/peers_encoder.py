"""Rows a second of tuning all-MiniLM-L6-v2 against the transformers Trainer, on CPU.

616 rows of Banking77, eight a class, seed 0, updates of 16 rows, 77 classes. All of it, the top
third (``partial``) and the head alone; ours with and without the trunk cache. The same rows,
epochs and threads for each, in processes of their own, in turn. Seconds are those of training
alone; what filling the cache takes is told apart.

    python -m benchmarks.speed.peers_encoder --peers PYTHON [--repeats 3] [--epochs 2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.common import save, write_csv
from benchmarks.speed._contenders import race, table
from benchmarks.speed.trunk import drawn
from fewtune.models.load import resolve

HERE = Path(__file__).resolve().parent
BATCH = 16
WAYS = {
    "fewtune full": ("full", ""),
    "fewtune partial, trunk cached": ("partial", "cached"),
    "fewtune partial": ("partial", ""),
    "fewtune head, trunk cached": ("head", "cached"),
    "fewtune head": ("head", ""),
}


def main() -> None:
    """Race, print a table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="an interpreter with transformers, datasets", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows-per-class", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if not given.peers:
        print("skipped: name an interpreter that has transformers and datasets with --peers PYTHON")
        return
    examples, labels = drawn(given.rows_per_class, 0)
    with tempfile.TemporaryDirectory() as place:
        rows = [{"text": e.input, "label": str(e.target)} for e in examples]
        file = str(write_csv(Path(place) / "rows.csv", rows))
        size = [str(BATCH), str(given.epochs)]
        ours = [sys.executable, "-m", "benchmarks.speed._ours", "text_classification", "minilm"]
        peer = [given.peers, str(HERE / "_peer_trainer.py"), resolve("minilm").location, file]
        contenders = {
            name: [*ours, file, method, *size, *([cache] if cache else [])]
            for name, (method, cache) in WAYS.items()
        }
        for method in ("full", "partial", "head"):
            contenders[f"Trainer {method}"] = [*peer, *size, method]
        found = race(contenders, given.repeats, given.threads)
    count = len(examples) * given.epochs
    for turns in found.values():
        for turn in turns:
            turn["rows"] = count
    print(
        f"{len(examples)} rows of {len(labels)} classes, {given.epochs} epochs, "
        f"{given.threads} threads"
    )
    figures = table(found, "rows", "fewtune full")
    ratios = {
        "full against Trainer full": ("Trainer full", "fewtune full", 3.0),
        "partial, cached against not": ("fewtune partial", "fewtune partial, trunk cached", 3.0),
        "head, cached against not": ("fewtune head", "fewtune head, trunk cached", 10.0),
        "partial, cached against Trainer": (
            "Trainer partial",
            "fewtune partial, trunk cached",
            3.0,
        ),
        "head, cached against Trainer": ("Trainer head", "fewtune head, trunk cached", 3.0),
    }
    times = {}
    for name, (slow, fast, aim) in ratios.items():
        pairs = zip(found[slow], found[fast], strict=True)
        times[name] = median(a["seconds"] / b["seconds"] for a, b in pairs)
        print(f"{name:34}{times[name]:6.1f}×  (aim {aim:g}×)")
    settings = {k: v for k, v in vars(given).items() if k != "peers"}
    results = {**settings, "figures": figures, "times": times, "turns": found}
    print(save("speed/peers_encoder", results))


if __name__ == "__main__":
    main()
