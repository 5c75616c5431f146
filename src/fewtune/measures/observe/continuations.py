"""What base and tuned write after beginnings of trained rows, and of held-out ones as long.

How often that is the rest of the row tells what could be extracted (2310.06714). The base's rate
and the rate on held-out rows are what would be right by ability and by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.observe.spread import spread
from fewtune.measures.observe.writing import write

if TYPE_CHECKING:
    from fewtune.tasks.base import Row
    from fewtune.tasks.generation import Generation

__all__ = ["GIVEN", "MOST_WRITTEN", "Continuations", "nearest", "observe_continuations"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

GIVEN = 0.25
"""Share of a target that is given as its beginning."""
MOST_WRITTEN = 64
"""Most tokens of the rest that are asked for: a bound on time."""
LEAST_REST = 20
"""Characters of a rest below which half of it is right by chance."""


@dataclass(frozen=True)
class Continuations:
    """Beginnings of rows, how they go on, and how two models go on.

    Attributes
    ----------
    trained
        Whether each row was trained; the others are held out, equally many and of like length.
    groups
        Group number of each row; an interval resamples groups.
    rests
        How each row goes on.
    base, tuned
        How the models go on, greedily, in at most as many tokens as the rest has.
    idea_base, idea_tuned
        Whether what the model wrote is nearer in meaning to its own rest than to any other row's.
    """

    trained: Bools
    groups: Ints
    rests: tuple[str, ...]
    base: tuple[str, ...]
    tuned: tuple[str, ...]
    idea_base: Bools
    idea_tuned: Bools

    def __len__(self) -> int:
        return len(self.rests)


def observe_continuations(
    task: Generation,
    base: Any,
    tuned: Any,
    trained: Sequence[Row],
    held_out: Sequence[Row],
    most: int = 64,
) -> Continuations | None:
    """Return how both models go on after beginnings of trained and of held-out rows.

    Parameters
    ----------
    task
        For its tokenizer.
    base, tuned
        The two models.
    trained
        Rows that were trained.
    held_out
        Rows that were not; for each trained one that of the nearest length is taken.
    most
        Most rows of either kind.

    Returns
    -------
    Continuations or None
        ``None`` where no row, or none held out, is long enough to have a beginning and a rest.
    """
    from fewtune.tasks.outcomes import group_numbers

    cuts = [_cut(task, row) for row in trained]
    seen = [cut for cut in cuts if cut is not None]
    unseen = [cut for row in held_out if (cut := _cut(task, row)) is not None]
    count = min(most, len(seen), len(unseen))
    if not count:
        return None
    seen = [seen[i] for i in spread(count, len(seen))]
    every = [*seen, *_alike(seen, unseen)]
    texts = [
        write(task, model, [cut.given for cut in every], [cut.tokens for cut in every])
        for model in (base, tuned)
    ]
    rests = [cut.rest for cut in every]
    vectors = word_vectors(task, base, [*rests, *texts[0], *texts[1]])
    own, *written = np.split(vectors, 3)
    ideas = [nearest(one, own, rests) for one in written]
    return Continuations(
        trained=np.arange(len(every)) < count,
        groups=group_numbers([cut.group for cut in every]),
        rests=tuple(rests),
        base=tuple(texts[0]),
        tuned=tuple(texts[1]),
        idea_base=ideas[0],
        idea_tuned=ideas[1],
    )


@dataclass(frozen=True)
class _Cut:
    """A row cut in two: the tokens given, and how it goes on."""

    given: tuple[int, ...]
    rest: str
    tokens: int
    group: str


def _cut(task: Generation, row: Row) -> _Cut | None:
    """Return the row cut in its last trained span; ``None`` where the rest is too short to tell."""
    supervised = [label >= 0 for label in row.labels]
    end = len(supervised) - supervised[::-1].index(True) if any(supervised) else 0
    while end and row.ids[end - 1] in task.tokenizer.all_special_ids:
        end -= 1
    start = end
    while start and supervised[start - 1]:
        start -= 1
    start = max(start, 1)
    at = start + int(np.ceil(GIVEN * (end - start)))
    tokens = min(end - at, MOST_WRITTEN)
    rest = task.tokenizer.decode(row.ids[at : at + tokens], skip_special_tokens=True)
    if tokens < 1 or len(rest.strip()) < LEAST_REST:
        return None
    return _Cut(row.ids[:at], rest, tokens, row.example.group)


def _alike(seen: Sequence[_Cut], unseen: Sequence[_Cut]) -> list[_Cut]:
    """Return for each seen row an unseen one of the nearest length, each taken once."""
    left = list(unseen)
    found: dict[int, _Cut] = {}
    # The longest choose first: they have the fewest others of like length.
    for place in sorted(range(len(seen)), key=lambda i: -seen[i].tokens):
        wanted = seen[place].tokens
        best = min(range(len(left)), key=lambda i: abs(left[i].tokens - wanted))
        found[place] = left.pop(best)
    return [found[place] for place in range(len(seen))]


def word_vectors(task: Generation, base: Any, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return a unit vector for the meaning of each text, of shape (texts, width).

    The mean of the base's own token embeddings, rarer tokens counting more, less what is common to
    all: smooth inverse frequency, which needs no other model.
    """
    import torch

    tokens = task.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    table = base.get_input_embeddings().weight
    known = np.bincount([i for ids in tokens for i in ids], minlength=table.shape[0])
    rare = 1e-3 / (1e-3 + known / max(known.sum(), 1))
    found = np.zeros((len(texts), table.shape[1]))
    for place, ids in enumerate(tokens):
        if ids:
            rows = table[torch.tensor(ids, device=table.device)].detach().double().cpu().numpy()
            found[place] = rare[ids] @ rows / len(ids)
    found -= found.mean(axis=0)
    vectors: NDArray[np.float64] = found / np.maximum(
        np.linalg.norm(found, axis=1, keepdims=True), 1e-12
    )
    return vectors


def nearest(written: NDArray[np.float64], own: NDArray[np.float64], rests: Sequence[str]) -> Bools:
    """Return whether each written text is nearer to its own rest than to every other one.

    Parameters
    ----------
    written, own
        Unit vectors of what was written and of the rests, of shape (rows, width).
    rests
        The rests themselves: rows with the same rest do not compete.
    """
    near = written @ own.T
    numbers = {rest: number for number, rest in enumerate(dict.fromkeys(rests))}
    same = np.asarray([numbers[rest] for rest in rests])
    rivals = np.where(same[:, None] == same[None, :], -np.inf, near)
    found: Bools = near.diagonal() > np.maximum(rivals.max(axis=1), 1e-9)
    return found
