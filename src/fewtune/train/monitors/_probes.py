"""The built-in probes as rows of a language model, and what a model answers on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewtune.measures.observe.divergence import general_rows
from fewtune.measures.observe.probes import in_groups, likeliest, option_row
from fewtune.measures.observe.spread import spread
from fewtune.measures.probes import items
from fewtune.tasks.generation import Generation

__all__ = ["Probes", "forgotten", "general_rows", "spread"]


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
        self._groups = in_groups(items(), count)
        self.items = [item for group in self._groups for item in group]
        self._rows = [
            option_row(task, item, option) for item in self.items for option in item.options
        ]

    @property
    def chances(self) -> NDArray[np.float64]:
        """Probability that a wrong answer drawn at random is a given other: 1 / (options − 1)."""
        return np.asarray([1 / (len(item.options) - 1) for item in self.items])

    def right(self, task: Generation, model: nn.Module) -> NDArray[np.bool_]:
        """Return for each item whether the model's likeliest option is the right one."""
        return likeliest(self._groups, -task.outcomes(model, self._rows).losses)


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
