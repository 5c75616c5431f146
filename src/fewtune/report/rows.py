"""The test rows behind the scores: the worst ones, what is confused with what, samples of text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fewtune.records import Score
from fewtune.report import words
from fewtune.report.folder import RunContents, as_number

__all__ = [
    "ClassFigures",
    "Confusion",
    "Row",
    "class_figures",
    "confusions",
    "ended_share",
    "samples",
    "worst",
]

IMAGES = "labelled_image"
"""The shape of data whose inputs are files."""

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Row:
    """One test row as the report shows it; numbers are ``None`` where unknown.

    ``file`` is where its image lies, and empty for a text.
    """

    source: str
    input: str
    target: str
    output: str | None
    base_output: str | None
    probability: float | None
    loss: float | None
    base_loss: float | None
    correct: bool | None
    ended: bool | None
    file: str = ""


@dataclass(frozen=True)
class Confusion:
    """How often rows of one class were given another: ``count`` of ``of`` rows."""

    target: str
    output: str
    count: int
    of: int
    instance: str
    file: str = ""


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class.

    Attributes
    ----------
    hits, n
        Rows of the class that were found, and all of its rows.
    given
        Rows that were given this class, rightly or not.
    """

    label: str
    hits: int
    n: int
    given: int

    @property
    def recall(self) -> Score:
        """The share of its rows that were found, with the 95% Wilson interval."""
        return _share("recall", self.hits, self.n)

    @property
    def precision(self) -> Score | None:
        """The share that is right of the rows given this class; ``None`` where there are none."""
        return _share("precision", self.hits, self.given) if self.given else None


def _row(record: Mapping[str, Any], shape: object = "") -> Row:
    size = as_number(record.get("bytes"))

    def loss(key: str) -> float | None:
        value = as_number(record.get(key))
        # Text is compared per byte, or the longest rows would always look worst.
        return value / size if value is not None and size else value

    output, base = record.get("output"), record.get("base_output")
    target = str(record.get("target") if record.get("target") is not None else "")
    told, ended = record.get("correct"), record.get("ended")
    if told is None and output is not None and not size:
        told = str(output) == target
    return Row(
        source=str(record.get("source") or ""),
        # The end of a chat is what the answer answers.
        input=words.clip(str(record.get("input") or ""), from_end=shape == "chat"),
        target=words.clip(target),
        output=None if output is None else words.clip(str(output)),
        base_output=None if base is None else words.clip(str(base), 280),
        probability=as_number(record.get("probability")),
        loss=loss("loss"),
        base_loss=loss("base_loss"),
        correct=told if isinstance(told, bool) else None,
        ended=ended if isinstance(ended, bool) else None,
        file=str(record.get("input") or "") if shape == IMAGES else "",
    )


def worst(run: RunContents, limit: int = 12) -> list[Row]:
    """Return the rows to look at first.

    For classification the wrong ones, the surest first; else those of the highest loss (per byte
    where bytes are known).
    """
    rows = [_row(record, run.data.get("shape")) for record in run.predictions]
    if run.classifies:
        wrong = [r for r in rows if r.correct is False]
        return sorted(wrong, key=_surest)[:limit]
    return sorted((r for r in rows if r.loss is not None), key=lambda r: -(r.loss or 0.0))[:limit]


def _surest(row: Row) -> tuple[float, float]:
    return (-(row.probability or 0.0), -(row.loss or 0.0))


def samples(run: RunContents, limit: int = 6) -> list[Row]:
    """Return the first generated samples of different prompts: shown as they came, not picked."""
    generated = [r for r in run.predictions if r.get("output") is not None]
    different: dict[str, Mapping[str, Any]] = {}
    for record in generated:
        different.setdefault(str(record.get("input")), record)
    return [_row(r, run.data.get("shape")) for r in list(different.values())[:limit]]


def _labelled(run: RunContents) -> list[tuple[str, str, str]]:
    return [
        (str(r["target"]), str(r["output"]), str(r.get("input") or ""))
        for r in run.predictions
        if r.get("target") is not None and r.get("output") is not None
    ]


def confusions(run: RunContents, limit: int = 10) -> list[Confusion]:
    """Return the pairs of classes that are confused most often, with an instance of each.

    Pairs seen once are left out where any was seen more often: they are chance.
    """
    rows = _labelled(run)
    totals = Counter(target for target, _, _ in rows)
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for target, output, text in rows:
        if target != output:
            pairs[target, output].append(text)
    ordered = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))
    if ordered and len(ordered[0][1]) > 1:
        ordered = [item for item in ordered if len(item[1]) > 1]
    return [
        Confusion(
            target,
            output,
            len(texts),
            totals[target],
            words.clip(texts[0], 140),
            texts[0] if run.data.get("shape") == IMAGES else "",
        )
        for (target, output), texts in ordered[:limit]
    ]


def class_figures(run: RunContents) -> list[ClassFigures]:
    """Return the figures of every class in the test rows, lowest recall first."""
    rows = _labelled(run)
    hits = Counter(target for target, output, _ in rows if target == output)
    given = Counter(output for _, output, _ in rows)
    totals = Counter(target for target, _, _ in rows)
    figures = [ClassFigures(label, hits[label], n, given[label]) for label, n in totals.items()]
    return sorted(figures, key=lambda f: (f.hits / f.n, f.hits / (f.n + f.given), f.label))


def _share(name: str, hits: int, n: int) -> Score:
    """Return a share with its Wilson score interval: right for small n and shares near 0 or 1."""
    share, square = hits / n, Z95 * Z95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Score(name, share, low, high, n, "higher", "share")


def ended_share(rows: Sequence[Row]) -> tuple[int, int]:
    """Return how many of the samples ended by themselves, and of how many that is known."""
    known = [r.ended for r in rows if r.ended is not None]
    return sum(known), len(known)
