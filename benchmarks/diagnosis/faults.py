"""Twelve planted faults × 20 runs, and 100 clean runs: what is named in each.

    python -m benchmarks.diagnosis.faults [--only rate_too_high clean] [--seeds 0 20] [--seconds S]
        [--print]

The protocol is in PROTOCOL.md. Each run is kept at once in results/; a rerun fills what is missing;
``--print`` tells what is there and runs nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks import common
from benchmarks.common import alone, save
from benchmarks.diagnosis._clean import clean
from benchmarks.diagnosis._planted import FAULTS, Fit
from fewtune.errors import FewtuneError
from fewtune.records import Event

PHRASES = {"rate_too_high": ("rate too high", "learning rate")}
"""Words of a refusal that name the fault, where they are not its name."""
FIRST = {"wrong_template": 20}
"""The first seed that is reported, where it is not 0 (see PROTOCOL.md)."""

RUNS = {**{name: 20 for name in FAULTS}, "clean": 100}


class Enough(Exception):
    """Ends a run whose later stages can name nothing more."""


def carried_out(plan: Fit, seed: int, folder: Path) -> dict[str, Any]:
    """Return what one fit named, in order, or the error that refused it."""
    import fewtune

    told: list[dict[str, str]] = []

    def listen(event: Event) -> None:
        if event.kind == "diagnosis":
            told.append({"name": event.values["name"], "sentence": event.values["sentence"]})
        if event.kind == "stage" and event.values["name"] == plan.until:
            raise Enough

    refused, began = "", time.process_time()
    try:
        fewtune.fit(
            plan.data,
            plan.model,
            test=plan.test,
            settings=plan.settings,
            seed=seed,
            output=folder / "run",
            listeners=[listen],
        )
    except Enough:
        pass
    except FewtuneError as error:
        refused = str(error).replace(str(folder), "")
    seconds = round(time.process_time() - began, 1)
    sentences = [{**t, "sentence": t["sentence"].replace(str(folder), "")} for t in told]
    return {"named": sentences, "refused": refused, "cpu_seconds": seconds}


def right(expected: str, found: dict[str, Any]) -> bool:
    """Return whether the fault was the first that was named, by the run or by its refusal."""
    if found["refused"]:
        words = PHRASES.get(expected, (expected.replace("_", " "),))
        return any(word in found["refused"].lower() for word in words)
    return [fault["name"] for fault in found["named"]][:1] == [expected]


def alarmed(found: dict[str, Any]) -> bool:
    """Return whether a clean run named anything or was refused."""
    return bool(found["named"] or found["refused"])


def report(results: dict[str, dict[str, Any]]) -> None:
    """Print the share named rightly of each fault, with Wilson's interval."""
    hits = total = 0
    for name in [n for n in RUNS if n in results]:
        found = [run for _, run in sorted(results[name].items(), key=lambda item: int(item[0]))]
        if name == "clean":
            _print("clean, false alarms", sum(map(alarmed, found)), len(found))
            continue
        named = [right(name, run) for run in found]
        others = sum(len({f["name"] for f in run["named"]} - {name}) > 0 for run in found)
        _print(name, sum(named), len(named), f"; {others} runs also name something else")
        hits, total = hits + sum(named), total + len(named)
    if total:
        _print("all faults", hits, total)


def _print(name: str, hits: int, n: int, more: str = "") -> None:
    bounds = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    share = f"{100 * hits / n:.0f}% [{100 * bounds.low:.0f}, {100 * bounds.high:.0f}]"
    print(f"{name:22} {hits:3} of {n:3}  {share}{more}", flush=True)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--seeds", nargs=2, type=int, help="from, to (not included)")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no run after so long")
    parser.add_argument("--tuning", action="store_true", help="seeds from 100 on, kept apart")
    parser.add_argument("--backwards", action="store_true", help="for a second process")
    parser.add_argument("--print", action="store_true", help="what is kept, without any run")
    options = parser.parse_args()
    name = "tuning" if options.tuning else "faults"
    began = time.monotonic()
    for fault in [] if options.print else options.only:
        start = FIRST.get(fault, 0)
        drawn = (100, 104) if options.tuning else (start, start + RUNS[fault])
        first, last = options.seeds or drawn
        for seed in range(first, last)[:: -1 if options.backwards else 1]:
            over = time.monotonic() - began > options.seconds
            if over or str(seed) in kept(name, fault):
                continue
            with tempfile.TemporaryDirectory() as folder:
                plan = (clean if fault == "clean" else FAULTS[fault])(seed, Path(folder))
                found = carried_out(plan, seed, Path(folder))
            # Read again: another process may have added runs of its own.
            with alone(f"{name}_{fault}"):
                save(f"diagnosis/{name}_{fault}", kept(name, fault) | {str(seed): found})
            _tell(fault, seed, found)
    report({fault: runs for fault in RUNS if (runs := kept(name, fault))})


def kept(name: str, fault: str) -> dict[str, Any]:
    """Return the runs of a fault that are in the results, by seed."""
    found: dict[str, Any] = common.kept(f"diagnosis/{name}_{fault}", {})
    return found


def _tell(fault: str, seed: int, found: dict[str, Any]) -> None:
    good = not alarmed(found) if fault == "clean" else right(fault, found)
    names = ", ".join(f["name"] for f in found["named"]) or "nothing"
    said = f"refused: {found['refused'][:200]}" if found["refused"] else names
    print(f"{'ok  ' if good else 'MISS'} {fault} {seed}: {said} ({found['cpu_seconds']} s)")


if __name__ == "__main__":
    main()
