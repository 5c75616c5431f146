"""Rules of thumb beside what this run says: for reference, never for the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewtune.records import Score
from fewtune.report import words
from fewtune.report.comparison import differences
from fewtune.report.folder import RunContents

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
    return [
        (rule(run, scores[name]), scores[name]) for name, rule in RULES.items() if name in scores
    ]
