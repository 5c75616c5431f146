"""Which new rows stay: no copies, nothing of the test rows, no changed meaning, no other label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fewtune.augmentations._rows import asked, squeeze, whole
from fewtune.augmentations.base import Augmentation, Tools
from fewtune.data.similarity import near_duplicate_pairs, near_matches, normalise
from fewtune.records import Example, Shape

__all__ = ["Candidate", "Sieve"]

LABELLED_PERCENTILE = 5
"""A variation must be at least as near to its parent as all but this percentage of the rows are to
their nearest neighbour of the same label: less than that, and it has left its class."""

OTHER_PERCENTILE = 50
"""The same for rows without labels, and any neighbour: nearer than rows commonly are to another."""

AT_ONCE = 1024
"""Rows compared with all others at once, which bounds memory."""


@dataclass
class Candidate:
    """A new row, the row it came from, what made it, and why it is dropped (empty: it is not)."""

    example: Example
    parent: Example
    member: Augmentation
    reason: str = ""


@dataclass
class Sieve:
    """The filters, over training rows and rows that must not be copied.

    Attributes
    ----------
    rows
        The training rows, in an order that does not depend on the file's.
    avoid
        Rows of the test set.
    shape
        How all are made.
    tools
        The models, for meaning.
    content
        What makes two rows equal; for images their pixels.
    bound
        Cosine below which a meaning has changed; ``None`` where it was not measured.
    """

    rows: Sequence[Example]
    avoid: Sequence[Example]
    shape: Shape
    tools: Tools
    content: Callable[[Example], str] | None = None
    bound: float | None = field(default=None, init=False)

    def sift(self, candidates: Sequence[Candidate]) -> None:
        """Write a reason into every candidate that must go."""
        self._empty(candidates)
        self._copies(_left(candidates))
        if self.shape == "labelled_image":
            return
        self._own_row(_left(candidates))
        self._near(_left(candidates))
        self._near_each_other(_left(candidates))
        self._meaning([c for c in _left(candidates) if c.member.doubtful])

    def _key(self, example: Example) -> str:
        return self.content(example) if self.content else squeeze(whole(example, self.shape))

    def _varied(self, member: Augmentation, example: Example) -> str:
        """Return what was changed, even where nothing is left of it."""
        if member.changes == "target" or example.messages:
            return member.varied(example)
        return whole(example, self.shape)

    @property
    def _labelled(self) -> bool:
        return self.shape in ("labelled_text", "labelled_image")

    def _empty(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            member, new = candidate.member, candidate.example
            text, old = (self._varied(member, example) for example in (new, candidate.parent))
            if not text.strip() or not (new.target or "").strip():
                candidate.reason = "empty"
            elif self._labelled and new.target != candidate.parent.target:
                candidate.reason = "another label than its row"
            elif not self.content and squeeze(text) == squeeze(old):
                candidate.reason = "the same as before"

    def _copies(self, candidates: Sequence[Candidate]) -> None:
        """Drop rows that are to the letter a test row, a training row or an earlier new row."""
        tests = {self._key(row) for row in self.avoid}
        labels: dict[str, set[str | None]] = {}
        for row in self.rows:
            labels.setdefault(self._key(row), set()).add(row.target)
        for candidate in candidates:
            new = candidate.example
            key = self._key(new)
            known = labels.setdefault(key, set())
            changes_target = candidate.member.changes == "target"
            if key in tests:
                candidate.reason = "copy of a test row"
            elif new.target in known or (known and not self._labelled and not changes_target):
                candidate.reason = "copy of another row"
            elif known and self._labelled:
                candidate.reason = "copy of a row with another label"
            else:
                known.add(new.target)

    def _own_row(self, candidates: Sequence[Candidate]) -> None:
        """Drop what was to be said in other words and is said in nearly the same."""
        far = [c for c in candidates if not c.member.near_parent]
        news = [c.member.varied(c.example) for c in far]
        olds = [c.member.varied(c.parent) for c in far]
        matches = {(new, old) for new, old, _ in near_matches(news, olds)} if far else set()
        for at, candidate in enumerate(far):
            if (at, at) in matches or normalise(news[at]) == normalise(olds[at]):
                candidate.reason = "near copy of its own row"

    def _near(self, candidates: Sequence[Candidate]) -> None:
        """Drop near copies of test rows, and of training rows other than the parent."""
        news = [whole(c.example, self.shape) for c in candidates]
        tests = sorted({whole(row, self.shape) for row in self.avoid})
        for new, _, _ in near_matches(news, tests) if tests and news else ():
            candidates[new].reason = "near copy of a test row"
        rows = sorted(self.rows, key=lambda row: (whole(row, self.shape), row.source))
        texts = [whole(row, self.shape) for row in rows]
        for new, at, _ in near_matches(news, texts) if news else ():
            candidate, row = candidates[new], rows[at]
            own = row.source == candidate.parent.source or texts[at] == whole(
                candidate.parent, self.shape
            )
            together = bool(row.group) and row.group == candidate.parent.group
            if own or together or candidate.member.changes == "target" or candidate.reason:
                continue
            other = self._labelled and row.target != candidate.example.target
            candidate.reason = (
                "near copy of a row with another label" if other else "near copy of another row"
            )

    def _near_each_other(self, candidates: Sequence[Candidate]) -> None:
        """Drop the later of two new rows that are near, unless they are meant to be."""
        far = [c for c in candidates if not c.member.near_parent]
        texts = [whole(c.example, self.shape) for c in far]
        for one, two, _ in near_duplicate_pairs(texts):
            if not far[one].reason:
                far[two].reason = "near copy of another new row"

    def _meaning(self, candidates: Sequence[Candidate]) -> None:
        """Drop rows whose state is far from their parent's, or nearer to another label's rows."""
        if not candidates:
            return
        texts = [asked(row) for row in self.rows]
        olds = [c.member.varied(c.parent) for c in candidates]
        news = [c.member.varied(c.example) for c in candidates]
        distinct = sorted({*texts, *olds, *news})
        states = self.tools.embed(distinct)
        if states is None:
            return
        place = {text: at for at, text in enumerate(distinct)}
        rows, old, new = (states[[place[t] for t in part]] for part in (texts, olds, news))
        labels = [row.target or "" if self._labelled else "" for row in self.rows]
        percentile = LABELLED_PERCENTILE if self._labelled else OTHER_PERCENTILE
        self.bound = _bound(rows, texts, labels, percentile)
        targets = [c.example.target or "" if self._labelled else "" for c in candidates]
        own, other = _nearest(new, rows, targets, labels)
        for at, candidate in enumerate(candidates):
            similar = float(new[at] @ old[at])
            similar = max(similar, own[at]) if candidate.member.own_meaning else similar
            if self.bound is not None and similar < self.bound:
                candidate.reason = "meaning changed"
            elif other[at] > max(similar, own[at]):
                candidate.reason = "nearer to rows of another label"


def _left(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if not candidate.reason]


def _bound(
    rows: Any, texts: Sequence[str], labels: Sequence[str], percentile: float
) -> float | None:
    """Return a percentile of the cosines of rows with their nearest other row of their label.

    Rows with the same text are one. ``None`` where no label has two.
    """
    import numpy as np

    kept = sorted(
        {
            (label, text): at for at, (label, text) in enumerate(zip(labels, texts, strict=True))
        }.values()
    )
    states = rows[kept]
    names = np.array([labels[at] for at in kept])
    nearest: list[float] = []
    for start in range(0, len(kept), AT_ONCE):
        cosines = states[start : start + AT_ONCE] @ states.T
        mine = names[start : start + AT_ONCE, None] == names[None, :]
        mine[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = False
        best = np.where(mine, cosines, -np.inf).max(axis=1)
        nearest += best[np.isfinite(best)].tolist()
    return float(np.percentile(nearest, percentile)) if nearest else None


def _nearest(
    new: Any, rows: Any, targets: Sequence[str], labels: Sequence[str]
) -> tuple[list[float], list[float]]:
    """Return each new row's largest cosine with rows of its own label, and of any other."""
    import numpy as np

    own: list[float] = []
    other: list[float] = []
    names = np.array(labels)
    for start in range(0, len(new), AT_ONCE):
        cosines = new[start : start + AT_ONCE] @ rows.T
        mine = np.array(targets[start : start + AT_ONCE])[:, None] == names[None, :]
        own += np.where(mine, cosines, -np.inf).max(axis=1).tolist()
        other += np.where(mine, -np.inf, cosines).max(axis=1).tolist()
    return own, other
