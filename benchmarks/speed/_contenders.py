"""Contenders: programs that train the same, each in a process of its own; medians of turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

__all__ = ["interval", "race", "table"]

ROOT = Path(__file__).resolve().parents[2]


def race(
    contenders: Mapping[str, Sequence[str]], repeats: int, threads: int
) -> dict[str, list[dict[str, Any]]]:
    """Run every contender ``repeats`` times, in turn; return what each printed as its last line.

    Parameters
    ----------
    contenders
        Command of each; it prints one JSON object.
    repeats
        Turns. What else the machine does meets all of them alike.
    threads
        Of each process.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    more = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    more |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    for turn in range(repeats):
        for name, words in contenders.items():
            with tempfile.TemporaryFile("w+") as said:
                process = subprocess.Popen(
                    list(words),
                    env=os.environ | more,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                    cwd=tempfile.gettempdir(),
                )
                assert process.stdout is not None
                out = process.stdout.read()
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                said.seek(0)
                if process.returncode or not out.strip():
                    raise SystemExit(f"{name} failed\n{said.read()[-3000:]}")
            told = json.loads(out.strip().splitlines()[-1])
            found[name].append(told | {"peak_bytes": used.ru_maxrss * 1024})
            print(f"turn {turn + 1}: {name}: {told['seconds']:.1f} s", file=sys.stderr, flush=True)
    return found


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and its 95% bootstrap interval over turns."""
    draw = np.random.default_rng(0)
    array = np.asarray(values)
    medians = np.median(array[draw.integers(len(array), size=(10_000, len(array)))], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(array)), float(low), float(high)


def table(found: Mapping[str, Sequence[Mapping[str, Any]]], unit: str, own: str) -> dict[str, Any]:
    """Print a line for each contender and return the figures.

    Parameters
    ----------
    found
        What each printed, turn by turn.
    unit
        Name of the count that ``seconds`` divides.
    own
        The contender that the others are compared with.
    """
    figures: dict[str, Any] = {}
    rates = {name: [t[unit] / t["seconds"] for t in turns] for name, turns in found.items()}
    print(f"{'':44}{unit + '/s':>12}{'95% interval':>22}{'seconds':>9}{'peak':>10}{'ours is':>9}")
    for name, turns in found.items():
        middle, low, high = interval(rates[name])
        seconds = median(t["seconds"] for t in turns)
        peak = median(t["peak_bytes"] for t in turns)
        # Turn by turn: what else the machine did then met both.
        times = median(a / b for a, b in zip(rates[own], rates[name], strict=True))
        figures[name] = {
            f"{unit}_per_second": middle, "low": low, "high": high, "seconds": seconds,
            "peak_bytes": peak, "ours_is_times": times,
        }  # fmt: skip
        print(
            f"{name:44}{middle:12,.0f}{f'[{low:,.0f}, {high:,.0f}]':>22}{seconds:9.1f}"
            f"{peak / 1e6:8,.0f}MB{times:8.2f}×"
        )
    return figures
