"""What every benchmark needs: the shared data, intervals, a results file with its environment."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fewtune.environment import describe

__all__ = [
    "SHARED",
    "alone",
    "command",
    "kept",
    "kept_or_leave",
    "mean_interval",
    "read_csv",
    "save",
    "shared",
    "write",
    "write_csv",
]

SHARED = Path(__file__).resolve().parents[2] / "shared"
ROOMS = Path(__file__).resolve().parent
"""Where each room of benchmarks has its results."""


def shared(*parts: str) -> Path:
    """Return a path in the shared folder, or leave with a sentence where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        print(f"skipped: {Path('../shared', *parts)} is not here")
        sys.exit(0)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a csv file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows to a csv file and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def command(*arguments: str) -> tuple[dict[str, Any], float]:
    """Run ``fewtune`` as a user would; return its JSON and the seconds of the whole process."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fewtune.cli.main", *arguments, "--json"],
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - began
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"fewtune {' '.join(arguments)}\n{done.stderr}")
    return json.loads(done.stdout), seconds


def mean_interval(values: list[float], seed: int = 0) -> tuple[float, float, float]:
    """Return the mean and its 95% bootstrap interval over repetitions."""
    draw = np.random.default_rng(seed)
    array = np.asarray(values)
    means = array[draw.integers(len(array), size=(10_000, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def kept(name: str, empty: Any) -> Any:
    """Return the results that earlier calls kept under ``ROOM/NAME``; ``empty`` for none."""
    path = _place(name)
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else empty


def kept_or_leave(name: str) -> Any:
    """Return what is kept under ``ROOM/NAME``, to print it; leave with a sentence for none."""
    found = kept(name, None)
    if not found:
        print(f"nothing is kept in {_place(name).relative_to(ROOMS)}")
        sys.exit(0)
    return found


def save(name: str, results: Any) -> Path:
    """Keep raw results with the environment they were measured in; return the file."""
    return write(_place(name), results)


def write(
    path: Path, results: Any, seed: int = 0, environment: Mapping[str, Any] | None = None
) -> Path:
    """Write results to a file with the environment they were measured in; return it.

    It is replaced in one step: another process may be reading it.

    Parameters
    ----------
    environment
        What is known of the process that measured, where it was not this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**describe(seed=seed), **(environment or {})}
    about.pop("command")
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    text = json.dumps({"environment": about, "results": results}, indent=1)
    fresh.write_text(text + "\n", encoding="utf-8")
    os.replace(fresh, path)
    return path


def _place(name: str) -> Path:
    room, _, stem = name.rpartition("/")
    return ROOMS / room / "results" / f"{stem}.json"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time read results, add its own and save them."""
    place = Path(tempfile.gettempdir()) / f"fewtune-benchmark-{name.replace('/', '-')}.lock"
    with place.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
