"""The verdict: ship only what surely beats every control and has surely broken nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fewtune.records import Score, Verdict
from fewtune.select.guards import Guard, interval

__all__ = ["decide", "gain_in_words"]

WORDS = {
    "majority": "always answering the commonest label",
    "tfidf": "TF-IDF with logistic regression",
    "frozen": "the frozen base with logistic regression",
    "base": "the base model",
    "few_shot": "the base model with examples before each row",
    "vanilla": "plain fine-tuning",
}

TUNED = frozenset({"vanilla"})
"""Controls that are tuned too: to be as good is enough, since what they broke is not looked for."""


NEGLIGIBLE = 0.001
"""Share of a control's figure below which a gain is none, however sure it is."""


def decide(
    headline: Score,
    paired: Mapping[str, Score],
    watched: Sequence[Guard] = (),
    faults: Sequence[Guard] = (),
    otherwise: str = "",
) -> Verdict:
    """Return the verdict; what holds is told before what is well, the most promising cure first.

    A fault of data or settings makes every other figure doubtful, so it is to be mended first; then
    what keeps the model from being better than its controls, since there is nothing to guard in
    one that is not; then what it broke.

    Parameters
    ----------
    headline
        The headline measure of the chosen model on the test rows.
    paired
        For each control: chosen minus control on the same rows.
    watched
        What else must not have broken.
    faults
        What was diagnosed.
    otherwise
        What may be done instead of bringing more test rows.
    """
    findings = list(faults)
    best = _best(headline, paired)
    findings += [_compared(headline, c, d, otherwise, c == best) for c, d in paired.items()]
    if not paired:
        nothing = "nothing to compare with but the model itself: no other control was run"
        findings.append(Guard(True, nothing, "Run with more controls"))
    findings += watched
    holding = [found for found in findings if found.holds]
    reasons = [found.reason for found in (*holding, *(f for f in findings if not f.holds))]
    cures = list(dict.fromkeys(found.cure for found in holding if found.cure))
    if otherwise and not any(otherwise in cure for cure in cures):
        level = [d for c, d in paired.items() if c not in TUNED and d.low <= 0 <= d.high]
        cures += [f"{d.n} test rows are too few to tell; {otherwise}" for d in level[:1]]
    return Verdict("hold" if holding else "ship", tuple(reasons), tuple(cures))


def _best(headline: Score, paired: Mapping[str, Score]) -> str:
    """Return the control that the model gained least on: of several, the one to use instead."""
    sign = 1 if headline.direction == "higher" else -1
    untuned = [control for control in paired if control not in TUNED]
    return min(untuned, key=lambda control: sign * paired[control].value, default="")


def _compared(
    headline: Score, control: str, difference: Score, otherwise: str, best: bool
) -> Guard:
    """Return what the difference from one control says, and whether it holds the model back."""
    sign = 1 if headline.direction == "higher" else -1
    gained = sign * difference.value
    low = difference.low if sign > 0 else -difference.high
    high = difference.high if sign > 0 else -difference.low
    amount = gain_in_words(headline, gained, low, high, difference.n)
    name = WORDS.get(control, control)
    least = 0.0 if control in TUNED else NEGLIGIBLE * abs(headline.value - difference.value)
    if low > 0 and gained < least:
        # A model that hardly moved is surely better by nothing.
        return Guard(
            True,
            f"better than {name} by next to nothing: {amount}",
            "Train longer or at a higher rate: hardly anything was learnt",
        )
    if low > 0:
        return Guard(False, f"better than {name}: {amount}")
    if control in TUNED and not high < 0:
        return Guard(False, f"not to be told from {name}: {amount}")
    if control in TUNED:
        return Guard(
            True,
            f"worse than {name}: {amount}",
            "Try what it does: no guards, the dial at 1 (--set select.dial=[1.0])",
        )
    if gained > 0:
        enough = _enough(difference, gained, otherwise)
        return Guard(True, f"not surely better than {name}: {amount}", enough)
    instead = (
        f"Use {name} itself, or bring more training rows"
        if control != "base"
        else "Do not tune on this data: the base does as well"
    )
    return Guard(True, f"not better than {name}: {amount}", instead if best else "")


def gain_in_words(headline: Score, gained: float, low: float, high: float, n: int) -> str:
    """Return a gain with its interval in words: points for shares, else the measure's own unit."""
    if headline.unit == "share":
        figures = f"{100 * gained:+.1f} points of {headline.name.replace('_', ' ')}"
        bounds = interval(100 * low, 100 * high, "+.1f")
    else:
        side = "lower" if headline.direction == "lower" else "higher"
        figures = f"{abs(gained):.3f} {headline.unit} {side if gained >= 0 else 'worse'}"
        bounds = interval(low, high, "+.3f")
    return f"{figures}, {bounds}, {n} rows"


def _enough(difference: Score, gained: float, otherwise: str) -> str:
    """Return how many test rows would show a difference of this size, by the interval's width."""
    half = (difference.high - difference.low) / 2
    if gained <= 0 or not math.isfinite(half):
        return ""
    # An interval narrows with the square root of the rows; a margin of 1.4 gives about 80% power.
    wanted = math.ceil(difference.n * (1.4 * half / gained) ** 2 / 10) * 10
    return (
        f"About {wanted} test rows would show a difference of this size; "
        f"{difference.n} are too few to tell" + (f"; {otherwise}" if otherwise else "")
    )
