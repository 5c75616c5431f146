"""Over-memorization: the kept model's validation loss over the least that it came by before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fewtune.measures.base import Evidence, Measure
from fewtune.records import Score

__all__ = ["ALARM", "OverMemorization", "alarm"]

ALARM = 1.2
"""Validation loss over its minimum from which the other signs are asked for (2508.04117)."""


class OverMemorization(Measure):
    """1 where the kept snapshot has the least validation loss up to there, above 1 elsewhere.

    What came after it does not count: a loss that was still falling where the weights were kept
    is no sign of training too long. By itself a high ratio is no fault either: long training can
    be worth it (2602.11149). ``alarm`` says when it is one.
    """

    direction = "lower"
    version = 2
    tasks = frozenset({"generation", "text_classification", "image_classification"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the ratio, or ``None`` where no evaluation was made.

        The interval takes the two losses as independent, which is wider than the truth: they are
        of the same rows.
        """
        signs = _signs(evidence)
        if signs is None:
            return None
        kept, least = signs
        ratio = kept["validation_loss"] / least["validation_loss"]
        error = 0.0
        if kept is not least:
            shares = [float(e.get("error", 0)) / e["validation_loss"] for e in (kept, least)]
            error = ratio * math.hypot(*shares)
        rows = len(evidence.validation) if evidence.validation is not None else 1
        return self.named(ratio, max(ratio - 1.96 * error, 0), ratio + 1.96 * error, rows)


def alarm(evidence: Evidence, scores: Mapping[str, Score]) -> str:
    """Return why the kept model is over-memorized, in words; empty where it is not.

    Three signs together: the validation loss of the kept snapshot is above 1.2 times the least
    that came before it, the task metric gained nothing by it, and the diversity of answers surely
    fell. The metric of a generating model is the loss itself, which has not gained.

    Nothing is said of a classifier: what perturbed rows cost it is known of the kept snapshot
    alone, and they cost any model something. The monitor ``over_memorization`` compares it with
    the best snapshot, while there are two.

    Parameters
    ----------
    evidence
        For the task.
    scores
        The kept model's scores, as ``score_all`` gives them.
    """
    ratio, diversity = scores.get("over_memorization"), scores.get("diversity")
    if evidence.task != "generation" or ratio is None or diversity is None:
        return ""
    if ratio.value <= ALARM or not diversity.high < 0:
        return ""
    return (
        f"over-memorized: the validation loss is {ratio.value:.2f} times the least before it, and "
        f"diversity fell by {-diversity.value:.1%}"
    )


def _signs(evidence: Evidence) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the evaluation of the kept snapshot (the last best) and the least up to there."""
    found = [
        e
        for e in evidence.evaluations
        if isinstance(e.get("validation_loss"), int | float) and e["validation_loss"] > 0
    ]
    if not found:
        return None
    bests = [place for place, e in enumerate(found) if e.get("best")]
    upto = found[: bests[-1] + 1] if bests else found
    return upto[-1], min(upto, key=lambda e: float(e["validation_loss"]))
