"""Calibration error and 90% sets with no row held out: Banking77 and the front desk.

    python -m benchmarks.quality.calibration [--print]

Protocol: PROTOCOL.md. ``--print`` tells what is kept and fits nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import kept_or_leave, mean_interval, save
from benchmarks.quality.value_curve import Bank
from fewtune.data.folds import folds
from fewtune.data.load import load
from fewtune.measures.base import Evidence, row_measure, score_all
from fewtune.measures.calibration import calibrate, tempered
from fewtune.methods.probe import States, fit
from fewtune.records import Dataset
from fewtune.tasks.outcomes import Outcomes

NAME = "quality/calibration"
SEEDS = range(5)
FOLDS = 5


def classified(shares: Any, truth: Any) -> Outcomes:
    """Return class probabilities as outcomes."""
    n, classes = shares.shape
    return Outcomes(
        sources=tuple(map(str, range(n))),
        groups=np.arange(n),
        losses=-np.log(np.maximum(shares[np.arange(n), truth], 1e-12)),
        units=np.ones(n, dtype=np.int64),
        bytes=np.zeros(n, dtype=np.int64),
        truth=truth,
        probabilities=shares,
        labels=tuple(map(str, range(classes))),
    )


def judge(
    cell: str, seed: int, known: States, data: Dataset, test: Any, truth: Any
) -> dict[str, Any]:
    """Fit, calibrate out of fold, and judge on the test rows."""
    head = fit(known, folds(data, FOLDS, seed=seed))
    unknown = classified(head.out_of_fold, known.truth)
    found = calibrate(unknown)
    before = classified(head.probabilities(test), truth)
    after = classified(head.tempered(found.temperature).probabilities(test), truth)
    scores = score_all(
        Evidence("text_classification", after, out_of_fold=tempered(unknown, found.temperature)),
        ["accuracy", "conformal_coverage", "conformal_set_size"],
    )
    error, loss = row_measure("expected_calibration_error"), row_measure("log_loss")
    return {
        "cell": cell,
        "seed": seed,
        "rows": len(known.truth),
        "n": len(truth),
        "temperature": found.temperature,
        "error_before": error.of(before, draws=200).value,
        "error_after": asdict(error.of(after, draws=1000)),
        "log_loss": [loss.of(one, draws=200).value for one in (before, after)],
        "accuracy": scores["accuracy"].value,
        "coverage": asdict(scores["conformal_coverage"]),
        "set_size": scores["conformal_set_size"].value,
    }


def front_desk(seed: int) -> dict[str, Any]:
    """Return one seed of the front desk's folds; its training and test rows are always the same."""
    from fewtune.models.view import view

    desk = Path(__file__).resolve().parents[2] / "examples" / "front_desk"
    data = load(str(desk / "intents.csv"))
    test = load(str(desk / "intents_test.csv"))
    number = {label: at for at, label in enumerate(data.labels)}
    encoder = view("minilm", "labelled_text")
    known = States(
        encoder.embed([e.input for e in data]),
        np.array([number[e.target] for e in data]),
        np.ones(len(data)),
        len(number),
        encoder.embed([label.replace("_", " ").replace("-", " ") for label in data.labels]),
    )
    states = encoder.embed([e.input for e in test])
    truth = np.array([number[e.target] for e in test])
    return judge("front desk", seed, known, data, states, truth)


def tell(found: Sequence[dict[str, Any]]) -> None:
    """Print what one cell came to."""
    before = np.mean([r["error_before"] for r in found])
    error = mean_interval([r["error_after"]["value"] for r in found])
    coverage = mean_interval([r["coverage"]["value"] for r in found])
    size = mean_interval([r["set_size"] for r in found])
    print(
        f"{found[0]['cell']:22} {found[0]['rows']:5} rows, {len(found)} seeds, "
        f"test n {found[0]['n']}: "
        f"ECE {before:.3f} → {error[0]:.3f} [{error[1]:.3f}, {error[2]:.3f}]; 90% sets cover "
        f"{100 * coverage[0]:.1f}% [{100 * coverage[1]:.1f}, {100 * coverage[2]:.1f}], "
        f"{size[0]:.2f} labels; accuracy {np.mean([r['accuracy'] for r in found]):.3f}; "
        f"temperature {np.mean([r['temperature'] for r in found]):.2f}",
        flush=True,
    )


def measured() -> Iterator[list[dict[str, Any]]]:
    """Yield each cell over its seeds."""
    yield [front_desk(seed) for seed in SEEDS]
    bank = Bank()
    for each in (8, 16):
        found = []
        for seed in SEEDS:
            rows = bank.draw(seed, each)
            known, data = bank.known(rows), bank.data(rows)
            name = f"Banking77, {each} a class"
            found.append(judge(name, seed, known, data, bank.test_states, bank.test_truth))
        yield found


def main() -> None:
    """Print the table and keep the raw results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--print", action="store_true", help="what is kept, without any fit")
    if parser.parse_args().print:
        for _, runs in groupby(kept_or_leave(NAME), lambda run: run["cell"]):
            tell(list(runs))
        return
    results: list[dict[str, Any]] = []
    for found in measured():
        tell(found)
        results += found
    print(save(NAME, results))


if __name__ == "__main__":
    main()
