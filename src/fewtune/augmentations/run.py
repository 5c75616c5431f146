"""Makes new rows from training rows, filters them, and says of each that goes why it went."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fewtune.augmentations._filters import Candidate, Sieve
from fewtune.augmentations.base import (
    AUGMENTATIONS,
    Augmentation,
    NoTools,
    Rejected,
    Tools,
    Work,
)
from fewtune.errors import DataError, PlanError
from fewtune.records import Example, Shape

__all__ = ["Augmented", "Tally", "augment", "build"]


@dataclass(frozen=True)
class Tally:
    """What one augmentation did.

    Attributes
    ----------
    made
        Variations tried, those included that were thrown away.
    kept
        Variations that stayed; ``made`` is ``kept`` and everything in ``dropped``.
    dropped
        How many went, by reason, the commonest first.
    """

    made: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return {"made": self.made, "kept": self.kept, "dropped": dict(self.dropped)}


@dataclass(frozen=True)
class Augmented:
    """New rows and how they came about.

    Attributes
    ----------
    examples
        The new rows, in the order of their parents; ``parent`` is the parent's source.
    tallies
        What each augmentation did, by name.
    bound
        Cosine with the parent below which a meaning counted as changed; ``None`` where meaning
        was not compared, for want of a model.
    replaced
        Sources of rows whose place a new row takes.
    makers
        Name of the augmentation that made each new row, by its source.
    """

    examples: tuple[Example, ...]
    tallies: Mapping[str, Tally]
    bound: float | None = None
    replaced: frozenset[str] = frozenset()
    makers: Mapping[str, str] = field(default_factory=dict)

    @property
    def dropped(self) -> dict[str, int]:
        """How many went, by reason, over all augmentations."""
        total: Counter[str] = Counter()
        for tally in self.tallies.values():
            total.update(tally.dropped)
        return dict(total.most_common())

    def joined(self, rows: Sequence[Example]) -> tuple[Example, ...]:
        """Return ``rows`` with the new ones, each right behind its parent and in its group."""
        children: dict[str, list[Example]] = defaultdict(list)
        for example in self.examples:
            children[example.parent].append(example)
        found: list[Example] = []
        for row in rows:
            mine = children.get(row.source, [])
            if row.source not in self.replaced:
                found.append(replace(row, group=mine[0].group) if mine else row)
            found += mine
        return tuple(found)


def build(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Augmentation]:
    """Return augmentations from (name, options) pairs.

    Raises
    ------
    PlanError
        If a name is not that of an augmentation, or an option is unknown or out of range.
    """
    return [AUGMENTATIONS.load(name)(options) for name, options in parts]


def augment(
    rows: Sequence[Example],
    parts: Sequence[Augmentation],
    *,
    shape: Shape,
    seed: int = 0,
    tools: Tools | None = None,
    avoid: Sequence[Example] = (),
    per_row: int = 1,
    folder: Path | None = None,
) -> Augmented:
    """Return new rows made from training rows.

    The same rows and seed give the same new rows, in whatever order the rows come: every draw
    hangs on the content of its row.

    Parameters
    ----------
    rows
        Training rows, and none that judge or choose. Rows that are variations themselves are
        compared with, and not varied again.
    parts
        Augmentations, see ``build``. Where two make the same row, the first one's stays.
    shape
        How the rows are made.
    seed
        For all draws.
    tools
        Models; without, meaning is not compared.
    avoid
        Rows of the test set: nothing near to one of them stays.
    per_row
        Variations tried of each row, by each augmentation.
    folder
        Where new images are written.

    Raises
    ------
    DataError
        If a row has no target.
    PlanError
        If an augmentation is not for rows of this shape, or needs what is not given.
    ModelError
        If a model is missing or fails.
    """
    _check(rows, parts, shape, per_row)
    ordered = sorted(rows, key=lambda row: (row.fingerprint, row.source))
    work = Work(ordered, shape, per_row, seed, tools or NoTools(), folder)
    for part in parts:
        part.ready(work)
    candidates: list[Candidate] = []
    thrown: dict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        made, rejected = _make(part, work)
        candidates += made
        thrown[part.name].update(rejected)
    sieve = Sieve(ordered, avoid, shape, work.tools, _content(shape))
    sieve.sift(candidates)
    _remove_images(candidates, shape)
    return _gather(rows, parts, candidates, thrown, sieve.bound)


def _check(
    rows: Sequence[Example], parts: Sequence[Augmentation], shape: Shape, per_row: int
) -> None:
    if per_row < 1:
        raise PlanError("1 variation of each row or more", str(per_row), "per_row", "Give 1")
    bare = next((row for row in rows if row.target is None), None)
    if bare is not None:
        raise DataError(
            "rows with labels or answers", "one without", bare.source, "Leave it out or label it"
        )
    for part in parts:
        if shape not in part.shapes:
            names = ", ".join(sorted(part.shapes)).replace("_", " ")
            raise PlanError(
                f"rows of {names} for augmentation {part.name}",
                f"rows of {shape.replace('_', ' ')}",
                cure="Leave this augmentation out",
            )


def _make(part: Augmentation, work: Work) -> tuple[list[Candidate], Counter[str]]:
    """Return what one augmentation made, and how many it threw away itself, by reason."""
    parents = [row for row in part.parents(work) if not row.parent]
    part.prepare(parents, work)
    made: list[Candidate] = []
    rejected: Counter[str] = Counter()
    for row in parents:
        draw = random.Random(f"{work.seed} {part.name} {row.fingerprint}")
        for number, new in enumerate(part.variants(row, draw, work), start=1):
            if number > min(work.per_row, part.most):
                break
            if isinstance(new, Rejected):
                rejected[new.reason] += 1
            else:
                made.append(Candidate(new, row, part))
    return made, rejected


def _content(shape: Shape) -> Any:
    if shape != "labelled_image":
        return None
    from fewtune.augmentations._images import pixels_key

    return pixels_key


def _remove_images(candidates: Sequence[Candidate], shape: Shape) -> None:
    if shape == "labelled_image":
        for candidate in candidates:
            if candidate.reason:
                Path(candidate.example.input).unlink(missing_ok=True)


def _gather(
    rows: Sequence[Example],
    parts: Sequence[Augmentation],
    candidates: Sequence[Candidate],
    thrown: Mapping[str, Counter[str]],
    bound: float | None,
) -> Augmented:
    dropped = {name: Counter(reasons) for name, reasons in thrown.items()}
    kept: Counter[str] = Counter()
    numbers: Counter[tuple[str, str]] = Counter()
    children: dict[str, list[Example]] = defaultdict(list)
    makers: dict[str, str] = {}
    for candidate in candidates:
        parent, name = candidate.parent, candidate.member.name
        if candidate.reason:
            dropped[name][candidate.reason] += 1
            continue
        kept[name] += 1
        numbers[parent.source, name] += 1
        source = f"{parent.source}+{name}#{numbers[parent.source, name]}"
        makers[source] = name
        children[parent.source].append(
            replace(
                candidate.example,
                source=source,
                parent=parent.source,
                group=parent.group or parent.source,
            )
        )
    tallies = {
        part.name: Tally(
            kept[part.name] + dropped[part.name].total(),
            kept[part.name],
            dict(dropped[part.name].most_common()),
        )
        for part in parts
    }
    new = tuple(example for row in rows for example in children.get(row.source, ()))
    replaced = frozenset(c.parent.source for c in candidates if c.member.replaces and not c.reason)
    return Augmented(new, tallies, bound, replaced, makers)
