"""Coverage of the 95% intervals on simulated data sets whose truth is known.

    python -m benchmarks.quality.intervals [FIRST_SEED [NAME [SIZES]]]
    python -m benchmarks.quality.intervals --print [NAME]

Protocol: PROTOCOL.md. NAME keeps the results apart from those of another version of the intervals
or of other SIZES, such as 2,3,5. ``--print`` tells what is kept and simulates nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import kept_or_leave, save
from fewtune.measures.base import row_measure
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

NAME = "intervals"
LEAST, MOST = 0.93, 0.97
"""Coverage of a 95% interval that is good enough."""
SETS = 500
SIZES = (30, 100, 500)
DRAWS = 1000
Floats = NDArray[np.float64]
Draw = np.random.Generator


@dataclass(frozen=True)
class Cell:
    """A world whose truth is known: how its data are made, and which measure judges them."""

    measure: str
    truth: float
    make: Callable[[Draw, int], tuple[Outcomes, Outcomes | None]]


def classified(truth: Any, right: Any, losses: Any = None, predicted: Any = None) -> Outcomes:
    """Return outcomes of three classes that are right where ``right`` says so."""
    n = len(right)
    if predicted is None:
        predicted = np.where(right, truth, (truth + 1) % 3)
    return Outcomes(
        sources=tuple(map(str, range(n))),
        groups=np.arange(n),
        losses=np.zeros(n) if losses is None else losses,
        units=np.ones(n, dtype=np.int64),
        bytes=np.zeros(n, dtype=np.int64),
        truth=np.asarray(truth, dtype=np.int64),
        probabilities=np.eye(3)[predicted],
        labels=("a", "b", "c"),
    )


def accuracy(share: float) -> Cell:
    """Return rows that are right with probability ``share``."""

    def make(draw: Draw, n: int) -> tuple[Outcomes, None]:
        return classified(np.zeros(n, dtype=int), draw.random(n) < share), None

    return Cell("accuracy", share, make)


CLASS_SHARES = np.array([0.6, 0.3, 0.1])


def macro_f1() -> Cell:
    """Return three unequal classes, right in 80%, wrong evenly among the other two."""
    joint = CLASS_SHARES[:, None] * np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    f1 = 2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))

    def make(draw: Draw, n: int) -> tuple[Outcomes, None]:
        truth = draw.choice(3, size=n, p=CLASS_SHARES)
        shift = draw.choice(3, size=n, p=[0.8, 0.1, 0.1])
        return classified(truth, shift == 0, predicted=(truth + shift) % 3), None

    return Cell("macro_f1", float(f1.mean()), make)


def log_loss() -> Cell:
    """Return losses −ln p with p from Beta(4, 1), whose mean is 1/4."""

    def make(draw: Draw, n: int) -> tuple[Outcomes, None]:
        right = np.ones(n, dtype=bool)
        return classified(np.zeros(n, dtype=int), right, -np.log(draw.beta(4, 1, size=n))), None

    return Cell("log_loss", 0.25, make)


def generated(groups: Any, losses: Floats, sizes: Any) -> Outcomes:
    """Return outcomes of a language model."""
    n = len(losses)
    return Outcomes(
        sources=tuple(map(str, range(n))),
        groups=groups,
        losses=losses,
        units=sizes,
        bytes=sizes,
        truth=np.zeros(0, dtype=np.int64),
        probabilities=np.zeros((0, 0)),
    )


def log_normal(draw: Draw, spread: float, n: int) -> Floats:
    """Return log-normal factors of mean 1."""
    return np.exp(spread * draw.standard_normal(n) - spread**2 / 2)


def loss_per_byte(paired: bool) -> Cell:
    """Return rows in groups of 1–6 with a group effect; the second model is at 0.45 nats/byte."""

    def make(draw: Draw, n: int) -> tuple[Outcomes, Outcomes | None]:
        groups = np.repeat(np.arange(n), draw.integers(1, 7, size=n))
        sizes = draw.integers(20, 201, size=len(groups))
        shared = log_normal(draw, 0.4, n)[groups] * log_normal(draw, 0.3, len(groups))
        one = sizes * 0.5 * shared * log_normal(draw, 0.15, len(groups))
        two = sizes * 0.45 * shared * log_normal(draw, 0.15, len(groups))
        first = generated(groups, one, sizes)
        return first, generated(groups, two, sizes) if paired else None

    return Cell("loss_per_byte", 0.05 if paired else 0.5, make)


def paired_accuracy(first: float, second: float, both_wrong: float) -> Cell:
    """Return two models with these accuracies that are wrong together in ``both_wrong``."""

    def make(draw: Draw, n: int) -> tuple[Outcomes, Outcomes]:
        place = draw.random(n)
        one_wrong = place < 1 - first
        two_wrong = (place < both_wrong) | (place > 1 - (1 - second - both_wrong))
        truth = np.zeros(n, dtype=int)
        return classified(truth, ~one_wrong), classified(truth, ~two_wrong)

    return Cell("accuracy", first - second, make)


def paired_log_loss() -> Cell:
    """Return two models that share most of their loss; the first has 0.05 nats less."""

    def make(draw: Draw, n: int) -> tuple[Outcomes, Outcomes]:
        shared = draw.exponential(0.2, size=n)
        right, truth = np.ones(n, dtype=bool), np.zeros(n, dtype=int)
        one, two = (shared + draw.exponential(own, size=n) for own in (0.05, 0.1))
        return classified(truth, right, one), classified(truth, right, two)

    return Cell("log_loss", -0.05, make)


CELLS = {
    "accuracy 0.6": accuracy(0.6),
    "accuracy 0.85": accuracy(0.85),
    "accuracy 0.95": accuracy(0.95),
    "macro-F1, 60/30/10": macro_f1(),
    "log loss": log_loss(),
    "loss per byte, grouped": loss_per_byte(False),
    "accuracy 0.85 − 0.80": paired_accuracy(0.85, 0.80, 0.105),
    "accuracy, equal models": paired_accuracy(0.85, 0.85, 0.105),
    "log loss, paired": paired_log_loss(),
    "loss per byte, grouped, paired": loss_per_byte(True),
}


def score(cell: Cell, seed: int, n: int) -> Score:
    """Return the score of one simulated data set."""
    first, second = cell.make(np.random.default_rng([seed, n]), n)
    measure = row_measure(cell.measure)
    if second is None:
        return measure.of(first, seed, draws=DRAWS)
    return measure.difference(first, second, seed, draws=DRAWS)


def covered(first: int, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield what each cell of each size came to over the data sets from a first seed on."""
    for n in sizes:
        for label, cell in CELLS.items():
            found = [score(cell, seed, n) for seed in range(first, first + SETS)]
            below = float(np.mean([s.high < cell.truth for s in found]))
            above = float(np.mean([s.low > cell.truth for s in found]))
            yield {
                "cell": label,
                "n": n,
                "truth": cell.truth,
                "covered": round(1 - below - above, 4),
                "interval_below": below,
                "interval_above": above,
                "width": float(np.mean([s.high - s.low for s in found])),
                "seeds": [first, first + SETS - 1],
            }


def good(one: dict[str, Any]) -> bool:
    """Return whether a cell's intervals hold the truth as often as they say."""
    return bool(LEAST <= one["covered"] <= MOST)


def told(results: Sequence[dict[str, Any]]) -> None:
    """Print how many cells are good, and which are not."""
    missed = ", ".join(f"{r['cell']} at n {r['n']}" for r in results if not good(r)) or "none"
    print(
        f"{sum(map(good, results))} of {len(results)} cells within 93–97% (missed: {missed}); "
        "standard error of a cell about 1.0"
    )


def tell(one: dict[str, Any]) -> None:
    """Print one cell."""
    print(
        f"{one['cell']:32} n {one['n']:4}  covers {100 * one['covered']:5.1f}%  "
        f"below {100 * one['interval_below']:4.1f}  above {100 * one['interval_above']:4.1f}  "
        f"width {one['width']:.4f}  seeds {one['seeds'][0]} to {one['seeds'][1]}",
        flush=True,
    )


def main() -> None:
    """Print the table and keep the raw results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("first", nargs="?", type=int, default=0, help="the first seed")
    parser.add_argument("name", nargs="?", default=NAME, help="of the results")
    parser.add_argument("sizes", nargs="?", default=",".join(map(str, SIZES)), help="as in 2,3,5")
    parser.add_argument("--print", nargs="?", const=NAME, metavar="NAME", help="what is kept there")
    asked = parser.parse_args()
    if asked.print:
        results = kept_or_leave(f"quality/{asked.print}")
        for one in results:
            tell(one)
        told(results)
        return
    results = []
    for one in covered(asked.first, [int(size) for size in asked.sizes.split(",")]):
        tell(one)
        results.append(one)
    told(results)
    print(save(f"quality/{asked.name}", results))


if __name__ == "__main__":
    main()
