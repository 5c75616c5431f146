"""Rules of thumb beside what this run says: for reference, never for the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewtune.records import Score
from fewtune.report import words
from fewtune.report.comparison import differences
from fewtune.report.folder import RunContents
from fewtune.report.rows import Z95
from fewtune.report.training import trainings

__all__ = ["Rule", "beside_rules"]


@dataclass(frozen=True)
class Rule:
    """One rule of thumb: what it is about, what it asks, what it says here, what this run says."""

    about: str
    asks: str
    says: str
    ours: str


def _accuracy(run: RunContents, score: Score) -> Rule:
    says = "good" if score.value > 0.85 else "investigate" if score.value < 0.75 else "in between"
    return Rule("Accuracy", "good above 85%, investigate under 75%", says, _against_controls(run))


def _perplexity(run: RunContents, score: Score) -> Rule:
    says = "good" if 1.5 <= score.value <= 4 else "a problem" if score.value > 5 else "in between"
    base = run.base().get("perplexity")
    ours = (
        f"the base model's is {words.figure(base.value, base.unit)} on the same rows"
        if base
        else "depends on the tokenizer; compare loss per byte with the base model's"
    )
    return Rule("Perplexity", "good from 1.5 to 4, a problem above 5", says, ours)


def _gap(run: RunContents, score: Score) -> Rule:
    surely = score.low > 0
    ours = "the gap is surely above zero" if surely else "a gap of zero lies inside the interval"
    return Rule("Train − validation gap", "small and stable", "depends on what is small", ours)


CONVERGED = 0.1
"""Most nats by which the loss may change in an epoch, says the rule."""

LEAST_STEPS = 10
"""Losses of fewer updates show no slope."""

FLAT = 0.001
"""Share of the training loss below which what it loses an epoch is nothing, however sure."""


def _convergence(run: RunContents) -> tuple[Rule, Score] | None:
    """Return the change of the training loss in the last epoch before what was kept.

    It is the slope of a line through the losses of the last two epochs (at least ``LEAST_STEPS``
    updates), with its interval; nothing where that much was not trained.
    """
    chosen = next((t for t in trainings(run) if t.is_chosen and t.per_epoch), None)
    if chosen is None:
        return None
    last = chosen.kept or chosen.updates
    before = [(x, y) for x, y in chosen.loss if x <= last]
    steps = before[-max(LEAST_STEPS, 2 * chosen.per_epoch) :]
    if len(steps) < LEAST_STEPS:
        return None
    updates, losses = np.asarray(steps).T
    away = updates - updates.mean()
    slope = float(away @ losses / (away @ away))
    rest = losses - losses.mean() - slope * away
    error = math.sqrt(float(rest @ rest) / (len(steps) - 2) / float(away @ away))
    value, half = slope * chosen.per_epoch, Z95 * error * chosen.per_epoch
    score = Score("loss_change", value, value - half, value + half, len(steps), "lower", "nats")
    ours = f"the slope over {len(steps)} updates cannot be told from its noise"
    if score.high < 0 and -value < FLAT * losses.mean():
        ours = "flat: what it still loses is nothing beside the loss itself"
    elif score.high < 0:
        ours = "still surely falling: more updates might have helped"
    elif score.low > 0:
        ours = "surely rising"
    bounds = words.bounds(score.low, score.high)
    says = "converged" if abs(value) < CONVERGED else "not converged"
    asks = f"converged below {CONVERGED:g} an epoch"
    return Rule("Change of the training loss", asks, says, f"{ours} ({bounds})"), score


def _against_controls(run: RunContents) -> str:
    found = differences(run)
    if not found:
        return "means little without a control"
    return f"{found[0].control}: {found[0].sentence}"


RULES: dict[str, Callable[[RunContents, Score], Rule]] = {
    "accuracy": _accuracy,
    "perplexity": _perplexity,
    "gap": _gap,
    "generalization_gap": _gap,
}
"""By the name of the score that a rule speaks about; the rule is shown where the run has it."""


def beside_rules(run: RunContents) -> list[tuple[Rule, Score]]:
    """Return the rules that speak about a score of this run, each with that score."""
    scores = run.tuned()
    found = [
        (rule(run, scores[name]), scores[name]) for name, rule in RULES.items() if name in scores
    ]
    converged = _convergence(run)
    return [*found, converged] if converged else found
