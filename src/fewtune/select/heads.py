"""Heads that a solver fits on the base's frozen states, each once for all that ask."""

from __future__ import annotations

import numpy as np

from fewtune.methods.probe import Fitted, refit, without_names
from fewtune.select.material import Material

__all__ = ["plain_head", "train_head"]


def train_head(material: Material) -> Fitted:
    """Return a head of the training rows alone, with the settings of ``Material.known_head``.

    Choosing them again without the validation rows would cost as many solutions once more. What
    two settings (of eight) know of those rows flatters the head alone, which is what tuning has to
    beat.
    """

    def compute() -> Fitted:
        rows = material.known_states(names=True).take(np.arange(len(material.train)))
        return refit(rows, material.known_head())

    return material.once("train_head", compute)


def plain_head(material: Material) -> Fitted:
    """Return the head of all known rows without the classes' names: the frozen control."""
    return material.once(
        "plain_head",
        lambda: without_names(material.known_states(names=False), material.known_head()),
    )
