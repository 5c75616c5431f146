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
from pathlib import Path
from typing import Any

from benchmarks.common import alone, command, write
from benchmarks.quality._regret_cells import CELLS, Cell, configurations
from benchmarks.quality._regret_judged import (
    BUDGET,
    asked,
    every,
    judged,
    kept,
    least_loss,
    place,
    together,
    unit,
    within,
)
from benchmarks.quality._regret_sweep import base_of, sweep, written

ALONE = (
    "--set", "select.rungs=[]", "--set", "select.rates=[]", "--set", "select.guards=[]",
    "--set", "select.dial=[1.0]", "--set", "select.refit=false",
)  # fmt: skip
"""Settings that leave one candidate and its plain training."""

AT_ONCE = 3
"""How many configurations are asked for their costs together."""


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
        known = asked(found)
        left = [one for one in least_loss(found) if one not in known]
        if not left:
            return
        wanted = sorted(left[:AT_ONCE], key=list(by_name).index)
        sweep(CELLS[name], seed, [by_name[k] for k in wanted], keep)


if __name__ == "__main__":
    main()
