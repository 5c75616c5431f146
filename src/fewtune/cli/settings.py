"""Settings of a plan as the command line takes them: ``--set key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from fewtune.errors import PlanError

__all__ = ["parse_settings"]


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``key=value`` pairs as a table, values read as YAML (``1e-4`` is a number here).

    Examples
    --------
    >>> parse_settings(["training.learning_rate=1e-4", "method.name=full"])
    {'training.learning_rate': 0.0001, 'method.name': 'full'}
    """
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise PlanError(
                "a setting as key=value", f"{pair!r}", "--set", "Write --set training.updates=300"
            )
        try:
            value: Any = float(text) if "e" in text.lower() else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError):
            value = text
            if "e" in text.lower():
                try:
                    value = yaml.safe_load(text)
                except yaml.YAMLError:
                    value = text
        values[key.strip()] = value
    return values
