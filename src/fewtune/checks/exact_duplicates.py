"""Rows that stand in the data more than once.

A copied row counts double in the loss and is regenerated far more often (2202.06539); copies on two
sides of a split make every score too good.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable
from pathlib import Path

from fewtune.checks._rows import count, question, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Dataset, Example, Finding

__all__ = ["ExactDuplicates", "content", "image_digests"]


class ExactDuplicates(Check):
    """Finds rows whose content equals another's, white space at the ends aside."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one warning that names all copies, set by set; the later ones may be dropped."""
        data = context.data
        images = image_digests(data) if data.shape == "labelled_image" else {}
        sets: dict[Hashable, list[int]] = defaultdict(list)
        for index, example in enumerate(data.examples):
            sets[content(example, images)].append(index)
        copied = [rows for rows in sets.values() if len(rows) > 1]
        if not copied:
            return
        later = [i for rows in copied for i in rows[1:]]
        largest = max(copied, key=len)
        example = data.examples[largest[0]]
        yield Finding(
            "exact_duplicates",
            "warning",
            sources(data, (i for rows in copied for i in rows)),
            f"{count(len(later), 'row is a copy', 'rows are copies')} of an earlier one "
            f"({share(len(later), len(data))} of the rows); "
            f"{quote(question(example))} stands {len(largest)} times.",
            "Leave the later copies out with --write",
            drop=sources(data, later),
        )


def content(example: Example, images: dict[str, str]) -> Hashable:
    """Return a key that two rows share when one is a copy of the other."""
    place = images.get(example.input, example.input)
    turns = tuple((m.role, m.content.strip()) for m in example.messages)
    target = None if example.target is None else example.target.strip()
    return (turns or place.strip(), target)


def image_digests(data: Dataset) -> dict[str, str]:
    """Return a digest of the bytes of each image file that is as long as another one, by path."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for example in data.examples:
        file = Path(example.input)
        if file.is_file():
            by_size[file.stat().st_size].append(example.input)
    return {
        path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
        for paths in by_size.values()
        if len(paths) > 1
        for path in paths
    }
