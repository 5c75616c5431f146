"""Which rows are looked at where all of them would take too long."""

from __future__ import annotations

import numpy as np

__all__ = ["spread"]


def spread(count: int, of: int) -> list[int]:
    """Return at most ``count`` places spread evenly over ``of`` places.

    Examples
    --------
    >>> spread(3, 5)
    [0, 2, 4]
    >>> spread(9, 2)
    [0, 1]
    """
    count = min(count, of)
    return [int(place) for place in np.linspace(0, of - 1, count).round()] if count else []
