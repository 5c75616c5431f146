"""No-tuning regret: `normal` against the best of thirty configurations (see PROTOCOL.md).

    python -m benchmarks.quality.regret [--only e2e signs_5] [--part sweep|normal] [--again]

What is in the results file already is not run again.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import alone, command, save
from benchmarks.quality._regret_cells import CELLS, Cell, configurations
from benchmarks.quality._regret_sweep import base_of, sweep, written

ALONE = (
    "--set", "select.rungs=[]", "--set", "select.rates=[]", "--set", "select.guards=[]",
    "--set", "select.dial=[1.0]", "--set", "select.refit=false",
)  # fmt: skip
"""Settings that leave one candidate and its plain training."""

MOST_POINTS, MOST_SHARE, MOST_COST = 2.0, 2.0, 4.0


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
    """A whole cell: its best configuration, what `normal` is behind it, and what that cost."""

    best: str
    values: dict[str, float]
    behind: float
    whole: float
    selecting: float
    near: bool

    @property
    def good(self) -> bool:
        """Whether the cell passes: near enough, at no more than the cost that is allowed."""
        return self.near and max(self.whole, self.selecting) <= MOST_COST


def judged(name: str, found: dict[str, Any]) -> Judged | None:
    """Return what a cell came to; ``None`` where something of it is missing."""
    task = CELLS[name].task
    values = {k: v["value"] for k, v in found.get("sweep", {}).items() if v["value"] is not None}
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
    # Six of 300 images are two points, whatever a difference of floats says.
    near = behind <= (MOST_SHARE if lower else MOST_POINTS) + 1e-9
    return Judged(best, values, behind, whole, cost, near)


def _line(name: str, found: dict[str, Any]) -> tuple[float, bool] | None:
    """Print a cell; return its regret and whether it passes."""
    cell = judged(name, found)
    task = CELLS[name].task
    if cell is None:
        missing = len(configurations(task)) - len(found.get("sweep", {}))
        print(f"{name:13} {missing} configurations missing, fits: {sorted(set(found) - {'sweep'})}")
        return None
    normal = found["normal"]
    told = normal.get("time") or {}
    ratio = f"{told['ratio']:.2f}" if told.get("ratio") else "-"
    print(
        f"{name:13} best {cell.values[cell.best]:.4f} ({cell.best}), median "
        f"{statistics.median(cell.values.values()):.4f}, normal {normal['value']:.4f} "
        f"({normal['chosen']['method']} {normal['chosen']['learning_rate']}, α "
        f"{normal['chosen']['alpha']}): regret {cell.behind:+.2f}"
        f"{'%' if task == 'generation' else ' points'}; cost {cell.whole:.2f} whole, "
        f"{cell.selecting:.2f} selecting; time told/actual {ratio}"
        f"  {'pass' if cell.good else 'miss'}"
    )
    return cell.behind, cell.good


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", help="cells whose names begin so")
    parser.add_argument("--part", choices=["sweep", "normal"], help="run this part alone")
    parser.add_argument("--again", action="store_true", help="repeat the fits, not the sweeps")
    parser.add_argument("--draw", type=int, default=0, help="another draw: for development")
    options = parser.parse_args()
    stem = "regret_development" if options.draw else "regret"
    path = Path(__file__).parent / "results" / f"{stem}.json"
    names = [n for n in CELLS if not options.only or any(n.startswith(o) for o in options.only)]

    def keep(name: str, part: str, key: str, value: Any) -> None:
        # Read anew: another process may have added other cells meanwhile.
        with alone(stem):
            results = json.loads(path.read_text())["results"] if path.exists() else {}
            cell = results.setdefault(name, {})
            (cell.setdefault(part, {}) if key else cell).update({key or part: value})
            save(f"quality/{stem}", results)

    def there(name: str) -> dict[str, Any]:
        found = json.loads(path.read_text())["results"] if path.exists() else {}
        cell: dict[str, Any] = found.get(name, {})
        return cell

    for name in names:
        cell = CELLS[name]
        done = there(name)
        wanted = [c for c in configurations(cell.task) if c.name not in done.get("sweep", {})]
        if wanted and options.part != "normal":
            sweep(cell, options.draw, wanted, lambda k, v, n=name: keep(n, "sweep", k, v))
        if options.part != "sweep":
            for part, settings in (("normal", ()), ("alone", ALONE)):
                if options.again or part not in done:
                    keep(name, part, "", fitted(cell, options.draw, settings))
    lines = [_line(name, there(name)) for name in names]
    found = [line for line in lines if line]
    if found:
        passed = sum(good for _, good in found)
        mean = statistics.mean(behind for behind, _ in found)
        print(f"{passed} of {len(found)} cells pass; mean regret {mean:+.2f}")


if __name__ == "__main__":
    main()
