"""Frozen head: a classifier's last layer is neither fitted nor trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis
from fewtune.select.trials import Trial

__all__ = ["FrozenHead"]


class FrozenHead(Diagnoser):
    """Looks whether the layer that makes the answers could learn anything."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the trainings whose head stayed as it was made."""
        frozen = [trial for trial in case.trials if _frozen(trial)]
        if not frozen:
            return
        trial = frozen[0]
        head: Any = trial.model.head
        size = sum(p.numel() for p in head.parameters())
        losses = [e.loss for e in trial.evaluations]
        classes = trial.validation.probabilities.shape[1]
        yield self.named(
            f"None of the {size:,} values of the head train in {trial.name}, and no solver fitted "
            f"them first (training.head_first is off): the validation loss went from "
            f"{losses[0]:.3f} to {losses[-1]:.3f}; that of guessing among {classes} classes is "
            f"{np.log(classes):.3f}.",
            "Let the head train, or have it fitted first: --set training.head_first=true",
        )


def _frozen(trial: Trial) -> bool:
    """Return whether the head of a trained classifier was left as it was made."""
    head = getattr(trial.model, "head", None)
    if head is None or trial.head is not None or not trial.evaluations:
        return False
    fitted = trial.candidate.training.head_first is not False or trial.method.solves_after
    return not fitted and not any(p.requires_grad for p in head.parameters())
