"""What tasks that answer with a label share: labels to numbers, and class shares to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.errors import DataError
from fewtune.family import suggest
from fewtune.records import Example

__all__ = ["label_number", "ranked", "without_targets"]


def label_number(example: Example, numbers: Mapping[str, int]) -> int:
    """Return the class number of an example; -1 where it has no label.

    Raises
    ------
    DataError
        If the label is none of those that are trained.
    """
    if example.target is None:
        return -1
    if example.target not in numbers:
        raise DataError(
            "a label that was trained",
            f"{example.target!r}",
            example.source,
            suggest(example.target, numbers),
        )
    return numbers[example.target]


def without_targets(examples: Sequence[Example]) -> list[Example]:
    """Return the examples as rows to predict: what their file says of them is left out."""
    return [Example(e.input, None, e.source, e.group) for e in examples]


def ranked(
    examples: Sequence[Example], shares: NDArray[np.float64], labels: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the likeliest label of each example and the next, with their probabilities.

    Parameters
    ----------
    examples
        What was asked.
    shares
        Class probabilities, of shape (examples, classes).
    labels
        Name of each class.
    """
    records = []
    for example, row in zip(examples, shares, strict=True):
        best, second = (-row).argsort()[:2]
        records.append(
            {
                "input": example.input,
                "label": labels[best],
                "probability": round(float(row[best]), 4),
                "second": labels[second],
                "second_probability": round(float(row[second]), 4),
            }
        )
    return records
