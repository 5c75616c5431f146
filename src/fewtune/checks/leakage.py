"""Test rows that also stand in the training rows, as copies or nearly.

A model that has seen its test is not judged by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fewtune.checks._rows import count, question, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.data.near_images import near_images
from fewtune.data.similarity import near_matches, normalise
from fewtune.records import Dataset, Finding

__all__ = ["TRAINED", "Leakage", "Leaked", "leaked"]

WORTHLESS = 0.5
"""From this share of copied test rows on, the test measures memory."""

TRAINED = 0.9
"""From this share on the test file is made of training rows."""


@dataclass(frozen=True)
class Leaked:
    """Test rows that also train: for each the training rows that it equals, or is nearly."""

    copies: dict[int, list[int]]
    near: dict[int, list[int]]


class Leakage(Check):
    """Finds test inputs that are equal or nearly equal to training inputs."""

    needs_test = True

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return a finding for copies and one for near copies; test rows first, then training."""
        data, test = context.data, context.test
        if test is None or not len(test):
            return
        found = leaked(context)
        if found.copies:
            yield _finding("copied", found.copies, data, test)
        if found.near:
            yield _finding("near", found.near, data, test)


def leaked(context: Context) -> Leaked:
    """Return which rows of the test file are training rows, worked out once."""
    return context.shared("leaked", lambda: _leaked(context.data, context.test))


def _leaked(data: Dataset, test: Dataset | None) -> Leaked:
    if test is None or not len(test):
        return Leaked({}, {})
    copies = _copies(data, test)
    rest = [j for j in range(len(test)) if j not in copies]
    asked = [question(test.examples[j]) for j in rest]
    known = [question(e) for e in data.examples]
    near: dict[int, list[int]] = defaultdict(list)
    images = "labelled_image" in (data.shape, test.shape)
    if images:
        matches = [(p.first, p.second, p.alike) for p in near_images(asked, known)]
    else:
        matches = near_matches(asked, known)
    for query, row, _ in sorted(matches, key=lambda m: -m[2]):
        near[rest[query]].append(row)
    return Leaked(copies, dict(sorted(near.items())))


def _copies(data: Dataset, test: Dataset) -> dict[int, list[int]]:
    """Return the training rows that equal each test row, which has at least one."""
    keys: list[list[str]] = []
    if data.shape == "labelled_image":
        keys = [[e.identity for e in part.examples] for part in (data, test)]
    else:
        keys = [
            [normalise(question(e)) or question(e).strip() for e in part.examples]
            for part in (data, test)
        ]
    where: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys[0]):
        if key:
            where[key].append(index)
    return {j: where[key] for j, key in enumerate(keys[1]) if key in where}


def _finding(kind: str, pairs: dict[int, list[int]], data: Dataset, test: Dataset) -> Finding:
    leaked, rows = next(iter(pairs.items()))
    worthless = kind == "copied" and len(pairs) >= WORTHLESS * len(test)
    if kind == "copied":
        evidence = (
            f"{count(len(pairs), 'test input is a copy', 'test inputs are copies')} of a training "
            f"input ({share(len(pairs), len(test))} of {len(test):,}{_how(pairs, data, test)}): "
            f"{quote(question(test.examples[leaked]))}."
        )
    else:
        evidence = (
            f"{count(len(pairs), 'test input is', 'test inputs are')} nearly a training input "
            f"({share(len(pairs), len(test))} of {len(test):,}): "
            f"{quote(question(test.examples[leaked]))} and "
            f"{quote(question(data.examples[rows[0]]))}."
        )
    training = tuple(
        dict.fromkeys(data.examples[i].source for hits in pairs.values() for i in hits)
    )
    return Finding(
        "leakage",
        "error" if worthless else "warning",
        tuple(dict.fromkeys((*sources(test, pairs), *training))),
        evidence,
        "Take these rows out of one of the two files: the scores on them are memory",
    )


def _how(pairs: dict[int, list[int]], data: Dataset, test: Dataset) -> str:
    """Return how many copies are so to the letter; of images all are, byte by byte."""
    if data.shape == "labelled_image":
        return ""
    known = {question(e).strip() for e in data.examples}
    to_the_letter = sum(question(test.examples[j]).strip() in known for j in pairs)
    return f"; {to_the_letter:,} to the letter, the others but for case and punctuation"
