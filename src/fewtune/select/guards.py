"""Guards: what else than quality may keep a tuned model from being shipped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fewtune.plan.plan import BudgetPlan
from fewtune.records import Score

__all__ = ["Guard", "guards", "interval", "one_group"]


EXPORT_TOLERANCE = 0.02
"""Largest mean difference of the rows' losses that loading may make, as a share: passes in half
precision and another order of sums make less."""


HARDLY_ANY = 0.25
"""Where the interval of the answers that end lies below this share, the end was not learned."""


@dataclass(frozen=True)
class Guard:
    """One thing that tuning must not have broken.

    Attributes
    ----------
    holds
        Whether it keeps the model from being shipped.
    reason
        What was found, with its figures.
    cure
        What to do where it does.
    """

    holds: bool
    reason: str
    cure: str = ""


def guards(
    scores: Mapping[str, Score],
    budget: BudgetPlan,
    *,
    alarm: str = "",
    held: float = 0.0,
    eased: float = 1.0,
    exported: float = 0.0,
) -> list[Guard]:
    """Return the guards that apply.

    A figure is beyond its bound only where its whole interval is: a probe more or less is noise.

    Parameters
    ----------
    scores
        Of the finished model.
    budget
        What may be forgotten.
    alarm
        Why the model is over-memorized, in words; empty where it is not.
    held
        Weight by which ``kl_to_base`` held the trial to its base already; 0 for not at all.
    eased
        How many times less its refit was held.
    exported
        How far the model as it was written is from the one that was measured: the mean difference
        of the rows' losses, as a share of the mean loss.
    """
    costs: dict[str, tuple[Guard, Score]] = {}
    if "forgetting" in scores and budget.forgetting:
        costs["forgetting"] = _forgotten(scores, budget.forgetting)
    if "general_loss" in scores and budget.general_loss:
        general = scores["general_loss"]
        words = "more loss on general text", "less loss on general text"
        bounded = _bounded(general, budget.general_loss, *words)
        costs["general_loss"] = bounded, general
    # One cure for both: two that differ by a budget would be read as two things to do.
    beyond = {name: score for name, (guard, score) in costs.items() if guard.holds}
    cure = _harder(held, eased, beyond)
    found = [replace(guard, cure=cure) if guard.holds else guard for guard, _ in costs.values()]
    if "memorization" in scores:
        found.append(_extraction(scores["memorization"]))
    if "chrf_gain" in scores:
        found.append(_answers(scores["chrf_gain"]))
    if "ends_by_itself" in scores and scores["ends_by_itself"].high < HARDLY_ANY:
        found.append(_endless(scores["ends_by_itself"]))
    if alarm:
        found.append(Guard(True, alarm, "Train for fewer updates or at a lower rate"))
    if exported > EXPORT_TOLERANCE:
        amount = f"the losses of its rows differ by {100 * exported:.2g}%"
        found.append(
            Guard(
                True,
                f"the model in the run folder is not the one that was measured: {amount}",
                "Report this as a fault of fewtune; do not serve the folder",
            )
        )
    return found


def one_group(groups: Sequence[int]) -> list[Guard]:
    """Return that all test rows are one independent row, where they are: no interval is known.

    Resampling one group gives the same figure again and again, which would look sure.
    """
    if len(set(groups)) > 1:
        return []
    return [
        Guard(
            True,
            f"the test rows ({len(groups)}) belong together and count as one: their intervals say "
            "nothing of other rows",
            "Give test rows of other groups, with other prompts (--test FILE)",
        )
    ]


def interval(low: float, high: float, form: str) -> str:
    """Return an interval in words, its bounds written as ``form``.

    Examples
    --------
    >>> interval(-0.5, 2.25, "+.1f"), interval(math.nan, math.nan, "+.1f")
    ('95% interval [-0.5, +2.2]', 'interval not known')
    """
    if math.isnan(low) or math.isnan(high):
        return "interval not known"
    return f"95% interval [{low:{form}}, {high:{form}}]"


def _endless(score: Score) -> Guard:
    """Return that hardly an answer ends."""
    return Guard(
        True,
        f"answers do not end: {round(score.value * score.n)} of {score.n} end by themselves "
        f"({interval(100 * score.low, 100 * score.high, '.0f')}%), the others were cut off",
        "Train for longer (--set training.updates=…) or on more rows: where an answer ends is "
        "learnt late",
    )


def _bounded(score: Score, bound: float, what: str, gained: str = "") -> Guard:
    """Return whether a share that should be small is surely beyond its bound.

    ``gained`` are the words for one below zero, which is told as what it is: a gain.
    """
    value, low, high = 100 * score.value, 100 * score.low, 100 * score.high
    if value < 0 and gained:
        value, low, high, what = -value, -high, -low, gained
    amount = (
        f"{value:.1f}% {what} ({interval(low, high, '.1f')}, n {score.n}; "
        f"budget {100 * bound:.1f}%{' more' if what == gained else ''})"
    )
    name = "general ability" if score.name == "general_loss" else "forgotten"
    if score.low > bound:
        return Guard(True, f"{name} beyond the budget: {amount}")
    if score.value > bound:
        return Guard(False, f"{name} not surely beyond the budget: {amount}")
    return Guard(False, f"{name} within the budget: {amount}")


def _harder(held: float, eased: float, costs: Mapping[str, Score]) -> str:
    """Return what to do against forgetting: hold, hold harder, or allow what was measured."""
    if not held:
        return "Hold it to the base: --set 'regularizers=[{name: kl_to_base}, {name: secret_mask}]'"
    if eased > 1:
        return "Hold the refit as hard as its trial, which kept the budget: --set select.ease=1"
    allowed = " ".join(
        f"--set budget.{name}={math.ceil(100 * score.value) / 100:g}"
        for name, score in costs.items()
    )
    return (
        "Hold it harder to the base: --set 'regularizers=[{name: kl_to_base, options: {weight: "
        f"{4 * held:g}}}}}, {{name: secret_mask}}]', or allow what it costs: {allowed}"
    )


def _forgotten(scores: Mapping[str, Score], bound: float) -> tuple[Guard, Score]:
    """Return the worse of two views of the probes, and its figure.

    What guessing explains is taken from the first and hides light forgetting: up to seven points
    of a kind of item with four options. The second, fewer right than before, says less than what
    was forgotten where something was learnt as well, and never more.
    """
    named = {
        "forgetting": ("of the probes",),
        "forgetting_net": ("fewer probes right", "more probes right"),
    }
    views = [
        (_bounded(scores[name], bound, *words), scores[name])
        for name, words in named.items()
        if name in scores
    ]
    return max(views, key=lambda view: (view[0].holds, view[1].value > bound))


def _answers(gain: Score) -> Guard:
    """Return whether what is written is surely further from the targets than the base's answers."""
    amount = (
        f"{100 * gain.value:+.1f} points of chrF against the base's "
        f"({interval(100 * gain.low, 100 * gain.high, '+.1f')}, n {gain.n})"
    )
    if gain.high < 0:
        return Guard(
            True,
            f"answers further from their targets than the base's: {amount}",
            "Read them beside the base's in predictions.jsonl; if they say what the base would, "
            "loosen the hold on it: --set 'select.dial=[1.0]'",
        )
    if gain.low > 0:
        return Guard(False, f"answers nearer to their targets: {amount}")
    return Guard(False, f"answers not surely nearer to their targets: {amount}")


def _extraction(score: Score) -> Guard:
    """Return whether tuning surely made trained texts come out that the base does not know."""
    amount = (
        f"{100 * score.value:+.1f} points of trained texts against held-out ones "
        f"({interval(100 * score.low, 100 * score.high, '+.1f')}, n {score.n})"
    )
    if score.low > 0:
        return Guard(
            True,
            f"memorized: {amount}",
            "Drop repeated and secret rows (fewtune check DATA --write --redact), train less",
        )
    if score.value > 0:
        return Guard(False, f"not surely memorized: {amount}")
    return Guard(False, f"no sign of memorized rows: {amount}")
