"""Loss per byte: nats needed per UTF-8 byte of the targets; comparable across tokenizers."""

from __future__ import annotations

from fewtune.measures.base import Floats, RowMeasure
from fewtune.tasks.outcomes import Outcomes

__all__ = ["LossPerByte"]


class LossPerByte(RowMeasure):
    """Summed loss over summed bytes of the targets, in nats/byte; 0.693 is one bit per byte.

    The end token's loss counts, its bytes do not: ending well is part of the answer.
    """

    direction = "lower"
    unit = "nats/byte"
    tasks = frozenset({"generation"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the weighted ratio of sums."""
        ratios: Floats = (weights @ outcomes.losses) / (weights @ outcomes.bytes.astype(float))
        return ratios
