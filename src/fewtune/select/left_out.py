"""Rivals that a monitor ends: they are left out, and the fit goes on with the others."""

from __future__ import annotations

from collections.abc import Callable

from fewtune.errors import TrainingStopped
from fewtune.select.candidates import Candidate
from fewtune.select.material import Material
from fewtune.select.trials import Trial

__all__ = ["tried_or_left"]


def tried_or_left(
    material: Material,
    candidate: Candidate,
    how: Callable[[Material, Candidate], Trial],
) -> Trial | None:
    """Return a rival's trial, or ``None`` where a monitor ended it for good (a loss of NaN).

    The plan's own settings are tried without this: where they fail, the fit does.

    Parameters
    ----------
    how
        Tries a candidate.
    """
    try:
        return how(material, candidate)
    except TrainingStopped as stopped:
        said = f"{candidate.name} is left out: {stopped}"
        material.journal.write("stage", name=candidate.name, sentence=said)
        return None
