"""What target_and_forgetting.py kept, and what it comes to."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "JUDGED",
    "RESULTS",
    "Probed",
    "Weighed",
    "kept",
    "pairs",
    "probed",
    "report",
    "together",
    "weighed",
]

RESULTS = {
    "cpu": Path(__file__).parent / "results" / "target_and_forgetting",
    "cuda": Path(__file__).parent / "results" / "target_and_forgetting_cuda",
}
"""Where fits are kept, by the kind of machine."""
JUDGED = {"quick": "nothing set", "firm": "one percent of general loss allowed"}
"""Those whose passes are counted; the others are told beside them where they were run."""

Fit = dict[str, Any]
Pair = tuple[Fit, Fit]
"""Plain tuning and another fit of the same cell and seed."""


def kept(device: str = "cpu") -> dict[str, Any]:
    """Return every fit that was kept, by cell with seed and by contender."""
    found: dict[str, Any] = {}
    for path in sorted(RESULTS[device].glob("*.json")):
        one = json.loads(path.read_text())["results"]
        found.setdefault(f"{one['cell']} seed {one['seed']}", {})[one["contender"]] = one
    return found


class Weighed(NamedTuple):
    """Targets and rises of plain tuning and another, and the share of plain's rise it saves."""

    targets: tuple[float, float]
    rises: tuple[float, float]
    saved: float

    @property
    def good(self) -> bool:
        """Whether the target is as good as plain's, with a tenth of what that forgets."""
        return self.targets[1] <= 1.01 * self.targets[0] and self.saved >= 0.9


def weighed(plain: Fit, other: Fit) -> Weighed:
    """Return how another fit of a cell stands against plain tuning."""
    targets, rises = (
        tuple(one["scores"][name]["value"] for one in (plain, other))
        for name in ("loss_per_byte", "general_loss")
    )
    saved = 1 - max(0.0, rises[1]) / rises[0] if rises[0] > 0 else 1.0
    return Weighed(targets, rises, saved)


def together(seeds: Sequence[Weighed]) -> Weighed:
    """Return a cell over its seeds: means of targets and rises, and the share saved of these.

    A target counts by its share of plain's, so that every seed weighs the same.
    """
    ratio = statistics.mean(one.targets[1] / one.targets[0] for one in seeds)
    plain = statistics.mean(one.rises[0] for one in seeds)
    rise = statistics.mean(max(0.0, one.rises[1]) for one in seeds)
    return Weighed((1.0, ratio), (plain, rise), 1 - rise / plain if plain > 0 else 1.0)


class Probed(NamedTuple):
    """What plain tuning and another forget of the probes, over the seeds of a cell.

    Attributes
    ----------
    lost
        Mean shares forgotten, chance taken off, of plain tuning and of the other.
    saved
        The share of plain's that the other saves.
    noise
        Mean half-widths of the 95% intervals of one fit's two shares.
    unsure
        Of how many of the other's fits the interval holds zero.
    """

    lost: tuple[float, float]
    saved: float
    noise: tuple[float, float]
    unsure: int


def probed(fits: Sequence[Pair]) -> Probed | None:
    """Return what is forgotten of the probes; ``None`` where the base knows too few of them."""
    scores = [[one["scores"].get("forgetting") for one in pair] for pair in fits]
    if any(score is None for pair in scores for score in pair):
        return None
    plain, other = zip(*scores, strict=True)
    lost = tuple(statistics.mean(s["value"] for s in some) for some in (plain, other))
    noise = tuple(
        statistics.mean((s["high"] - s["low"]) / 2 for s in some) for some in (plain, other)
    )
    saved = 1 - lost[1] / lost[0] if lost[0] > 0 else 1.0
    return Probed(lost, saved, noise, sum(s["low"] <= 0 for s in other))


def pairs(results: dict[str, Any], name: str) -> dict[str, list[Pair]]:
    """Return the fits of a contender beside plain tuning in each cell, seed by seed."""
    found: dict[str, list[Pair]] = {}
    for key, one in sorted(results.items()):
        if {"plain", name} <= set(one):
            cell = key.partition(" seed ")[0]
            found.setdefault(cell, []).append((one["plain"], one[name]))
    return found


def worse_than_base(fit: Fit) -> bool:
    """Return whether the target is worse than the base's by more than a standard error."""
    difference = fit["paired"]["base"]
    return bool(difference["value"] > (difference["high"] - difference["low"]) / (2 * 1.96))


def report(results: dict[str, Any]) -> None:
    """Print a line for each cell and seed, then each cell over its seeds, and how many pass."""
    print("cell, seed: target (nats/byte), general loss and forgetting, plain → fewtune")
    for key, found in sorted(results.items()):
        if "plain" not in found:
            continue
        for name in [n for n in (*JUDGED, *sorted(set(found) - {"plain", *JUDGED})) if n in found]:
            _fit(key, name, found["plain"], found[name])
    for name in JUDGED:
        cells = pairs(results, name)
        if cells:
            print(f"{name}, each cell over its seeds:")
            _cells(name, cells)


def _fit(key: str, name: str, plain: Fit, one: Fit) -> None:
    """Print one fit beside plain tuning."""
    lost = [c["scores"].get("forgetting", {}).get("value") for c in (plain, one)]
    cell = weighed(plain, one)
    before, after = cell.targets
    shown = [f"{100 * x:.1f}%" if x is not None else "-" for x in (*cell.rises, *lost)]
    line = (
        f"{key:28} {name:6} {before:.3f} → {after:.3f} "
        f"({100 * (after / before - 1):+.1f}%)"
        f"  {shown[0]} → {shown[1]} (saved {100 * cell.saved:.0f}%)"
        f"  {shown[2]} → {shown[3]}"
        f"  alpha {one['chosen']['alpha']}, {plain['seconds']:.0f} / {one['seconds']:.0f} s"
    )
    if name in JUDGED:
        print(f"{line}  {'pass' if cell.good else 'miss'}")
    else:
        guards = ", ".join(one["chosen"]["regularizers"]) or "no guard"
        print(f"{line}  rate {one['chosen']['learning_rate']:g}, {guards}")


def _cells(name: str, cells: dict[str, list[Pair]]) -> None:
    """Print each cell over its seeds, and how many pass."""
    whole, each = [], []
    for key, fits in cells.items():
        seeds = [weighed(*pair) for pair in fits]
        one = together(seeds)
        whole.append(one)
        each += seeds
        print(
            f"{key:28} {100 * (one.targets[1] - 1):+.1f}%  "
            f"{100 * one.rises[0]:.1f}% → {100 * one.rises[1]:.1f}% (saved "
            f"{100 * one.saved:.0f}%)  {'pass' if one.good else 'miss'}, "
            f"{sum(s.good for s in seeds)} of {len(seeds)} seeds"
        )
        if seen := probed(fits):
            (plain, other), (wide, narrow) = seen.lost, seen.noise
            print(
                f"{'':28} probes forgotten {100 * plain:.1f}% → {100 * other:.1f}% (saved "
                f"{100 * seen.saved:.0f}%); one fit is known to ±{100 * wide:.1f} → "
                f"±{100 * narrow:.1f}, zero inside in {seen.unsure} of {len(fits)}"
            )
    worse = sum(worse_than_base(other) for fits in cells.values() for _, other in fits)
    print(
        f"{name}: {sum(one.good for one in whole)} of {len(whole)} cells pass, "
        f"{sum(one.good for one in each)} of {len(each)} seeds of them; {worse} of {len(each)} "
        "worse than the base by more than a standard error"
    )
