"""The counter-trial: a rate that is far from what is usual, beside the usual one on the same rows.

A rate that a user sets is carried out. Whether it is a fault is not for a rule to say: the plan's
method is trained once more as long at its usual rate, and the validation rows tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fewtune.select.material import Material
from fewtune.select.trials import Trial, try_out
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Counter", "counter_trial"]

BEYOND = 2.0
"""How far outside of the sweep of usual rates a rate must be to be asked about."""

SURE = 1.96
"""Standard errors by which one rate's loss must be below the other's."""


@dataclass(frozen=True)
class Counter:
    """The plan's method at its own rate and at its usual one.

    Attributes
    ----------
    stage
        Name of the plan's training in the journal.
    rate, usual
        The plan's rate and the one that was tried beside it.
    low, high
        The sweep of rates that are usual for the method on this model.
    own, other
        Mean validation losses at the two rates, in nats a unit.
    error
        Standard error of their difference.
    n
        Validation rows.
    """

    stage: str
    rate: float
    usual: float
    low: float
    high: float
    own: float
    other: float
    error: float
    n: int

    @property
    def too_high(self) -> bool:
        """Whether the rate is above the sweep and not surely better than the usual one."""
        return self.rate > self.high and not self._better

    @property
    def too_low(self) -> bool:
        """Whether the rate is below the sweep and not surely better than the usual one."""
        return self.rate < self.low and not self._better

    @property
    def _better(self) -> bool:
        return self.own + SURE * self.error < self.other

    def sentence(self) -> str:
        """Return rates and losses in words."""
        behind = self.own - self.other
        sure = "" if abs(behind) > SURE * self.error else ", which these rows cannot tell apart"
        return (
            f"The learning rate {self.rate:g} is {self.rate / self.usual:.3g} times what is usual "
            f"here ({self.usual:g}; sweep {self.low:g} to {self.high:g}). Trained as long at the "
            f"usual rate the validation loss is {self.other:.4f} nats a unit, at this one "
            f"{self.own:.4f} (± {self.error:.4f}, n {self.n}){sure}."
        )


def counter_trial(
    material: Material, trials: Sequence[Trial], rates: tuple[float, float, float]
) -> Counter | None:
    """Return the plan's trial beside one at the usual rate; nothing where its rate is usual.

    Parameters
    ----------
    trials
        The fitted candidates; the plan's own method is looked for among them.
    rates
        A low, a usual and a high rate of that method on this model.
    """
    low, usual, high = rates
    own = next((t for t in trials if t.candidate.method == material.plan.method), None)
    if own is None or own.head is not None:
        return None
    if low / BEYOND <= own.learning_rate <= high * BEYOND:
        return None
    training = own.candidate.training.model_copy(update={"learning_rate": usual})
    name = f"{own.name.partition('@')[0]}@{usual:g}"
    other = try_out(material, replace(own.candidate, name=name, training=training))
    judged = own.validation
    if own.by_row is not None:
        # A row that a cross-fit judged again is no further row.
        judged = judged.take(range(len(own.by_row.rows)))
    figures = _compared(judged, other.validation)
    return Counter(own.name, own.learning_rate, usual, low, high, *figures)


def _compared(own: Outcomes, other: Outcomes) -> tuple[float, float, float, int]:
    """Return both mean losses a unit, the standard error of their difference, and the rows."""
    means = [float(found.losses.sum() / found.units.sum()) for found in (own, other)]
    spreads = [
        (found.losses - mean * found.units) / found.units.sum()
        for found, mean in zip((own, other), means, strict=True)
    ]
    if own.sources == other.sources:
        error = np.sqrt(((spreads[0] - spreads[1]) ** 2).sum())
    else:
        # A cross-fitted trial was judged on every known row: nothing to pair.
        error = np.sqrt(sum((spread**2).sum() for spread in spreads))
    return means[0], means[1], float(error), len(other)
