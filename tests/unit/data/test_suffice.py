"""Rows that weigh nothing: refused before a fit, as no solver and no loss can learn from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fewtune.data.suffice import refuse_insufficient
from fewtune.errors import DataError
from fewtune.records import Dataset, Example

ROWS = Dataset(
    tuple(Example(f"text {i}", "ab"[i % 2], f"a:{i}") for i in range(20)), "labelled_text", "a"
)


def weighed(*weights: float) -> Dataset:
    rows = [replace(e, weight=w) for e, w in zip(ROWS, weights, strict=True)]
    return replace(ROWS, examples=tuple(rows))


def test_some_row_of_every_label_has_to_weigh_something() -> None:
    refuse_insufficient(weighed(*[0.0, 1.0] * 9, 0.5, 0.0))
    with pytest.raises(DataError, match=r"above 0 in some row\. Got 0 in every row"):
        refuse_insufficient(weighed(*[0.0] * 20))
    with pytest.raises(DataError, match="0 in every row of 'a'"):
        refuse_insufficient(weighed(*[0.0, 1.0] * 10))
