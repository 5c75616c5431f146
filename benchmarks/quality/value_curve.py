"""Value curve on Banking77: the gain predicted from n rows a class against that measured at 2n.

    python -m benchmarks.quality.value_curve [PER_CLASS FIRST_DRAW LAST_DRAW [NAME]]
    python -m benchmarks.quality.value_curve --print [NAME]

Protocol: PROTOCOL.md. Without arguments all draws at 4, 8 and 16 rows a class are made; draws that
are in the results already are kept. ``--print`` tells what is kept and fits nothing.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common import kept, kept_or_leave, mean_interval, read_csv, save, shared
from fewtune.data.folds import folds
from fewtune.measures.base import row_measure
from fewtune.methods.probe import Fitted, States, fit, refit
from fewtune.records import Dataset, Example
from fewtune.select.value_curve import Round, value_curve
from fewtune.tasks.outcomes import Outcomes

NAME = "value_curve"
SIZES = (4, 8, 16)
DRAWS = range(20, 40)
"""Those of before (0 to 19) were looked at when the answer was made wider."""
FOLDS = 5


class Bank:
    """The rows of Banking77 with their frozen states, each computed once, when it is asked for."""

    def __init__(self) -> None:
        from fewtune.models.view import view

        self.rows = read_csv(shared("data", "banking77", "train.csv"))
        self.test = read_csv(shared("data", "banking77", "test.csv"))
        self.labels = sorted({row["category"] for row in self.rows})
        self.encoder = encoder = view("minilm", "labelled_text")
        self.states = np.full((len(self.rows), 384), np.nan, dtype=np.float32)
        self.test_states = encoder.embed([row["text"] for row in self.test])
        self.names = encoder.embed([label.replace("_", " ") for label in self.labels])
        number = {label: at for at, label in enumerate(self.labels)}
        self.truth = np.array([number[row["category"]] for row in self.rows])
        self.test_truth = np.array([number[row["category"]] for row in self.test])

    def draw(self, seed: int, each: int) -> list[int]:
        """Return ``each`` rows of every class; those of a smaller ``each`` are among them."""
        shuffled = list(range(len(self.rows)))
        random.Random(seed).shuffle(shuffled)
        taken: dict[int, list[int]] = {}
        for row in shuffled:
            if len(taken.setdefault(int(self.truth[row]), [])) < each:
                taken[int(self.truth[row])].append(row)
        return [row for label in sorted(taken) for row in taken[label]]

    def known(self, rows: Sequence[int]) -> States:
        """Return rows to learn from."""
        at = np.asarray(rows)
        new = at[np.isnan(self.states[at, 0])]
        if len(new):
            self.states[new] = self.encoder.embed([self.rows[i]["text"] for i in new])
        return States(self.states[at], self.truth[at], np.ones(len(at)), 77, self.names)

    def data(self, rows: Sequence[int]) -> Dataset:
        """Return rows as a data set, to be folded as a fit folds them."""
        made = [
            Example(self.rows[i]["text"], self.rows[i]["category"], f"train.csv:{i}") for i in rows
        ]
        return Dataset(tuple(made), "labelled_text", "train.csv")

    def outcomes(self, head: Fitted, states: Any, truth: Any) -> Outcomes:
        """Return what a head does on rows."""
        shares = head.probabilities(states)
        n = len(truth)
        return Outcomes(
            sources=tuple(map(str, range(n))),
            groups=np.arange(n),
            losses=-np.log(np.maximum(shares[np.arange(n), truth], 1e-12)),
            units=np.ones(n, dtype=np.int64),
            bytes=np.zeros(n, dtype=np.int64),
            truth=truth,
            probabilities=shares,
            labels=tuple(self.labels),
        )

    def accuracy(self, head: Fitted) -> float:
        """Return the accuracy on the test rows."""
        return (
            row_measure("accuracy").of(self.outcomes(head, self.test_states, self.test_truth)).value
        )


def one(bank: Bank, seed: int, each: int) -> dict[str, Any]:
    """Return what is predicted from ``each`` rows a class, and what twice as many bring."""
    began = time.monotonic()
    rows = bank.draw(seed, each)
    parts = folds(bank.data(rows), FOLDS, seed=seed)
    known = bank.known(rows)
    chosen = fit(known, parts)

    def round_of(held: Sequence[int]) -> Round:
        unseen = known.take(np.asarray(held))
        rest = sorted(set(range(len(rows))) - set(held))

        def score(subset: Sequence[int]) -> Outcomes:
            head = refit(known.take(np.asarray(subset)), chosen)
            return bank.outcomes(head, unseen.rows, unseen.truth)

        return Round(rest, score)

    curve = value_curve(
        [round_of(held) for held in parts],
        row_measure("accuracy"),
        known.truth.tolist(),
        list(range(len(rows))),
        repeats=2,
        seed=seed,
    )
    before = bank.accuracy(chosen)
    twice = bank.known(bank.draw(seed, 2 * each))
    after = bank.accuracy(refit(twice, chosen))
    return {
        "draw": seed,
        "each": each,
        "rows": len(rows),
        "predicted": curve.gain,
        "low": curve.low,
        "high": curve.high,
        "doubt": curve.doubt,
        "measured": after - before,
        "accuracy": [before, after],
        "points": [[p.rows, round(p.value, 4)] for p in curve.points],
        "seconds": round(time.monotonic() - began, 1),
    }


def tell(what: str, found: Sequence[dict[str, Any]]) -> None:
    """Print what draws of one size, or of all, came to."""
    said = [r for r in found if not r["doubt"]]
    measured = [r["measured"] for r in found]
    line = f"{what}: {len(found)} draws, {len(found) - len(said)} without an answer; "
    line += "measured {:+.2f} [{:+.2f}, {:+.2f}]".format(
        *(100 * x for x in mean_interval(measured))
    )
    if said:
        inside = sum(r["low"] <= r["measured"] <= r["high"] for r in said)
        error = np.mean([abs(r["predicted"] - r["measured"]) for r in said])
        half = np.mean([(r["high"] - r["low"]) / 2 for r in said])
        predicted = mean_interval([r["predicted"] for r in said])
        line += ", predicted {:+.2f} [{:+.2f}, {:+.2f}] points".format(
            *(100 * x for x in predicted)
        )
        line += (
            f"; inside {inside} of {len(said)} ({inside / len(said):.0%}), mean error "
            f"{100 * error:.2f}, half-width {100 * half:.2f}"
        )
    print(line, flush=True)


def told(results: Sequence[dict[str, Any]]) -> None:
    """Print what is there, size by size."""
    for each in sorted({r["each"] for r in results}):
        tell(f"{each:2} a class", [r for r in results if r["each"] == each])
    tell("all sizes", results)


def main() -> None:
    """Make the draws that are missing, each kept at once, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("size", nargs="?", type=int, help="rows a class")
    parser.add_argument("first", nargs="?", type=int, default=DRAWS[0])
    parser.add_argument("last", nargs="?", type=int, default=DRAWS[-1])
    parser.add_argument("name", nargs="?", default=NAME, help="of the results")
    parser.add_argument("--print", nargs="?", const=NAME, metavar="NAME", help="what is kept there")
    asked = parser.parse_args()
    if asked.print:
        told(kept_or_leave(f"quality/{asked.print}"))
        return
    results = kept(f"quality/{asked.name}", [])
    bank: Bank | None = None
    there = {(r["draw"], r["each"]) for r in results}
    for each in [asked.size] if asked.size else SIZES:
        for seed in range(asked.first, asked.last + 1):
            if (seed, each) not in there:
                bank = bank or Bank()
                results.append(one(bank, seed, each))
                print(results[-1], flush=True)
                save(f"quality/{asked.name}", results)
    told(results)


if __name__ == "__main__":
    main()
