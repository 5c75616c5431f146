"""SAM: steps against the worst loss nearby, so that training ends where the loss is flat."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field

from fewtune.family import Options
from fewtune.regularizers.base import Regularizer, Running

__all__ = ["Sam"]


class SamOptions(Options):
    """Options of ``sam``."""

    rho: float = Field(0.05, gt=0, description="length of the step to the worst weights nearby")


class Sam(Regularizer):
    """Minimises the loss at θ + ρ·g/‖g‖ (2010.01412); sharp minima forget more (2406.04836).

    Each update costs two passes, which drop the same units. Where it was measured here it kept next
    to nothing of what is forgotten (benchmarks/LOG.md): try ``kl_to_base`` first.
    """

    Options = SamOptions
    owns_update = True

    def update(self, run: Running, backward: Callable[[], float]) -> float:
        """Step by the gradient at the worst weights nearby; return the loss before."""
        loss = backward()
        moved = [p for p in run.model.parameters() if p.grad is not None]
        slopes = [p.grad for p in moved if p.grad is not None]
        length = torch.nn.utils.get_total_norm(slopes) if slopes else torch.zeros(())
        # A flat loss has no worst direction; a broken one is for the monitors to tell.
        if torch.isfinite(length) and length > 0:
            # Kept whole: adding and subtracting would leave rounding behind in every weight.
            own = [p.detach().clone() for p in moved]
            with torch.no_grad():
                for parameter, slope in zip(moved, slopes, strict=True):
                    parameter.add_(slope * (self.options.rho / length))
            run.optimizer.zero_grad(set_to_none=True)
            backward()
            with torch.no_grad():
                for parameter, value in zip(moved, own, strict=True):
                    parameter.copy_(value)
        run.clip()
        run.optimizer.step()
        return loss
