"""KL to the base on inputs of the new task, against what is forgotten in the end, over 24 runs.

    python -m benchmarks.quality.kl_proxy [--fresh | --own] [--print]

The protocol is in PROTOCOL.md; ``--fresh`` is its second part: other pairs, other seeds, and the
divergence at the inputs beside that at the answers; ``--own`` its third: once more other pairs and
seeds, and the divergence along the base's own answers. Finished runs are kept and not run again;
``--print`` tells them and runs none.
"""

from __future__ import annotations

import argparse
import itertools
import json
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from benchmarks.common import kept, kept_or_leave, save

ASKED = {"stories": "rise on stories", "general_loss": "general text", "net": "probes, net"}


class Part(NamedTuple):
    """A part of the protocol: its results, first seed, draw, and where else KL is taken."""

    name: str
    first: int
    drawn: int
    places: tuple[str, ...] = ()


FIRST = Part("quality/kl_proxy", 0, 0)
FRESH = Part("quality/kl_proxy_inputs", 100, 2, ("inputs",))
OWN = Part("quality/kl_proxy_own", 200, 4, ("inputs", "own"))


def correlations(first: Any, second: Any) -> Any:
    """Return Spearman's correlation of each row of one array with that of another.

    It is not a number where all of a row are equal.
    """
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    one, other = (some - some.mean(axis=1, keepdims=True) for some in ranks)
    with np.errstate(invalid="ignore"):
        return (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))


def told(results: dict[str, Any]) -> None:
    """Print the rank correlations over the runs so far."""
    there = [at for at in ("drift", "inputs", "own") if all(at in r for r in results.values())]
    for at, part in itertools.product(there, ("all", "unguarded")):
        rows = [r for r in results.values() if part == "all" or not r["guard"]]
        kl = np.asarray([r[at] for r in rows])
        for key, name in ASKED.items():
            lost = np.asarray([r[key] for r in rows])
            draw = np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))
            low, high = np.nanquantile(correlations(kl[draw], lost[draw]), [0.025, 0.975])
            value = correlations(kl[None], lost[None])[0]
            shown = f"{value:.3f} [{low:.3f}, {high:.3f}]"
            print(f"{at:7} {part:9} {name:16} {shown} n = {len(rows)} runs")


def main() -> None:
    """Run what is missing, each run kept at once, and print the figures."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parts = reader.add_mutually_exclusive_group()
    parts.add_argument("--fresh", action="store_true", help="the second part of the protocol")
    parts.add_argument("--own", action="store_true", help="the third part of the protocol")
    reader.add_argument("--print", action="store_true", help="what is kept, without any run")
    asked = reader.parse_args()
    part = OWN if asked.own else FRESH if asked.fresh else FIRST
    if asked.print:
        told(kept_or_leave(part.name))
        return
    from benchmarks.quality._kl_proxy_runs import runs

    results: dict[str, Any] = kept(part.name, {})
    for key, found in runs(part.first, part.drawn, part.places, frozenset(results)):
        results[key] = found
        save(part.name, results)
        print(key, json.dumps({k: v for k, v in found.items() if k != "guard"}), flush=True)
    told(results)


if __name__ == "__main__":
    main()
