"""Seconds and memory of all checks without a model, at 1,000, 10,000 and 100,000 rows.

    python -m benchmarks.data.check_speed [--rows 100000]

Rows are Banking77's; past 10,003 they are new sentences joined from two rows of one label, so that
words are as frequent and copies as rare as in the real ones. Each size runs in its own process.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time

from benchmarks.common import save, shared

SIZES = (1_000, 10_000, 100_000)


def one(rows: int) -> None:
    """Check a set of this size; print the figures as JSON."""
    from fewtune.checks.base import Context
    from fewtune.checks.run import run
    from fewtune.data.load import load
    from fewtune.records import Dataset, Example

    data = load(shared("data", "banking77", "train.csv"))
    draw = random.Random(0)
    found = list(data.examples)
    draw.shuffle(found)
    found = found[:rows]
    by_label: dict[str, list[str]] = {}
    for example in data.examples:
        by_label.setdefault(example.target or "", []).append(example.input)
    while len(found) < rows:
        label = draw.choice(list(by_label))
        first, second = draw.sample(by_label[label], 2)
        half = draw.randrange(1, 8)
        text = " ".join([*first.split()[:half], *second.split()[half // 2 :]])
        found.append(Example(text, label, f"made:{len(found)}"))
    data = Dataset(tuple(found), data.shape, data.name)
    cpu, began = time.process_time(), time.perf_counter()
    report = run(Context(data))
    print(
        json.dumps(
            {
                "rows": len(data),
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - cpu,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "by_check": dict(report.seconds),
            }
        )
    )


def main() -> None:
    results = []
    most = int(sys.argv[sys.argv.index("--rows") + 1]) if "--rows" in sys.argv else SIZES[-1]
    for rows in (size for size in SIZES if size <= most):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.data.check_speed", "--one", str(rows)],
            capture_output=True,
            text=True,
            check=True,
        )
        result = json.loads(done.stdout)
        result["load"] = os.getloadavg()[0]
        results.append(result)
        slow = sorted(result["by_check"].items(), key=lambda item: -item[1])[:4]
        print(
            f"{result['rows']:>7,} rows: {result['seconds']:.1f} s "
            f"({result['cpu_seconds']:.1f} s of CPU, load {result['load']:.1f}), "
            f"peak {result['peak_mib']:.0f} MiB; "
            + ", ".join(f"{name} {seconds:.1f}" for name, seconds in slow),
            flush=True,
        )
    save("data/check_speed", results)


if __name__ == "__main__":
    one(int(sys.argv[-1])) if "--one" in sys.argv else main()
