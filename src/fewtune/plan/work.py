"""What a fit computes at once: the shapes of its largest batches, from its rows' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fewtune.data.batches import chunks
from fewtune.plan.plan import TrainingPlan
from fewtune.tasks.base import Row

__all__ = ["Size", "Work", "work_of"]


@dataclass(frozen=True)
class Size:
    """The shape of a batch.

    Attributes
    ----------
    rows
        Rows in it.
    width
        Tokens of its longest row, padding included; for images what one counts as.
    units
        Supervised tokens of all rows, or rows.
    """

    rows: int
    width: int
    units: int


@dataclass(frozen=True)
class Work:
    """What a fit computes at once.

    Attributes
    ----------
    task, classes
        Name of the task, and classes of a classifier.
    update
        The largest batch of training.
    measured
        The largest batch while measuring; none where only training is asked for.
    answers
        The largest batch of answers, as long as they may get; none for classifiers.
    known
        Tokens (or images) of all rows that train and choose, which a trunk keeps the states of.
    pixels
        Height and width of an image.
    protected
        The rows on which an update is compared with the base, if it is.
    """

    task: str
    classes: int
    update: Size
    measured: Size | None
    answers: Size | None = None
    known: int = 0
    pixels: tuple[int, int] = (0, 0)
    protected: Size | None = None

    def narrowed(self, training: TrainingPlan, longest: int = 0) -> Work:
        """Return the work under other settings: fewer tokens at once, rows cut to ``longest``."""
        width = min(self.update.width, longest or self.update.width)
        rows = max(1, min(self.update.rows, training.tokens_per_batch // max(1, width)))
        share = rows * width / max(1, self.update.rows * self.update.width)
        units = max(rows, round(self.update.units * share))
        return replace(self, update=Size(rows, width, units))


def work_of(
    task: str,
    classes: int,
    known: Sequence[Row],
    test: Sequence[Row],
    training: TrainingPlan,
    *,
    budget: int,
    answer_budget: int = 0,
    samples: int = 0,
    new_tokens: int = 0,
    pixels: tuple[int, int] = (0, 0),
) -> Work:
    """Return the work of a fit on encoded rows.

    Parameters
    ----------
    known, test
        Rows that train and choose, and rows that judge; those of most tokens suffice.
    training
        Rows of an update, and the tokens that are computed at once.
    budget
        Tokens computed at once while measuring.
    answer_budget
        Generation: tokens answered at once, those to come included.
    samples, new_tokens
        Generation: how many test rows are answered, and how long an answer may get.
    pixels
        Height and width of an image.
    """
    longest = sorted(known, key=lambda row: -row.length)[: training.batch_size]
    answers = None
    if samples and new_tokens and test:
        wide = sorted((row.length + new_tokens for row in test), reverse=True)[:samples]
        rows = max(1, min(len(wide), answer_budget // wide[0]))
        answers = Size(rows, wide[0], rows)
    return Work(
        task=task,
        classes=classes,
        update=_largest(longest, training.tokens_per_batch),
        measured=_largest([*known, *test], budget),
        answers=answers,
        known=len(known) if pixels[0] else sum(row.length for row in known),
        pixels=pixels,
    )


def _largest(rows: Sequence[Row], budget: int) -> Size:
    """Return the shape of the batch that holds most, of those that ``rows`` are cut into."""
    lengths = [row.length for row in rows]
    found = []
    for places in chunks(range(len(rows)), lengths, budget):
        units = sum(max(1, sum(label >= 0 for label in rows[i].labels)) for i in places)
        found.append(Size(len(places), max(lengths[i] for i in places), units))
    return max(found, key=lambda size: (size.rows * size.width, size.units))
