"""Rows without an input or without a target.

A row that teaches nothing, or that teaches to answer with nothing, is not trained on.
"""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, sources
from fewtune.checks.base import Check, Context
from fewtune.data.thumbnails import thumbnail
from fewtune.records import Example, Finding, Shape

__all__ = ["Empty"]


class Empty(Check):
    """Finds rows in which the input or the target is missing, or is only white space."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one error for empty rows, one warning for empty turns inside chats."""
        shape = context.data.shape
        empty = [
            (i, fault) for i, e in enumerate(context.data.examples) if (fault := _fault(e, shape))
        ]
        if empty:
            rows = sources(context.data, (i for i, _ in empty))
            faults = ", ".join(sorted({fault for _, fault in empty}))
            yield Finding(
                "empty",
                "error",
                rows,
                f"{count(len(empty), 'row')} of {len(context.data):,} can teach nothing: {faults}; "
                f"the first is {rows[0]}.",
                "Fill the rows in, or leave them out with --write",
                drop=rows,
            )
        gone = {i for i, _ in empty}
        silent = [
            i
            for i, e in enumerate(context.data.examples)
            if i not in gone and any(not m.content.strip() for m in e.messages)
        ]
        if silent:
            yield Finding(
                "empty",
                "warning",
                sources(context.data, silent),
                f"{count(len(silent), 'chat has', 'chats have')} a turn without a word in it.",
                "Take the empty turns out, or fill them in",
            )


def _fault(example: Example, shape: Shape) -> str:
    """Return what is missing in a row, or nothing."""
    if shape == "labelled_image":
        if not example.input or not _readable(example.input):
            return "an image that cannot be read"
    elif shape == "chat":
        answers = [at for at, turn in enumerate(example.messages) if turn.role == "assistant"]
        before = example.messages[: answers[-1]] if answers else example.messages
        if not any(turn.content.strip() for turn in before):
            return "no turn before the answer has text"
    elif shape != "text" and not example.input.strip():
        return "an empty input"
    if example.target is None or not example.target.strip():
        return "an empty text" if shape == "text" else "an empty target"
    return ""


def _readable(path: str) -> bool:
    """Return whether a file is an image to its end."""
    return thumbnail(path) is not None
