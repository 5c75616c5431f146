"""How a language model is held to its base: harder where less may be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fewtune.plan.plan import Part, SelectPlan, TrainingPlan

__all__ = ["FIRM", "USUAL", "Hold", "hold_for"]

OTHERS = (0.25, 4.0)
"""Times its weight that short trials try beside it, where less is forgotten, or more."""

FIRM_BELOW = 0.02
"""Budget of general loss, as a share, below which the usual hold is too weak: it left the built-in
model 1.4 to 3.0% worse on general text, whatever the data (benchmarks/LOG.md)."""


@dataclass(frozen=True)
class Hold:
    """How hard a model is held, and which of its weights are kept.

    Attributes
    ----------
    options
        Of ``kl_to_base``.
    last
        Whether the last weights are kept, whatever the validation rows say of earlier ones.
    reason
        Why it is so, in words.
    ease
        Most times that the refit may be held less, where its trial kept below the budget.
    """

    options: dict[str, Any]
    last: bool
    reason: str
    ease: float = 1.0

    def part(self, times: float = 1.0) -> Part:
        """Return the regularizer, its weight that many times as large."""
        weight = times * self.options["weight"]
        return Part(name="kl_to_base", options=self.options | {"weight": weight})

    def settle(self, training: TrainingPlan, select: SelectPlan, reasons: dict[str, str]) -> None:
        """Set which weights are kept and how far a refit is eased, with the reasons."""
        if not self.last:
            return
        training.evaluations, training.averaged = 1, 0.0
        reasons["training.evaluations"] = reasons["training.averaged"] = (
            "the last weights are kept: a model that is held hard learns little by heart, and "
            "forgets least where the rate has fallen to zero"
        )
        select.ease = self.ease
        reasons["select.ease"] = (
            "where less is forgotten than is allowed the hold only costs: the refit may be held "
            "less than its trial was"
        )

    def others(self) -> list[Part]:
        """Return the weights that short trials try beside it."""
        return [self.part(times) for times in OTHERS]


USUAL = Hold(
    {"samples": 192, "weight": 1.0},
    False,
    "holding the model to its base on the base's own samples is the strongest single guard "
    "against forgetting that was measured (benchmarks/training)",
)
"""64 samples at each of three temperatures. Hot ones reach what the base would seldom write, and
most of what plain ones leave (benchmarks/LOG.md)."""

FIRM = Hold(
    {"samples": 384, "weight": 4.0, "memory": 512},
    True,
    f"a budget of general loss below {100 * FIRM_BELOW:g}% asks for four times the usual weight on "
    "twice the base's own samples",
    ease=2.0,
)
"""On a development draw it forgot 0.6% where the usual hold forgot 2.8 and plain tuning 7.9, at
plain's target; with the best snapshot in place of the last weights 1.9 (benchmarks/LOG.md)."""


def hold_for(budget: float) -> Hold:
    """Return how hard to hold.

    Parameters
    ----------
    budget
        Most rise of the loss on general text, as a share; 0 for no bound.
    """
    return FIRM if 0 < budget < FIRM_BELOW else USUAL
