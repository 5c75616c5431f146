"""Losses of base and tuned and KL(base‖tuned) on the same texts, in one pass over both models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.observe.spread import spread
from fewtune.measures.probes import general_text
from fewtune.records import Example

if TYPE_CHECKING:
    from fewtune.tasks.base import Row, Task
    from fewtune.tasks.generation import Generation

__all__ = ["Divergence", "general_rows", "observe_divergence", "observe_general"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LOGITS = 2**21
"""Logits of one model held at once: 8 MiB in float32, of which a dozen are held in all, however
large the vocabulary."""


@dataclass(frozen=True)
class Divergence:
    """How far the tuned model is from its base on some rows.

    Attributes
    ----------
    sources
        Name of each row.
    groups
        Group number of each row; an interval resamples groups.
    units
        Supervised tokens of each row (1 for a classifier).
    bytes
        UTF-8 bytes of each supervised text.
    base, tuned
        Loss of each row in nats, summed over its units.
    kl
        KL(base‖tuned) of each row in nats, summed over its units; never negative but for rounding.
    """

    sources: tuple[str, ...]
    groups: Ints
    units: Ints
    bytes: Ints
    base: Floats
    tuned: Floats
    kl: Floats

    def __len__(self) -> int:
        return len(self.sources)


def observe_divergence(task: Task, base: Any, tuned: Any, rows: Sequence[Row]) -> Divergence:
    """Return losses of both models and their divergence at the supervised units of ``rows``.

    On rows of the new task this is the proxy by which forgetting is foretold (2509.04259).

    Parameters
    ----------
    task
        Makes rows into batches.
    base, tuned
        The two models, on one device.
    rows
        Encoded rows; for a language model each has supervised tokens.
    """
    from fewtune.data.batches import chunks
    from fewtune.tasks.contexts import inference
    from fewtune.tasks.outcomes import group_numbers

    sums = np.zeros((3, len(rows)))
    units = np.zeros(len(rows), dtype=np.int64)
    device = next(tuned.parameters()).device
    lengths = [row.length for row in rows]
    with inference(base), inference(tuned):
        for places in chunks(range(len(rows)), lengths, task.budget(tuned)):
            batch = task.collate([rows[i] for i in places]).to(device)
            owners = np.asarray(places)[batch.owners.cpu().numpy()]
            np.add.at(units, owners, 1)
            for found, part in _figures(task, base, tuned, batch):
                for row, values in enumerate(found):
                    np.add.at(sums[row], owners[part], values)
    return Divergence(
        sources=tuple(row.example.source for row in rows),
        groups=group_numbers([row.example.group for row in rows]),
        units=units,
        bytes=np.asarray([row.bytes for row in rows], dtype=np.int64),
        base=sums[0],
        tuned=sums[1],
        kl=sums[2],
    )


def _figures(task: Task, base: Any, tuned: Any, batch: Any) -> Any:
    """Yield (base loss, tuned loss, divergence) of some units of a batch, and which these are."""
    with task.autocast():
        hidden = [task.hidden(model, batch) for model in (base, tuned)]
    start, step = 0, 64
    while start < len(batch.targets):
        part = slice(start, start + step)
        with task.autocast():
            logits = [task.read(m, h[part]) for m, h in zip((base, tuned), hidden, strict=True)]
        before, after = (one.float().log_softmax(dim=-1) for one in logits)
        right = batch.targets[part, None]
        kl = (before.exp() * (before - after)).sum(dim=-1)
        found = (-before.gather(1, right)[:, 0], -after.gather(1, right)[:, 0], kl)
        yield [one.double().cpu().numpy() for one in found], part
        start += step
        step = max(1, MOST_LOGITS // logits[0].shape[-1])


def observe_general(
    task: Generation,
    base: Any,
    tuned: Any,
    texts: Sequence[str] = (),
    most: int = 0,
) -> Divergence:
    """Return losses and divergence on general text.

    Parameters
    ----------
    task
        For its tokenizer.
    base, tuned
        The two models.
    texts
        The user's own passages; empty: the built-in ones.
    most
        Most passages read, spread over all; 0 for all.
    """
    return observe_divergence(task, base, tuned, general_rows(task, most, texts))


CHOOSING = 4
"""Every so many-th built-in passage chooses (the dial, a monitor); the others alone judge."""


def general_rows(
    task: Generation, most: int = 0, texts: Sequence[str] = (), *, choosing: bool = False
) -> list[Row]:
    """Return passages of general English (or ``texts``) as rows; a longer one than fits is cut.

    Passages that choose where the dial stands or which snapshot is kept are no witnesses of what
    was forgotten: with ``choosing`` come those, without it the others.
    """
    from fewtune.data.tokens import encode_supervised
    from fewtune.tasks.base import Row

    name = "text" if texts else "general"
    every = list(texts) or general_text()
    mine = [i for i in range(len(every)) if texts or (i % CHOOSING == 0) == choosing]
    places = [mine[i] for i in spread(most or len(mine), len(mine))]
    examples = [Example("", every[i], f"{name}:{i + 1}") for i in places]
    encoded = encode_supervised(task.tokenizer, examples, "text", task.max_length(), "right")
    sizes = [_read_bytes(task, one) if one.cut else one.bytes for one in encoded]
    return [
        Row(example, e.ids, labels=e.labels, bytes=size)
        for example, e, size in zip(examples, encoded, sizes, strict=True)
    ]


def _read_bytes(task: Generation, encoded: Any) -> int:
    """Return the bytes of what is left of a text that was cut: its loss is of these alone."""
    return len(task.tokenizer.decode(encoded.ids, skip_special_tokens=True).encode())
