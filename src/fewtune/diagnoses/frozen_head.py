"""Frozen head: a classifier's last layer is neither fitted nor trained."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["FrozenHead"]


class FrozenHead(Diagnoser):
    """Looks whether the layer that makes the answers could learn anything."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the trainings whose head stayed as it was made."""
        trial = next((one for one in case.trials if one.idle_head), None)
        if trial is None:
            return
        losses = [e.loss for e in trial.evaluations]
        classes = trial.validation.probabilities.shape[1]
        yield self.named(
            f"None of the {trial.idle_head:,} values of the head train in {trial.name}, and no "
            f"solver fitted them first (training.head_first is off): the validation loss went from "
            f"{losses[0]:.3f} to {losses[-1]:.3f}; that of guessing among {classes} classes is "
            f"{np.log(classes):.3f}.",
            "Let the head train, or have it fitted first: --set training.head_first=true",
        )
