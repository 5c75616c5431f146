"""The verdict: ship only what surely beats every control and has surely broken nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fewtune.records import Score, Verdict
from fewtune.select.guards import Guard, interval

__all__ = ["decide"]

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
    chosen: str,
    more_data: bool = True,
    watched: Sequence[Guard] = (),
    faults: Sequence[Guard] = (),
    otherwise: str = "",
) -> Verdict:
    """Return the verdict; of the cures the most promising comes first.

    A fault of data or settings makes every other figure doubtful, so it is to be mended first; then
    what keeps the model from being better than its controls, since there is nothing to guard in
    one that is not; then what it broke.

    Parameters
    ----------
    headline
        The headline measure of the chosen model on the test rows.
    paired
        For each control: chosen minus control on the same rows.
    chosen
        Name of the chosen candidate.
    more_data
        Whether to suggest more test rows where the interval is too wide to tell.
    watched
        What else must not have broken.
    faults
        What was diagnosed.
    otherwise
        What may be done instead of bringing more test rows.
    """
    sign = 1 if headline.direction == "higher" else -1
    reasons = [fault.reason for fault in faults]
    cures = [fault.cure for fault in faults if fault.holds]
    held = any(fault.holds for fault in faults)
    for control, difference in paired.items():
        gained = sign * difference.value
        low = difference.low if sign > 0 else -difference.high
        high = difference.high if sign > 0 else -difference.low
        amount = _amount(headline, gained, low, high, difference.n)
        name = WORDS.get(control, control)
        least = 0.0 if control in TUNED else NEGLIGIBLE * abs(headline.value - difference.value)
        if low > 0 and gained < least:
            # A model that hardly moved is surely better by nothing.
            held = True
            reasons.append(f"better than {name} by next to nothing: {amount}")
            cures.append("Train longer or at a higher rate: hardly anything was learnt")
        elif low > 0:
            reasons.append(f"better than {name}: {amount}")
        elif control in TUNED and not high < 0:
            reasons.append(f"not to be told from {name}: {amount}")
        elif control in TUNED:
            held = True
            reasons.append(f"worse than {name}: {amount}")
            cures.append("Try what it does: no guards, the dial at 1 (--set select.dial=[1.0])")
        elif gained > 0:
            held = True
            reasons.append(f"not surely better than {name}: {amount}")
            cures.append(_enough(difference, gained, otherwise))
        else:
            held = True
            reasons.append(f"not better than {name}: {amount}")
            cures.append(
                f"Use {name} itself, or bring more training rows"
                if control != "base"
                else "Do not tune on this data: the base does as well"
            )
    if not paired:
        held = True
        reasons.append("nothing to compare with: no control was run")
        cures.append("Run with controls")
    for guard in watched:
        held = held or guard.holds
        reasons.append(guard.reason)
        cures.append(guard.cure if guard.holds else "")
    unique = tuple(dict.fromkeys(cure for cure in cures if cure))
    return Verdict("hold" if held else "ship", tuple(reasons), unique if more_data else ())


def _amount(headline: Score, gained: float, low: float, high: float, n: int) -> str:
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
