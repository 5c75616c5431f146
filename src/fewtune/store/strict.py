"""JSON that every reader takes: a figure that is not known is null, not NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["strict_json"]


def strict_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text in which NaN and infinity, which JSON does not know, are null.

    Examples
    --------
    >>> strict_json({"value": 0.5, "low": math.nan, "ä": [math.inf, 1]})
    '{"value": 0.5, "low": null, "ä": [null, 1]}'
    """
    return json.dumps(_known(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _known(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return value
