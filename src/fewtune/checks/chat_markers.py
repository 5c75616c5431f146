"""Rows in which the markers of a chat template are written out.

fewtune renders turns by the model's own template. A row that was rendered before is right only for
a model with that very template, and as a turn it is rendered twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, quote, share, sources, written
from fewtune.checks._templates import TEMPLATES
from fewtune.checks.base import Check, Context
from fewtune.records import Dataset, Finding

__all__ = ["ChatMarkers", "marked"]


class ChatMarkers(Check):
    """Looks for the markers of known templates in texts that a generator learns from."""

    shapes = frozenset({"prompt", "chat", "text"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one warning for each template, with its rows."""
        data = context.data
        for name, rows in marked(data).items():
            yield Finding(
                "chat_markers",
                "warning",
                sources(data, rows),
                f"{count(len(rows), 'row holds', 'rows hold')} markers of the {name} chat template "
                f"({share(len(rows), len(data))}): "
                f"{quote(written(data.examples[rows[0]], data.shape))}.",
                "Give the turns without markers, as messages or as prompt and completion: they are "
                "rendered by the model's own template",
            )


def marked(data: Dataset) -> dict[str, list[int]]:
    """Return the rows that hold both markers of a template, by its name."""
    found: dict[str, list[int]] = {}
    if data.shape in ("labelled_text", "labelled_image"):
        return found
    for index, example in enumerate(data.examples):
        text = written(example, data.shape)
        if "<" not in text and "[" not in text:
            continue
        for name, markers in TEMPLATES.items():
            if all(marker in text for marker in markers):
                found.setdefault(name, []).append(index)
    return found
