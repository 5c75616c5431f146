"""Repeated row: one row stands in the data many times and is trained as often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

from fewtune.checks._rows import question, quote, share
from fewtune.checks.exact_duplicates import content
from fewtune.data.similarity import normalise
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Dataset, Diagnosis, Example

__all__ = ["RepeatedRow"]

MANY = 10
"""Copies of a row: ten make it some thousand times likelier to be regenerated (2202.06539)."""

LARGE = 0.02
"""Share of the rows that they must be: in a large file short answers recur by themselves."""


class RepeatedRow(Diagnoser):
    """Counts rows that are equal but for case and punctuation."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the row that stands most often, with every place where it stands."""
        data = case.context.data
        places: dict[Hashable, list[int]] = defaultdict(list)
        for index, example in enumerate(data):
            places[_key(example, data)].append(index)
        rows = max(places.values(), key=len)
        if len(rows) < max(MANY, LARGE * len(data)):
            return
        first = data[rows[0]]
        yield self.named(
            f"{quote(question(first))} ({first.source}) stands {len(rows)} times, "
            f"{share(len(rows), len(data))} of the rows: every epoch trains it as often.",
            _cure([data[row] for row in rows]),
            [data[row].source for row in rows],
        )


def _cure(copies: Sequence[Example]) -> str:
    """Return what to do: a check drops copies to the letter and no others."""
    kinds = len({content(example) for example in copies})
    drop = "fewtune check DATA --write CLEAN"
    if kinds == 1:
        return f"Leave the copies out: {drop}"
    keep = f"keep one of the {kinds} that differ in case or punctuation alone, by hand"
    if kinds == len(copies):
        return keep.capitalize()
    return f"Leave the copies to the letter out ({drop}), then {keep}"


def _key(example: Example, data: Dataset) -> Hashable:
    if data.shape == "labelled_image":
        return content(example)
    words = normalise(example.text())
    return (words, example.target) if words and data.labels else words or content(example)
