"""Outcomes written down by hand, for tests of measures and of selection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fewtune.tasks.outcomes import Outcomes


def classified(
    truth: Sequence[int],
    predicted: Sequence[int],
    groups: Sequence[int] = (),
    classes: int = 3,
    sure: float = 0.8,
) -> Outcomes:
    """Return outcomes that hold ``predicted`` with probability ``sure``, the others alike."""
    shares = np.full((len(truth), classes), (1 - sure) / (classes - 1))
    shares[np.arange(len(truth)), list(predicted)] = sure
    return Outcomes(
        sources=tuple(f"made:{place}" for place in range(len(truth))),
        groups=np.asarray(groups or range(len(truth)), dtype=np.int64),
        losses=-np.log(shares[np.arange(len(truth)), list(truth)]),
        units=np.ones(len(truth), dtype=np.int64),
        bytes=np.zeros(len(truth), dtype=np.int64),
        truth=np.asarray(truth, dtype=np.int64),
        probabilities=shares,
        labels=tuple("abcdefgh"[:classes]),
    )


def generated(losses: Sequence[float], sizes: Sequence[int]) -> Outcomes:
    """Return outcomes of a language model: nats and bytes of each row."""
    return Outcomes(
        sources=tuple(f"made:{place}" for place in range(len(losses))),
        groups=np.arange(len(losses)),
        losses=np.asarray(losses, dtype=float),
        units=np.asarray(sizes, dtype=np.int64),
        bytes=np.asarray(sizes, dtype=np.int64),
        truth=np.zeros(0, dtype=np.int64),
        probabilities=np.zeros((0, 0)),
    )
