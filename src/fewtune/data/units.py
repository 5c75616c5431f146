"""Which rows belong together in a split: near-duplicates, equal inputs, and groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fewtune.data.similarity import near_duplicate_pairs
from fewtune.records import Dataset, Example

__all__ = ["Units", "compared_text", "link_rows"]


def compared_text(example: Example) -> str:
    """Return the text by which a row is compared with others: its input, or all of a plain text."""
    return example.input if example.input.strip() else example.target or ""


@dataclass(frozen=True)
class Units:
    """Rows that must not be parted.

    Attributes
    ----------
    links
        For each row the earlier rows to which it is tied, of which it needs to know only so many
        that chains of ties join all that belongs together.
    labels
        The label of each row; empty texts for data without labels.
    anchors
        What each row is known by, wherever it stands in the file.
    clusters
        Number of near-duplicate clusters with two rows or more.
    groups
        Number of groups given by the data.
    """

    links: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    anchors: tuple[str, ...]
    clusters: int
    groups: int

    def anchor(self, row: int) -> str:
        """Return what the row is known by, for draws that do not depend on other rows."""
        return self.anchors[row]

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The first row of each row's unit."""
        return _roots(self.links)

    @cached_property
    def _members(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, list[int]] = defaultdict(list)
        for row, root in enumerate(self.roots):
            found[root].append(row)
        return {root: tuple(rows) for root, rows in found.items()}

    def members(self) -> list[tuple[int, ...]]:
        """Return the rows of each unit, in the order of their first rows."""
        return list(self._members.values())

    def unit_of(self, row: int) -> tuple[int, ...]:
        """Return the rows that belong to this one, itself included."""
        return self._members[self.roots[row]]


def _roots(links: Sequence[Sequence[int]]) -> tuple[int, ...]:
    root = list(range(len(links)))

    def find(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for row, earlier in enumerate(links):
        for other in earlier:
            one, two = sorted((find(row), find(other)))
            root[two] = one
    return tuple(find(row) for row in range(len(links)))


def link_rows(dataset: Dataset) -> Units:
    """Return which rows belong together."""
    links: list[set[int]] = [set() for _ in dataset]
    texts = [compared_text(example) for example in dataset]
    near: list[tuple[int, ...]] = []
    if dataset.shape != "labelled_image":
        for one, two, _ in near_duplicate_pairs(texts):
            links[two].add(one)
    near = [tuple(found) for found in links]
    for keys in ([e.group for e in dataset], [e.input for e in dataset]):
        last: dict[str, int] = {}
        for row, key in enumerate(keys):
            if key and key in last:
                links[row].add(last[key])
            last[key] = row
    roots = _roots(near)
    sizes: dict[int, int] = defaultdict(int)
    for root in roots:
        sizes[root] += 1
    labels = [e.target or "" for e in dataset] if dataset.labels else [""] * len(dataset)
    return Units(
        tuple(tuple(sorted(found)) for found in links),
        tuple(labels),
        tuple(e.group or f"{text}\x1f{e.target}" for e, text in zip(dataset, texts, strict=True)),
        sum(size > 1 for size in sizes.values()),
        len({e.group for e in dataset if e.group}),
    )
