"""Rotations: whether intervals over rows that judged in turn hold what a way of fitting is worth.

    python -m benchmarks.quality.rotations [FIRST_DRAW [NAME]]
    python -m benchmarks.quality.rotations --print [NAME]

Protocol: PROTOCOL.md. Raw results in ``results/rotations.json``; ``--print`` tells what is kept
there and fits nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.common import kept_or_leave, mean_interval, save
from benchmarks.quality._regret_cells import TEN
from benchmarks.quality.value_curve import Bank
from fewtune.data.folds import folds
from fewtune.measures.base import row_measure
from fewtune.methods.probe import Fitted, States, refit
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes, joined

NAME = "rotations"
EACH = (4, 8)
FITS = 5
DRAWS = 100
WAYS = ("weak head", "TF-IDF")
"""What the head is compared with: itself at a strength that is far too low, and words."""

Judge = Callable[[Sequence[int], bool], Outcomes]
"""Returns what a fitted way does on rows, of the test file or of the known one."""


def head(bank: Bank, rows: Sequence[int], strength: float) -> Judge:
    """Return a head solved on frozen states of some rows."""
    known = bank.known(rows)
    like = Fitted(np.zeros((0, 0)), np.zeros(0), strength, 0.0, np.zeros((0, 0)), ())
    made = refit(States(known.rows, known.truth, known.weights, 77, None), like)

    def judge(at: Sequence[int], test: bool) -> Outcomes:
        if test:
            return bank.outcomes(made, bank.test_states[at], bank.test_truth[at])
        asked = bank.known(at)
        return bank.outcomes(made, asked.rows, asked.truth)

    return judge


def tfidf(bank: Bank, rows: Sequence[int]) -> Judge:
    """Return words with a logistic regression, as the control of a fit has it."""
    from fewtune.select.controls import words

    made = words()
    made.fit([bank.rows[row]["text"] for row in rows], bank.truth[list(rows)])

    def judge(at: Sequence[int], test: bool) -> Outcomes:
        file, truth = (bank.test, bank.test_truth) if test else (bank.rows, bank.truth)
        shares = np.zeros((len(at), 77))
        shares[:, made.classes_] = made.predict_proba([file[i]["text"] for i in at])
        like = SimpleNamespace(probabilities=lambda states: shares)
        return bank.outcomes(like, None, truth[list(at)])  # type: ignore[arg-type]

    return judge


def one(bank: Bank, seed: int, each: int, test: Sequence[int]) -> dict[str, Any]:
    """Return the differences of the ways by rotations, by one test part, and in truth."""
    from fewtune.verbs.rotated import widened

    rows = [row for row in bank.draw(seed, each) if bank.labels[bank.truth[row]] in TEN]
    parts = folds(bank.data(rows), FITS, seed=seed)
    accuracy = row_measure("accuracy")
    held_out: dict[str, list[Outcomes]] = {}
    true: dict[str, list[float]] = {}
    for held in parts:
        rest = [row for at, row in enumerate(rows) if at not in set(held)]
        made = {
            "head": head(bank, rest, 10.0),
            "weak head": head(bank, rest, 0.3),
            "TF-IDF": tfidf(bank, rest),
        }
        for way, judge in made.items():
            held_out.setdefault(way, []).append(judge([rows[at] for at in held], False))
            outcomes = judge(test, True)
            right = float((outcomes.predicted == outcomes.truth).mean())
            true.setdefault(way, []).append(right)
    found: dict[str, Any] = {"draw": seed, "each": each, "rows": len(rows)}
    for way in WAYS:
        pairs = list(zip(held_out["head"], held_out[way], strict=True))
        first, second = (joined(parts) for parts in zip(*pairs, strict=True))
        found[way] = {
            "truth": float(np.mean(true["head"]) - np.mean(true[way])),
            "rotations": bounds(widened(accuracy.difference(first, second), least=-1.0)),
            "one_part": bounds(accuracy.difference(*pairs[0])),
        }
    return found


def bounds(score: Score) -> list[float]:
    """Return the value, the bounds and the rows."""
    return [round(x, 4) for x in (score.value, score.low, score.high)] + [score.n]


def tell(each: int, way: str, found: Sequence[dict[str, Any]]) -> None:
    """Print what one size came to, against one of the other ways."""
    mean = mean_interval([r[way]["truth"] for r in found])
    print(
        f"{each} a class, {found[0]['rows']} rows, {len(found)} draws: head − {way} is truly "
        "{:+.1f} [{:+.1f}, {:+.1f}] points".format(*(100 * x for x in mean))
    )
    for name in ("rotations", "one_part"):
        some = [(*r[way][name], r[way]["truth"]) for r in found]
        own = np.mean([low <= truth <= high for _, low, high, _, truth in some])
        of_all = np.mean([low <= mean[0] <= high for _, low, high, _, _ in some])
        width = 50 * np.mean([high - low for _, low, high, _, _ in some])
        error = 100 * np.sqrt(np.mean([(value - truth) ** 2 for value, _, _, _, truth in some]))
        sure = np.mean([low > 0 for _, low, _, _, _ in some])
        rows = np.mean([n for _, _, _, n, _ in some])
        print(
            f"  {name:10} n {rows:4.0f}: holds the draw's own truth in {own:.0%}, that of all "
            f"draws in {of_all:.0%}; half-width {width:.1f}, error {error:.1f} points; surely "
            f"better in {sure:.0%}",
            flush=True,
        )


def measured(first: int) -> Iterator[list[dict[str, Any]]]:
    """Yield each size over the draws from a first one on."""
    bank = Bank()
    test = [i for i, label in enumerate(bank.test_truth) if bank.labels[label] in TEN]
    for each in EACH:
        yield [one(bank, seed, each, test) for seed in range(first, first + DRAWS)]


def main() -> None:
    """Print the table and keep the raw results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("first", nargs="?", type=int, default=0, help="the first draw")
    parser.add_argument("name", nargs="?", default=NAME, help="of the results")
    parser.add_argument("--print", nargs="?", const=NAME, metavar="NAME", help="what is kept there")
    asked = parser.parse_args()
    if asked.print:
        by_size = groupby(kept_or_leave(f"quality/{asked.print}"), lambda run: run["each"])
        sizes: Iterable[list[dict[str, Any]]] = (list(runs) for _, runs in by_size)
    else:
        sizes = measured(asked.first)
    results: list[dict[str, Any]] = []
    for found in sizes:
        for way in WAYS:
            tell(found[0]["each"], way, found)
        results += found
    if not asked.print:
        print(save(f"quality/{asked.name}", results))


if __name__ == "__main__":
    main()
