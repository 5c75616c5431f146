"""Calibrate a finished classifier on rows that it did not know: no row is held out for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fewtune.measures.calibration import Calibration, calibrate, temper, tempered
from fewtune.select.controls import from_shares
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Calibrated", "calibrated"]


@dataclass(frozen=True)
class Calibrated:
    """What calibrating a model came to.

    Attributes
    ----------
    calibration
        Its temperature, which is in the model's head by now, and its bounds for sets; ``None`` for
        a language model.
    test
        What the calibrated model does on the test rows: the answers stay, their probabilities not.
    unknown
        What models that did not know them did on the known rows, at this temperature; ``None``
        for a language model.
    """

    calibration: Calibration | None
    test: Outcomes
    unknown: Outcomes | None


def calibrated(material: Material, chosen: Trial, test: Outcomes) -> Calibrated:
    """Divide the chosen model's logits by the temperature that fits rows it did not know.

    A solver-fitted head has out-of-fold probabilities of its own; a trained candidate has those of
    its cross-fit, or of the validation rows. Call it once, after the refit and before anything is
    observed or written.

    Parameters
    ----------
    material, chosen
        The finished trial; its model's head (and its solved head) are changed.
    test
        What the model did on the test rows before.
    """
    head = chosen.head
    # Beside old classes a gate decides by the new ones' logits as they were fitted.
    if not test.labels or not hasattr(chosen.model, "head") or material.plan.task.keep_classes:
        return Calibrated(None, test, None)
    unknown = chosen.validation
    judged = [] if head is None else np.flatnonzero(~np.isnan(head.out_of_fold[:, 0])).tolist()
    if head is not None and judged:
        rows = [material.known[i] for i in judged]
        unknown = from_shares(material, rows, head.out_of_fold[judged])
    found = calibrate(unknown)
    temper(chosen.model, found.temperature)
    if head is not None:
        chosen.head = head.tempered(found.temperature)
    material.journal.write("calibration", temperature=found.temperature, n=found.n)
    return Calibrated(
        found, tempered(test, found.temperature), tempered(unknown, found.temperature)
    )
