"""How a split does on real data: shares, stability under appended rows, what a random one claims.

python -m benchmarks.data.split_certificate [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks.common import save
from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.records import Dataset

FILES = ("banking77/train.csv", "e2e/devset.csv", "dialogues/booking_dialogues.jsonl")


def measure(dataset: Dataset, seed: int) -> dict[str, object]:
    """Print and return how one seed splits."""
    start = time.process_time()
    found = split(dataset, seed=seed)
    seconds = time.process_time() - start
    start = time.process_time()
    certificate = split(dataset, seed=seed, certify=True).certificate
    probe = time.process_time() - start - seconds
    sizes = "/".join(str(len(rows)) for rows in (found.train, found.validation, found.test))
    print(f"seed {seed}: {sizes} rows, {seconds:.2f} s of CPU, probe {max(probe, 0):.2f} s more")
    print("  " + " ".join(certificate.sentences))
    result: dict[str, object] = {
        "set": dataset.name.rpartition("data/")[2],
        "seed": seed,
        "sizes": sizes,
        "crossing": certificate.crossing,
        "crossing_at_random": certificate.crossing_random,
        "claimed_at_random": certificate.claimed,
        "cpu_seconds": round(seconds, 2),
        "probe_seconds": round(max(probe, 0), 2),
    }
    if dataset.labels:
        held = Counter(dataset[row].target for row in found.test)
        total = Counter(example.target for example in dataset)
        furthest = max(abs(held[label] - 0.2 * total[label]) for label in total)
        result["furthest_from_share"] = furthest
        print(f"  furthest from its share: {furthest:.1f} rows")
    size = 2 * len(dataset) // 3
    before = split(replace(dataset, examples=dataset.examples[:size]), seed=seed)
    lost = set(before.test) - set(found.test)
    moved = {row for row in (*before.train, *before.validation) if row < size}
    moved &= set(found.test)
    print(f"  a third appended: {len(lost)} of {len(before.test)} test rows left test, "
          f"{len(moved)} rows joined it")  # fmt: skip
    return result | {"test_rows": len(before.test), "left_test": len(lost), "joined": len(moved)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    given = parser.parse_args()
    if not given.data.exists():
        sys.exit(f"{given.data} is not there: nothing was measured")
    results = []
    for name in FILES:
        dataset = load(given.data / name)
        print(f"{name}, {len(dataset):,} rows")
        for seed in given.seeds:
            results.append(measure(dataset, seed))
    save("data/split_certificate", results)


if __name__ == "__main__":
    main()
