"""What regret.py kept of each cell, and what it comes to."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import mean_interval
from benchmarks.quality._regret_cells import CELLS, configurations
from fewtune.plan.plan import BudgetPlan

__all__ = [
    "BUDGET",
    "MOST_SHARE",
    "Judged",
    "Together",
    "asked",
    "every",
    "judged",
    "kept",
    "least_loss",
    "place",
    "together",
    "unit",
    "within",
]

MOST_POINTS, MOST_SHARE, MOST_COST = 2.0, 2.0, 4.0
RESULTS = Path(__file__).parent / "results"
BUDGET = BudgetPlan().general_loss
"""Most rise of the loss on general text that a fit ships."""
DEVELOPMENT = 100
"""Seeds from here on are for development: kept apart, counted nowhere."""


def regret(task: str, best: float, value: float) -> float:
    """Return how far ``value`` is behind ``best``, in points or in percent of the loss."""
    return 100 * (value / best - 1) if task == "generation" else 100 * (best - value)


@dataclass(frozen=True)
class Judged:
    """A cell of one seed: its best configuration, what `normal` is behind it, what that cost.

    ``rise`` is what the best costs on general text, ``held`` how far `normal` is behind the best of
    those that keep the budget: ``None`` where it was not asked, and for classifiers.
    """

    best: str
    values: dict[str, float]
    normal: float
    behind: float
    whole: float
    selecting: float
    rise: float | None = None
    held: float | None = None


def judged(name: str, found: dict[str, Any]) -> Judged | None:
    """Return what a cell of one seed came to; ``None`` where something of it is missing."""
    task = CELLS[name].task
    values = swept(found)
    if len(found.get("sweep", {})) < len(configurations(task)) or not {"normal", "alone"} <= set(
        found
    ):
        return None
    lower = task == "generation"
    best = min(values, key=lambda k: values[k]) if lower else max(values, key=lambda k: values[k])
    normal, alone = found["normal"], found["alone"]
    behind = regret(task, values[best], normal["value"])
    spent = [sum(f["stages"][s] for s in ("train", "measure")) for f in (normal, alone)]
    whole, cost = normal["cpu"] / alone["cpu"], spent[0] / spent[1]
    costs = asked(found)
    held = regret(task, values[keeper], normal["value"]) if (keeper := within(found)) else None
    rise = costs.get(best, {}).get("rise")
    return Judged(best, values, normal["value"], behind, whole, cost, rise, held)


def swept(found: dict[str, Any]) -> dict[str, float]:
    """Return what each configuration that ended well came to."""
    return {k: v["value"] for k, v in found.get("sweep", {}).items() if v["value"] is not None}


def within(found: dict[str, Any]) -> str | None:
    """Return the best language model of a sweep that keeps the budget of general loss.

    ``None`` where one that is better was not asked for its costs, or none keeps it.
    """
    costs = asked(found)
    for one in least_loss(found):
        if one not in costs:
            return None
        if costs[one].get("rise", BUDGET + 1) <= BUDGET:
            return one
    return None


def asked(found: dict[str, Any]) -> dict[str, Any]:
    """Return the configurations whose costs are known: from the sweep itself, or asked later."""
    own = {name: one for name, one in found.get("sweep", {}).items() if "rise" in one}
    return own | found.get("costs", {})


def least_loss(found: dict[str, Any]) -> list[str]:
    """Return the language models of a sweep, that of the lowest loss first."""
    values = swept(found)
    return sorted(values, key=lambda k: values[k])


@dataclass(frozen=True)
class Together:
    """A cell over its seeds: the mean of each, and of the regret its 95% interval."""

    best: float
    normal: float
    behind: tuple[float, float, float]
    whole: float
    selecting: float
    near: bool
    rise: float | None
    held: tuple[float, float, float] | None

    @property
    def good(self) -> bool:
        """Whether the cell passes: near enough, at no more than the cost that is allowed."""
        return self.near and max(self.whole, self.selecting) <= MOST_COST


def unit(name: str) -> str:
    """Return what a cell's regret is told in."""
    return "%" if CELLS[name].task == "generation" else " points"


def together(name: str, seeds: Sequence[Judged]) -> Together:
    """Return a cell over its seeds; costs are means of ratios."""
    behind = mean_interval([one.behind for one in seeds])
    most = MOST_SHARE if CELLS[name].task == "generation" else MOST_POINTS
    rises = [one.rise for one in seeds if one.rise is not None]
    held = [one.held for one in seeds if one.held is not None]
    return Together(
        best=statistics.mean(one.values[one.best] for one in seeds),
        normal=statistics.mean(one.normal for one in seeds),
        behind=behind,
        whole=statistics.mean(one.whole for one in seeds),
        selecting=statistics.mean(one.selecting for one in seeds),
        # Six of 300 images are two points, whatever a difference of floats says.
        near=behind[0] <= most + 1e-9,
        rise=statistics.mean(rises) if len(rises) == len(seeds) else None,
        held=mean_interval(held) if len(held) == len(seeds) else None,
    )


def place(name: str, seed: int) -> Path:
    """Return where a cell of one seed is kept."""
    folder = "regret_development" if seed >= DEVELOPMENT else "regret"
    return RESULTS / folder / f"{name}_{seed}.json"


def kept(name: str, seed: int) -> dict[str, Any]:
    """Return what is kept of a cell of one seed."""
    path = place(name, seed)
    found: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    return found


def every(name: str) -> dict[int, Judged]:
    """Return each seed of a cell of which nothing is missing."""
    paths = place(name, 0).parent.glob(f"{name}_*.json")
    seeds = sorted(int(path.stem.rpartition("_")[2]) for path in paths)
    found = {seed: judged(name, kept(name, seed)) for seed in seeds}
    return {seed: one for seed, one in found.items() if one}
