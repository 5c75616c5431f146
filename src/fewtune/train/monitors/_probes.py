"""The built-in probes as rows of a language model, and what a model answers on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewtune.data.tokens import IGNORED, encode_supervised
from fewtune.measures.probes import ProbeItem, general_text, items
from fewtune.records import Example
from fewtune.tasks.base import Row
from fewtune.tasks.generation import Generation

__all__ = ["Probes", "forgotten", "general_rows", "spread"]


def spread(count: int, of: int) -> list[int]:
    """Return at most ``count`` places spread evenly over ``of`` places.

    Examples
    --------
    >>> spread(3, 5)
    [0, 2, 4]
    >>> spread(9, 2)
    [0, 1]
    """
    count = min(count, of)
    return [int(place) for place in np.linspace(0, of - 1, count).round()] if count else []


class Probes:
    """Items of the built-in probes, in whole groups that share their options.

    Parameters
    ----------
    task
        For its tokenizer.
    count
        Items wanted; the last group may exceed it.
    """

    def __init__(self, task: Generation, count: int) -> None:
        groups: dict[tuple[str, ...], list[ProbeItem]] = defaultdict(list)
        for item in items():
            groups[item.options].append(item)
        every = list(groups.values())
        mean = sum(map(len, every)) / len(every)
        chosen = [every[i] for i in spread(max(1, round(count / mean)), len(every))]
        self.items = [item for group in chosen for item in group]
        self._sizes = [len(group) for group in chosen]
        self._rows = [_row(task, item, option) for item in self.items for option in item.options]

    @property
    def chances(self) -> NDArray[np.float64]:
        """Probability that a wrong answer drawn at random is a given other: 1 / (options − 1)."""
        return np.asarray([1 / (len(item.options) - 1) for item in self.items])

    def right(self, task: Generation, model: nn.Module) -> NDArray[np.bool_]:
        """Return for each item whether the model's likeliest option is the right one.

        An option's log-probability is taken less its mean over the contexts of its group: how
        likely an option is by itself tells nothing.
        """
        found = -task.outcomes(model, self._rows).losses
        answers: list[bool] = []
        place = item = 0
        for size in self._sizes:
            options = len(self.items[item].options)
            scores = found[place : place + size * options].reshape(size, options)
            best = (scores - scores.mean(axis=0)).argmax(axis=1)
            answers += [int(b) == self.items[item + i].answer for i, b in enumerate(best)]
            place, item = place + size * options, item + size
        return np.asarray(answers)


def forgotten(
    before: NDArray[np.bool_], after: NDArray[np.bool_], chances: NDArray[np.float64]
) -> float:
    """Return the share of items that were right and are wrong, less what chance explains.

    F − (1 − a_before)(1 − a_after) / (k − 1), not below 0 (2510.17776): two models that guess
    between two options disagree on a quarter of the items without having forgotten anything.
    """
    lost = float((before & ~after).mean())
    guessed = float((1 - before.mean()) * (1 - after.mean()) * chances.mean())
    return max(lost - guessed, 0.0)


def general_rows(task: Generation, count: int) -> list[Row]:
    """Return ``count`` of the built-in paragraphs of general English as rows."""
    texts = general_text()
    examples = [Example("", texts[i], f"general:{i + 1}") for i in spread(count, len(texts))]
    encoded = encode_supervised(task.tokenizer, examples, "text", task.max_length(), "right")
    return [
        Row(example, e.ids, labels=e.labels, bytes=e.bytes)
        for example, e in zip(examples, encoded, strict=True)
    ]


def _row(task: Generation, item: ProbeItem, option: str) -> Row:
    """Return a row in which the tokens of ``option`` are supervised."""
    begin: Sequence[int] = [
        i for i in (task.tokenizer.bos_token_id, task.tokenizer.eos_token_id) if i is not None
    ][:1]
    encoded = task.tokenizer(
        item.context + option, add_special_tokens=False, return_offsets_mapping=True
    )
    ids = encoded["input_ids"]
    labels = [
        token if end > len(item.context) else IGNORED
        for token, (_, end) in zip(ids, encoded["offset_mapping"], strict=True)
    ]
    example = Example(item.context, option, item.id)
    return Row(
        example,
        (*begin, *ids),
        labels=(*(IGNORED for _ in begin), *labels),
        bytes=len(option.encode()),
    )
