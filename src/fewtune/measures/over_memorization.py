"""Over-memorization: the kept model's validation loss over the least that training came by."""

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
    """1 where the kept snapshot has the least validation loss of its training, above 1 elsewhere.

    By itself a high ratio is no fault: long training can be worth it (2602.11149). ``alarm`` says
    when it is one.
    """

    direction = "lower"
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

    Three signs together: the validation loss of the kept snapshot is above 1.2 times its minimum,
    the task metric gained nothing by it, and diversity or robustness surely fell. Where the metric
    is the loss itself (generation) it cannot have gained.

    Parameters
    ----------
    evidence
        For the evaluations.
    scores
        The kept model's scores, as ``score_all`` gives them.
    """
    signs, ratio = _signs(evidence), scores.get("over_memorization")
    if signs is None or ratio is None or ratio.value <= ALARM:
        return ""
    kept, least = signs
    share = min(max(float(kept.get("headline", 0.0)), 0.0), 1.0)
    gained = share - float(least.get("headline", 0.0))
    # For classification the metric is a share of right rows, whose standard error is known.
    flat = evidence.task == "generation" or gained <= (share * (1 - share) / ratio.n) ** 0.5
    fallen = []
    diversity, robustness = scores.get("diversity"), scores.get("robustness")
    if diversity is not None and diversity.high < 0:
        fallen.append(f"diversity fell by {-diversity.value:.1%}")
    if robustness is not None and robustness.low > 0:
        fallen.append(f"perturbed rows lose {robustness.value:.3g}")
    if not (flat and fallen):
        return ""
    return (
        f"over-memorized: the validation loss is {ratio.value:.2f} times its minimum, the task "
        f"metric stands still, and {' and '.join(fallen)}"
    )


def _signs(evidence: Evidence) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the evaluation of the kept snapshot (the last best) and that of the least loss."""
    found = [
        e
        for e in evidence.evaluations
        if isinstance(e.get("validation_loss"), int | float) and e["validation_loss"] > 0
    ]
    if not found:
        return None
    least = min(found, key=lambda e: float(e["validation_loss"]))
    kept = next((e for e in reversed(found) if e.get("best")), found[-1])
    return kept, least
