"""No-tuning regret: `normal` against the best of thirty configurations (see PROTOCOL.md).

    python -m benchmarks.quality.regret [--only e2e signs_5] [--seeds 0 1]
        [--part sweep|normal|costs] [--again] [--print]

A cell of one seed is kept in a file of its own, so that processes may share the work; what is kept
already is not run again. FEWTUNE_DEVICE names the device, the best that is here where it does not.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import alone, command, mean_interval, write
from benchmarks.quality._regret_cells import CELLS, Cell, configurations
from benchmarks.quality._regret_sweep import base_of, sweep, written
from fewtune.plan.plan import BudgetPlan

ALONE = (
    "--set", "select.rungs=[]", "--set", "select.rates=[]", "--set", "select.guards=[]",
    "--set", "select.dial=[1.0]", "--set", "select.refit=false",
)  # fmt: skip
"""Settings that leave one candidate and its plain training."""

MOST_POINTS, MOST_SHARE, MOST_COST = 2.0, 2.0, 4.0
RESULTS = Path(__file__).parent / "results"
BUDGET, AT_ONCE = BudgetPlan().general_loss, 3
"""Most rise of the loss on general text that a fit ships, and how many configurations are asked for
theirs together."""
DEVELOPMENT = 100
"""Seeds from here on are for development: kept apart, counted nowhere."""


def fitted(cell: Cell, seed: int, settings: tuple[str, ...]) -> dict[str, Any]:
    """Return what a fit from the command line came to and cost."""
    known, test = cell.draw(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = [str(written(known, place / "known")), str(written(test, place / "test"))]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _, seconds = command(
            "fit", files[0], "--test", files[1], "--model", base_of(cell), "--effort", "normal",
            "--seed", str(seed), *settings, "-o", str(place / "run"),
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads((place / "run" / "scores.json").read_text())
    headline = found["headline"]
    return {
        "value": found["scores"][headline]["value"],
        "headline": headline,
        "controls": {k: v[headline]["value"] for k, v in found["controls"].items()},
        "rise": found["scores"].get("general_loss", {}).get("value"),
        "chosen": found["chosen"],
        "verdict": found["verdict"]["decision"],
        "stages": found["stages"],
        "time": found.get("time"),
        "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "seconds": round(seconds, 2),
    }


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
    costs = _asked(found)
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
    costs = _asked(found)
    for one in _least_loss(found):
        if one not in costs:
            return None
        if costs[one].get("rise", BUDGET + 1) <= BUDGET:
            return one
    return None


def _asked(found: dict[str, Any]) -> dict[str, Any]:
    """Return the configurations whose costs are known: from the sweep itself, or asked later."""
    own = {name: one for name, one in found.get("sweep", {}).items() if "rise" in one}
    return own | found.get("costs", {})


def _least_loss(found: dict[str, Any]) -> list[str]:
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


def _line(name: str, seed: int) -> None:
    """Print a cell of one seed."""
    found = kept(name, seed)
    cell = judged(name, found)
    if cell is None:
        missing = len(configurations(CELLS[name].task)) - len(found.get("sweep", {}))
        fits = sorted({"normal", "alone"} & set(found))
        print(f"{name:13} {seed} {missing} configurations missing, fits: {fits}")
        return
    normal = found["normal"]
    told = normal.get("time") or {}
    ratio = f"{told['ratio']:.2f}" if told.get("ratio") else "-"
    print(
        f"{name:13} {seed} best {cell.values[cell.best]:.4f} ({cell.best}), median "
        f"{statistics.median(cell.values.values()):.4f}, normal {normal['value']:.4f} "
        f"({normal['chosen']['method']} {normal['chosen']['learning_rate']}, α "
        f"{normal['chosen']['alpha']}): regret {cell.behind:+.2f}"
        f"{unit(name)}; cost {cell.whole:.2f} whole, "
        f"{cell.selecting:.2f} selecting; time told/actual {ratio}"
        f"  {'pass' if together(name, [cell]).good else 'miss'}"
    )


def report(names: Sequence[str]) -> None:
    """Print each cell over its seeds, and how many pass."""
    cells = {name: list(found.values()) for name in names if (found := every(name))}
    for name, seeds in cells.items():
        one = together(name, seeds)
        mean, low, high = one.behind
        good = sum(together(name, [seed]).good for seed in seeds)
        print(
            f"{name:13} {len(seeds)} seeds: best {one.best:.4f}, normal {one.normal:.4f}, regret "
            f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]{unit(name)}; cost {one.whole:.2f} whole, "
            f"{one.selecting:.2f} selecting  {'pass' if one.good else 'miss'}, "
            f"{good} of {len(seeds)} seeds"
        )
        if one.rise is not None and one.held is not None:
            mean, low, high = one.held
            print(
                f"{'':13} the best: {100 * one.rise:+.1f}% loss on general text; behind the best "
                f"within {100 * BUDGET:g}%: {mean:+.2f} [{low:+.2f}, {high:+.2f}]%"
            )
    passed = sum(together(name, seeds).good for name, seeds in cells.items())
    each = [together(name, [seed]).good for name, seeds in cells.items() for seed in seeds]
    print(f"{passed} of {len(cells)} cells pass, {sum(each)} of {len(each)} seeds of them")


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", help="cells whose names begin so")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--part", choices=["sweep", "normal", "costs"], help="this part alone")
    parser.add_argument("--again", action="store_true", help="repeat the fits, not the sweeps")
    parser.add_argument("--print", action="store_true", help="what is kept, without any run")
    options = parser.parse_args()
    names = [n for n in CELLS if not options.only or any(n.startswith(o) for o in options.only)]
    for seed in [] if options.print else options.seeds:
        for name in names:
            _run(name, seed, options.part, options.again)
    for name in names:
        for seed in sorted({*options.seeds, *every(name)}):
            _line(name, seed)
    report(names)


def _run(name: str, seed: int, only: str | None, again: bool) -> None:
    """Run what is missing of a cell of one seed; each part is kept as it is done."""

    def keep(part: str, key: str, value: Any) -> None:
        # Read anew: another process may have added another part meanwhile.
        with alone(f"regret-{name}-{seed}"):
            found = {"cell": name, "seed": seed, **kept(name, seed)}
            (found.setdefault(part, {}) if key else found).update({key or part: value})
            write(place(name, seed), found, seed)

    cell, done = CELLS[name], kept(name, seed)
    wanted = [c for c in configurations(cell.task) if c.name not in done.get("sweep", {})]
    if wanted and only in (None, "sweep"):
        sweep(cell, seed, wanted, lambda key, value: keep("sweep", key, value))
    if only in (None, "normal"):
        for part, settings in (("normal", ()), ("alone", ALONE)):
            if again or part not in done:
                keep(part, "", fitted(cell, seed, settings))
    if only == "costs" and cell.task == "generation":
        _costs(name, seed, lambda key, value: keep("costs", key, value))


def _costs(name: str, seed: int, keep: Callable[[str, dict[str, Any]], None]) -> None:
    """Run the best of a kept sweep again until one keeps the budget of general loss."""
    by_name = {one.name: one for one in configurations(CELLS[name].task)}
    while within(found := kept(name, seed)) is None:
        asked = _asked(found)
        left = [one for one in _least_loss(found) if one not in asked]
        if not left:
            return
        wanted = sorted(left[:AT_ONCE], key=list(by_name).index)
        sweep(CELLS[name], seed, [by_name[k] for k in wanted], keep)


if __name__ == "__main__":
    main()
