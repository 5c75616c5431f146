"""Rows that were rendered by hand, and whether the model has their template."""

from __future__ import annotations

from typing import Any

from fewtune.checks._templates import TEMPLATES
from fewtune.checks.chat_markers import marked
from fewtune.records import Dataset

__all__ = ["rendered"]

MANY = 0.05
"""Share of the rows from which on they were rendered so, and do not speak of templates."""


def rendered(data: Dataset, tokenizer: Any) -> dict[str, tuple[list[int], bool]]:
    """Return rows by the template that they hold markers of, and whether the model has it."""
    known = tokenizer.get_vocab()
    written = tokenizer.chat_template or ""
    found = {}
    for name, rows in marked(data).items():
        if len(rows) >= max(2, MANY * len(data)):
            own = all(marker in known or marker in written for marker in TEMPLATES[name])
            found[name] = (rows, own)
    return found
