"""How far each weight is from where it started: for LoRA the change of the adapted weight itself.

One definition for every method, so that a strength means the same for full fine-tuning and LoRA.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from fewtune.models.adapters import adapted
from fewtune.regularizers.base import Running
from fewtune.regularizers.reference import holding

__all__ = ["Changes"]

NO_BASE = {
    "prefix": "a prefix is new, so it has no weights of the base to stay near",
}
"""Methods for which a distance between weights protects nothing."""


class Changes:
    """The changes of all weights that train.

    Parameters
    ----------
    run
        The training, before its first update or after a resume.
    """

    def __init__(self, run: Running) -> None:
        self._now: dict[str, Callable[[], Tensor]] = {}
        self._first: dict[str, Tensor] = {}
        with torch.no_grad(), holding(run.model, run.start):
            for name, _, change in adapted(run.model):
                self._now[name] = change
                first = change()
                # Adapters begin without a change, unless they were trained before.
                if first.any():
                    self._first[name] = first
        for name, parameter in run.model.named_parameters():
            if name in run.start and "lora_" not in name:
                self._now[name] = parameter.clone
                self._first[name] = run.start[name]

    def sum(self, term: Callable[[str, Tensor], Tensor]) -> Tensor:
        """Return the sum of ``term(name, change)`` over all weights.

        What the terms compute is computed again for their gradient, one weight at a time, so that
        no second copy of a large model's weights is held.
        """

        def one(name: str) -> Tensor:
            change = self._now[name]()
            if name in self._first:
                change = change - self._first[name]
            return term(name, change)

        terms = [
            checkpoint(one, name, use_reentrant=False, preserve_rng_state=False)
            for name in self._now
        ]
        return torch.stack(terms).sum()
