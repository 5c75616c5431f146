"""Answers of base and tuned to probes of general ability: which items each has right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.observe.spread import spread
from fewtune.measures.probes import ProbeItem, items
from fewtune.records import Example

if TYPE_CHECKING:
    from fewtune.tasks.base import Row
    from fewtune.tasks.generation import Generation

__all__ = [
    "ProbeAnswers",
    "in_groups",
    "likeliest",
    "observe_probes",
    "option_row",
    "right_answers",
]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ProbeAnswers:
    """Which items two models have right, in the same order.

    Attributes
    ----------
    kinds
        Kind of each item: ``cloze``, ``grammar``… or ``own``.
    groups
        Number of the group of each item, as ``in_groups`` has them; an interval resamples groups.
    options
        Number of options of each item; 1 for a question that is answered freely.
    before, after
        Whether the base and the tuned model have it right.
    """

    kinds: tuple[str, ...]
    groups: Ints
    options: Ints
    before: Bools
    after: Bools

    def __len__(self) -> int:
        return len(self.kinds)


def observe_probes(
    task: Generation,
    base: Any,
    tuned: Any,
    asked: Sequence[ProbeItem] = (),
    most: int = 0,
) -> ProbeAnswers:
    """Return which probes base and tuned have right.

    Parameters
    ----------
    task
        For its tokenizer and template.
    base, tuned
        The two models.
    asked
        The items; empty: the built-in ones.
    most
        About how many items are asked, in whole groups spread over all; 0 for all.
    """
    groups = in_groups(asked or items(), most)
    every = [item for group in groups for item in group]
    rows = option_rows(task, groups)
    return ProbeAnswers(
        kinds=tuple(item.kind for item in every),
        groups=np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
        options=np.asarray([len(item.options) for item in every], dtype=np.int64),
        before=right_answers(task, base, groups, rows),
        after=right_answers(task, tuned, groups, rows),
    )


def in_groups(asked: Sequence[ProbeItem], most: int = 0) -> list[list[ProbeItem]]:
    """Return the items in groups of one witness each; about ``most`` items, or all for 0.

    Texts to go on with that share their options are one group: they are made so that each option
    is right as often. A question stands alone: of options that many share, as yes and no or A to
    D, one may be right nearly always, and each question tells something of its own.
    """
    groups: dict[tuple[str, ...], list[ProbeItem]] = defaultdict(list)
    for number, item in enumerate(asked):
        shares = len(item.options) > 1 and not item.asked
        groups[item.options if shares else ("", str(number))].append(item)
    every = list(groups.values())
    count = max(1, round(most * len(every) / len(asked))) if most else len(every)
    return [every[i] for i in spread(count, len(every))]


def option_rows(task: Generation, groups: Sequence[Sequence[ProbeItem]]) -> list[Row]:
    """Return a row for each option of each item, in the order of the groups."""
    every = [item for group in groups for item in group]
    return [option_row(task, item, option) for item in every for option in item.options]


def right_answers(
    task: Generation,
    model: Any,
    groups: Sequence[Sequence[ProbeItem]],
    rows: Sequence[Row] | None = None,
) -> Bools:
    """Return for each item, in the order of the groups, whether the model has it right.

    With options the likeliest is the answer (see ``likeliest``). Without, the answer is right if
    the model would write it greedily. ``rows`` are the options', where they were made already.
    """
    every = [item for group in groups for item in group]
    rows = option_rows(task, groups) if rows is None else rows
    right = likeliest(groups, -task.outcomes(model, rows).losses)
    starts = np.cumsum([0, *(len(item.options) for item in every)])
    free = [i for i, item in enumerate(every) if len(item.options) == 1]
    if free:
        right[free] = _written(task, model, [rows[starts[i]] for i in free])
    return right


def likeliest(groups: Sequence[Sequence[ProbeItem]], found: NDArray[np.float64]) -> Bools:
    """Return for each item whether its likeliest option is the right one.

    In a group an option counts by its log-probability less its mean over the contexts of the group:
    how likely it is by itself tells nothing. Alone it counts by its log-probability a byte.

    Parameters
    ----------
    groups
        Items in groups, as ``in_groups`` has them.
    found
        Log-probability in nats of each option of each item, in order.
    """
    right: list[bool] = []
    place = 0
    for group in groups:
        options = group[0].options
        end = place + len(group) * len(options)
        scores = found[place:end].reshape(len(group), len(options))
        place = end
        if len(group) > 1:
            scores = scores - scores.mean(axis=0)
        else:
            scores = scores / [len(option.encode()) for option in options]
        best = scores.argmax(axis=1)
        right += [int(b) == item.answer for b, item in zip(best, group, strict=True)]
    return np.asarray(right, dtype=bool)


def _written(task: Generation, model: Any, rows: Sequence[Row]) -> Bools:
    """Return for each row whether every supervised token is the likeliest one at its place."""
    from fewtune.data.batches import chunks
    from fewtune.tasks.contexts import inference

    right = np.ones(len(rows), dtype=bool)
    device = next(model.parameters()).device
    with inference(model):
        lengths = [row.length for row in rows]
        for places in chunks(range(len(rows)), lengths, task.budget(model)):
            batch = task.collate([rows[i] for i in places]).to(device)
            with task.autocast():
                hit = task.logits(model, batch).argmax(dim=-1) == batch.targets
            owners = np.asarray(places)[batch.owners.cpu().numpy()]
            np.logical_and.at(right, owners, hit.cpu().numpy())
    return right


def option_row(task: Generation, item: ProbeItem, option: str) -> Row:
    """Return a row in which the tokens of ``option`` are supervised.

    The option goes on the context as plain text; an item that is asked is put through the model's
    own chat template, where it has one.
    """
    from fewtune.data.tokens import IGNORED, encode_supervised
    from fewtune.tasks.base import Row

    example = Example(item.context, option.strip(), item.id)
    size = len(option.encode())
    if item.asked and task.template == "model":
        (one,) = encode_supervised(task.tokenizer, [example], "prompt", task.max_length(), "left")
        return Row(example, one.ids, labels=one.labels, bytes=size)
    begin = [
        i for i in (task.tokenizer.bos_token_id, task.tokenizer.eos_token_id) if i is not None
    ][:1]
    encoded = task.tokenizer(
        item.context + option, add_special_tokens=False, return_offsets_mapping=True
    )
    labels = [
        token if end > len(item.context) else IGNORED
        for token, (_, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]
    # A longer context than fits loses its beginning: the option must stay.
    kept = slice(-(task.max_length() - len(begin)), None)
    return Row(
        example,
        (*begin, *encoded["input_ids"][kept]),
        labels=(*(IGNORED for _ in begin), *labels[kept]),
        bytes=size,
    )
