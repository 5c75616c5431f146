"""How a language model is held to its base: harder where less may be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fewtune.plan.plan import Part, SelectPlan, TrainingPlan

__all__ = ["FIRM", "USUAL", "Hold", "hold_for"]

EASE = 4.0
"""Most times less that a refit is held than its trial. Short trials of weaker and of harder holds
chose by how fast these learn: a weaker one is ahead after twenty updates, whatever it comes to
(benchmarks/LOG.md)."""

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
    """

    options: dict[str, Any]
    last: bool
    reason: str

    def part(self) -> Part:
        """Return the regularizer."""
        return Part(name="kl_to_base", options=dict(self.options))

    def replayed(self) -> Part:
        """Return what trains on the rows that the model is held on."""
        rows = {key: self.options[key] for key in ("samples", "passages")}
        return Part(name="replay", options=rows)

    def settle(self, training: TrainingPlan, select: SelectPlan, reasons: dict[str, str]) -> None:
        """Set which weights are kept and how far a refit is eased, with the reasons."""
        select.ease = EASE
        reasons["select.ease"] = (
            "where next to nothing is forgotten and nearly all is learnt the hold only costs: the "
            "refit may be held less than its trial was"
        )
        if not self.last:
            return
        training.evaluations, training.averaged = 1, 0.0
        reasons["training.evaluations"] = reasons["training.averaged"] = (
            "the last weights are kept: a model that is held hard learns little by heart, and "
            "forgets least where the rate has fallen to zero"
        )


USUAL = Hold(
    {"samples": 96, "passages": 120, "weight": 2.0},
    False,
    "holding the model to its base, on the base's own samples and on passages of general text, is "
    "the strongest single guard against forgetting that was measured (benchmarks/LOG.md)",
)
"""32 samples at each of three temperatures. Hot ones reach what the base would seldom write, the
passages what others write: with them instead of half of the samples twice the weight held more of
everything, at a lower loss on the target (benchmarks/LOG.md)."""

FIRM = Hold(
    {"samples": 96, "passages": 120, "weight": 4.0},
    True,
    f"a budget of general loss below {100 * FIRM_BELOW:g}% asks for twice the usual weight",
)
"""On a development draw it forgot 0.5% where the usual hold forgot 0.8 and plain tuning 5.2, at a
loss on the target below plain's (benchmarks/LOG.md)."""


def hold_for(budget: float) -> Hold:
    """Return how hard to hold.

    Parameters
    ----------
    budget
        Most rise of the loss on general text, as a share; 0 for no bound.
    """
    return FIRM if 0 < budget < FIRM_BELOW else USUAL
