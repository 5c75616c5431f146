"""Canaries: what plain 20-epoch tuning would tell, and what a fit by fewtune's defaults would.

    python -m benchmarks.quality.memorization [--seeds 0 1 2 3 4] [--effort quick] [--print]

The protocol is in PROTOCOL.md. Finished seeds are kept and not run again; ``--print`` tells them
and runs none.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.common import kept, kept_or_leave, save


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
    """Run the seeds that are missing, each kept at once, and print the figures."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    reader.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    reader.add_argument("--effort", default="quick")
    reader.add_argument("--print", action="store_true", help="what is kept, without any fit")
    wanted = reader.parse_args()
    name = "quality/memorization" + ("" if wanted.effort == "quick" else f"_{wanted.effort}")
    if wanted.print:
        told(kept_or_leave(name))
        return
    from benchmarks.quality._memorization_fits import one_seed

    results: dict[str, Any] = kept(name, {})
    for seed in wanted.seeds:
        if str(seed) not in results:
            results[str(seed)] = one_seed(seed, wanted.effort)
            save(name, results)
            print(f"seeds {', '.join(results)}:", flush=True)
            told(results)
    told(results)


if __name__ == "__main__":
    main()
