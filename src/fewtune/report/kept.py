"""How the model that was kept was trained: as its trial was, or anew on all known rows."""

from __future__ import annotations

from dataclasses import dataclass

from fewtune.report import words
from fewtune.report.folder import RunContents, as_number
from fewtune.report.training import trainings

__all__ = ["Kept", "kept"]

AGAIN = "+all"
"""What a refit's name has after its candidate's."""

ON_TRAINING_ROWS = "+train"
"""The same of one after a cross-fit, whose models are of folds, where ``select.refit`` is off."""


@dataclass(frozen=True)
class Kept:
    """How the kept model was trained.

    Attributes
    ----------
    told
        On which rows, in words.
    stage
        The refit's name in the journal; empty where the weights of a trial, or a head that a solver
        fitted, were kept.
    updates
        Of the refit; 0 where there was none.
    """

    told: str
    stage: str = ""
    updates: int = 0


def kept(run: RunContents) -> Kept | None:
    """Return how the kept model was trained; ``None`` where the run does not say."""
    parts = run.parts()
    train, known = parts.get("train", 0), parts.get("train", 0) + parts.get("validation", 0)
    if not train:
        return None
    chosen = next((one for one in trainings(run) if one.is_chosen), None)
    if chosen is None:
        # Without updates a solver fitted its head, in the end on all known rows.
        method = run.chosen().get("method")
        return Kept(_all(known)) if method and not run.chosen().get("updates") else None
    for end, told in ((AGAIN, _all(known)), (ON_TRAINING_ROWS, f"{words.count(train)} rows")):
        refits = [e for e in run.kind("stage") if e.values.get("name") == chosen.stage + end]
        if refits and chosen.kept:
            updates = as_number(refits[-1].values.get("updates"))
            return Kept(told, chosen.stage + end, round(updates or 0))
    return Kept(f"{words.count(train)} rows")


def _all(known: int) -> str:
    return f"all {words.count(known)} known rows"
