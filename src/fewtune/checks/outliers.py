"""Rows far from the others in length or words; images of an unusual size."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fewtune.checks._features import word_vectors
from fewtune.checks._rows import count, question, quote, share, sources, written
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["Outliers"]

FEWEST_ROWS = 30
DEVIATIONS = 5.0
"""Robust standard deviations (1.4826 times the median absolute one) of the log length…"""
TIMES = 4.0
"""…and at least so many times as long, or short, as the median."""
MOST_STRANGERS = 0.02


class Outliers(Check):
    """Finds very long or short rows, and rows without a word in common with any other."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return notes, the strangest rows first."""
        data = context.data
        if len(data) < FEWEST_ROWS:
            return
        if data.shape == "labelled_image":
            yield from _unusual(context, [_pixels(e.input) for e in data.examples], "pixels")
            return
        lengths = [len(written(e, data.shape)) for e in data.examples]
        yield from _unusual(context, lengths, "characters")
        yield from _strangers(context)


def _unusual(context: Context, sizes: Sequence[int], unit: str) -> Iterable[Finding]:
    logs = [math.log(size + 1) for size in sizes]
    middle = statistics.median(logs)
    spread = 1.4826 * statistics.median(abs(x - middle) for x in logs)
    limit = max(DEVIATIONS * spread, math.log(TIMES))
    found = [i for i, x in enumerate(logs) if abs(x - middle) > limit and sizes[i]]
    if not found:
        return
    found.sort(key=lambda i: -abs(logs[i] - middle))
    worst = found[0]
    usual = round(math.exp(middle) - 1)
    example = context.data.examples[worst]
    yield Finding(
        "outliers",
        "note",
        sources(context.data, found),
        f"{count(len(found), 'row')} of unusual size: the middle row has {usual:,} {unit}, "
        f"{example.source} has {sizes[worst]:,}"
        + (f": {quote(written(example, context.data.shape))}." if unit == "characters" else "."),
        "Look at these rows: often two rows in one, a cut text, or a file that strayed in",
    )


def _pixels(path: str) -> int:
    """Return width times height; 0 where the file cannot be read, which ``empty`` reports."""
    from PIL import Image, UnidentifiedImageError

    if not Path(path).is_file():
        return 0
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except (OSError, UnidentifiedImageError):
        return 0


def _strangers(context: Context) -> Iterable[Finding]:
    train, _ = word_vectors(context)
    if train is None:
        return
    words_of = np.diff(train.indptr)
    rows_with = np.bincount(train.indices, minlength=train.shape[1])
    row_of = np.repeat(np.arange(train.shape[0]), words_of)
    shared = np.bincount(row_of, rows_with[train.indices] > 1, minlength=train.shape[0])
    found = np.flatnonzero((words_of >= 2) & (shared == 0))
    # Where many rows are strangers, the data is simply varied.
    if not len(found) or len(found) > MOST_STRANGERS * len(context.data):
        return
    instance = context.data.examples[int(found[0])]
    yield Finding(
        "outliers",
        "note",
        sources(context.data, (int(i) for i in found)),
        f"{count(len(found), 'row has', 'rows have')} no content word in common with any other row "
        f"({share(len(found), len(context.data))}): {quote(question(instance))}.",
        "Look whether these rows belong here",
    )
