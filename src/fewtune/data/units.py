"""Which rows belong together in a split: near-duplicates, equal inputs, groups and variations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fewtune.data.near_images import near_images
from fewtune.data.similarity import near_duplicate_pairs
from fewtune.records import Dataset, Example

__all__ = ["Units", "compared_texts", "link_rows"]


def compared_texts(dataset: Dataset) -> list[str]:
    """Return the text by which each row is compared with others.

    The input; of a chat what is said before the last answer, without system prompts; all of a plain
    text. Images have none.
    """
    if dataset.shape == "labelled_image":
        return [""] * len(dataset)
    if dataset.shape == "text":
        return [example.target or "" for example in dataset]
    if dataset.shape == "chat":
        return [_said_before(example) for example in dataset]
    return [example.input for example in dataset]


def _said_before(example: Example) -> str:
    turns = example.messages
    answers = [at for at, turn in enumerate(turns) if turn.role == "assistant"]
    before = turns[: answers[-1]] if answers else turns
    return "\n".join(turn.content for turn in before if turn.role != "system")


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


def _link_equal(links: list[set[int]], keys: Sequence[str]) -> None:
    """Link each row to the last one before it with the same key; an empty key links nothing."""
    last: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key and key in last:
            links[row].add(last[key])
        last[key] = row


def link_rows(dataset: Dataset) -> Units:
    """Return which rows belong together."""
    links: list[set[int]] = [set() for _ in dataset]
    anchors = [e.group or e.fingerprint for e in dataset]
    inputs = [e.identity.strip() for e in dataset]
    texts = compared_texts(dataset)
    for one, two, _ in near_duplicate_pairs(texts):
        links[two].add(one)
    if dataset.shape == "labelled_image":
        _link_equal(links, inputs)
        for one, two, *_ in near_images([e.input for e in dataset]):
            links[two].add(one)
    near = [tuple(found) for found in links]
    _link_equal(links, inputs)
    _link_equal(links, [e.group for e in dataset])
    if any(e.parent for e in dataset):
        _link_equal(links, [e.parent or e.source for e in dataset])
    roots = _roots(near)
    sizes: dict[int, int] = defaultdict(int)
    for root in roots:
        sizes[root] += 1
    labels = [e.target or "" for e in dataset] if dataset.labels else [""] * len(dataset)
    return Units(
        tuple(tuple(sorted(found)) for found in links),
        tuple(labels),
        tuple(anchors),
        sum(size > 1 for size in sizes.values()),
        len({e.group for e in dataset if e.group}),
    )
