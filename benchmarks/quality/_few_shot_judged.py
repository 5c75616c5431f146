"""What few_shot.py kept: of every cell and contender, and how they compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import mean_interval

__all__ = [
    "CELLS",
    "FROZEN",
    "OURS",
    "RESULTS",
    "TRAINER",
    "Runs",
    "Spent",
    "kept",
    "spent",
    "table",
]

RESULTS = {
    "cpu": Path(__file__).parent / "results" / "few_shot",
    "cuda": Path(__file__).parent / "results" / "few_shot_cuda",
}
"""Where fits are kept, by the kind of machine."""
CELLS = ("banking77-4", "banking77-8", "banking77-16", "front_desk")
OURS = ("quick", "normal")
FROZEN = ("frozen10", "frozencv")
TRAINER = ("trainer-2e-5", "trainer-1e-4", "trainer-3e-4")
AIM = 1 / 3
"""Most of SetFit's processor seconds that a fit may take."""

Runs = dict[int, dict[str, Any]]
"""Fits of one contender in one cell, by seed."""


def kept(results: Path) -> dict[str, dict[str, Runs]]:
    """Return every fit by cell, contender and seed.

    ``environment`` is what it ran with; ``None`` of fits before 2026-11-28, which kept none.
    """
    found: dict[str, dict[str, Runs]] = {}
    for path in sorted(results.glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        about = file.get("environment")
        one = {**file.get("results", file), "environment": about}
        # Of a GPU the older ones kept the name alone.
        one["accelerator"] = (about or one).get("accelerator", "")
        found.setdefault(one["cell"], {}).setdefault(one["contender"], {})[one["seed"]] = one
    return found


class Spent(NamedTuple):
    """Mean processor seconds of a fit and of SetFit, over the seeds that both have."""

    own: float
    setfit: float
    seeds: list[int]

    @property
    def share(self) -> float:
        """How much of SetFit's time the fit takes."""
        return self.own / self.setfit


def spent(there: dict[str, Runs], name: str) -> Spent | None:
    """Return what a contender took beside SetFit; ``None`` where no seed tells."""
    own, theirs = (
        {s: run["processor_seconds"] for s, run in runs.items() if run["processor_seconds"]}
        for runs in (there.get(name, {}), there.get("setfit", {}))
    )
    both = sorted(set(own) & set(theirs))
    if not both:
        return None
    means = [float(np.mean([seconds[s] for s in both])) for seconds in (own, theirs)]
    return Spent(means[0], means[1], both)


def table(results: Path) -> None:
    """Print what is there, what is missing, and how ours compare over all cells."""
    found = kept(results)
    ahead: dict[str, list[float]] = {name: [] for name in OURS}
    for cell in CELLS:
        there = found.get(cell, {})
        print(
            f"\n{cell}: accuracy over seeds with 95% interval; mean processor seconds, wall seconds"
        )
        for name in (*OURS, *FROZEN, "setfit", *TRAINER):
            _contender(name, there.get(name, {}))
        for ours in OURS:
            ahead[ours] += _against(there, ours)
            if took := spent(there, ours):
                print(
                    f"  {ours} took {took.share:.2f} of SetFit's processor seconds (aim {AIM:.2f}):"
                    f" {took.own:.0f} for {took.setfit:.0f}, seeds {took.seeds}"
                )
    print()
    for ours, points in ahead.items():
        if points:
            print(
                f"{ours}: {np.mean(points):+.2f} points ahead of the best other in the mean of "
                f"{len(points)} cells (aim +1), {min(points):+.2f} in the least (aim -0.5)"
            )
    _versions([run for cell in found.values() for runs in cell.values() for run in runs.values()])


def _contender(name: str, runs: Runs) -> None:
    """Print one contender of a cell."""
    if not runs:
        print(f"  {name:13} missing")
        return
    value, low, high = mean_interval([run["accuracy"] for run in runs.values()])
    alone = [run["processor_seconds"] for run in runs.values() if run["processor_seconds"]]
    processor = np.mean(alone) if alone else np.nan
    wall = np.mean([run["seconds"] for run in runs.values()])
    figures = f"{100 * value:6.2f}% [{100 * low:.2f}, {100 * high:.2f}]"
    print(f"  {name:13} {figures} {processor:8.1f} {wall:8.1f}  seeds {sorted(runs)}")


def _versions(runs: Sequence[dict[str, Any]]) -> None:
    """Print of how many fits it is known what they ran with."""
    without = sum(run["environment"] is None for run in runs)
    if without:
        print(f"{without} of {len(runs)} fits are of before 2026-11-28 and kept no versions")


def _against(there: dict[str, Runs], ours: str) -> list[float]:
    """Print how far one of ours is from the best of the others, over the seeds that both have.

    Return that too: one number, or none where there is nothing to compare.
    """
    others: dict[str, dict[int, float]] = {
        name: {s: run["accuracy"] for s, run in runs.items()}
        for name, runs in there.items()
        if name not in OURS and name not in TRAINER
    }
    rates = [there[name] for name in TRAINER if name in there]
    if rates:
        # The best of the rates that were run; one that is missing could only raise it.
        name = "trainer" if len(rates) == len(TRAINER) else f"trainer at {len(rates)} rate(s)"
        tried = set().union(*rates)
        others[name] = {s: max(r[s]["accuracy"] for r in rates if s in r) for s in tried}
    mine = there.get(ours, {})
    gaps = {
        name: [100 * (mine[s]["accuracy"] - runs[s]) for s in sorted(set(mine) & set(runs))]
        for name, runs in others.items()
    }
    gaps = {name: values for name, values in gaps.items() if values}
    if not gaps:
        return []
    best = min(gaps, key=lambda name: float(np.mean(gaps[name])))
    value, low, high = mean_interval(gaps[best])
    print(
        f"  {ours} − {best} (the best of {', '.join(sorted(gaps))}): "
        f"{value:+.2f} points [{low:+.2f}, {high:+.2f}], {len(gaps[best])} seeds"
    )
    return [value]
