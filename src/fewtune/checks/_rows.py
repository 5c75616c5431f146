"""What checks share when they read rows and speak of them; no check itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fewtune.checks.base import Context
from fewtune.records import Dataset, Example, Message, Shape

__all__ = [
    "TEXT_SHAPES",
    "TURN_SHAPES",
    "answer",
    "count",
    "mapped",
    "question",
    "quote",
    "sample",
    "segments",
    "share",
    "sources",
    "squeeze",
    "written",
]

TEXT_SHAPES: frozenset[Shape] = frozenset({"labelled_text", "prompt", "chat", "text"})
"""Every shape whose rows are texts."""

TURN_SHAPES: frozenset[Shape] = frozenset({"prompt", "chat"})
"""The shapes in which a written answer follows an input."""


def question(example: Example) -> str:
    """Return what a row is about: its input, or for plain text the text itself."""
    return example.input or example.target or ""


def answer(example: Example, shape: Shape) -> str:
    """Return the text that a generator would learn to write; empty where targets are labels."""
    if shape in ("labelled_text", "labelled_image"):
        return ""
    return example.target or ""


def segments(example: Example, shape: Shape) -> list[tuple[str, str]]:
    """Return the (place, text) pairs of a row that somebody wrote; labels and paths are none.

    The place is a role for chats, else ``input`` or ``target``.
    """
    if shape == "labelled_image":
        return []
    if example.messages:
        return [(m.role, m.content) for m in example.messages]
    found = [("input", example.input)] if example.input else []
    written_answer = answer(example, shape)
    if written_answer:
        found.append(("target", written_answer))
    return found


def written(example: Example, shape: Shape) -> str:
    """Return all that somebody wrote in a row, one segment a line."""
    return "\n".join(text for _, text in segments(example, shape))


def mapped(example: Example, shape: Shape, change: Callable[[str], str]) -> Example:
    """Return the row with ``change`` applied to every segment that somebody wrote."""
    if shape == "labelled_image":
        return example
    if not example.messages:
        target = example.target
        if target is not None and shape != "labelled_text":
            target = change(target)
        return replace(example, input=change(example.input), target=target)
    turns = tuple(Message(m.role, change(m.content)) for m in example.messages)
    last = max((i for i, m in enumerate(turns) if m.role == "assistant"), default=len(turns))
    before = "\n".join(f"{m.role}: {m.content}" for m in turns[:last])
    target = turns[last].content if last < len(turns) else example.target
    return replace(example, messages=turns, input=before, target=target)


def squeeze(text: str) -> str:
    """Return the text with every run of white space as one space, without those at the ends."""
    return " ".join(text.split())


def quote(text: str, limit: int = 60) -> str:
    """Return the text in quotes on one line, cut to ``limit`` characters.

    Examples
    --------
    >>> quote("one  two three", 9)
    '“one two…”'
    """
    line = squeeze(text)
    if len(line) > limit:
        line = line[: limit - 1].rsplit(" ", 1)[0] + "…"
    return f"“{line}”"


def count(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun in the right form.

    Examples
    --------
    >>> count(1, "row"), count(1234, "row"), count(2, "copy", "copies")
    ('1 row', '1,234 rows', '2 copies')
    """
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def share(part: float, whole: float) -> str:
    """Return a part of a whole as a percentage that never reads 0% or 100% when it is not.

    Examples
    --------
    >>> share(1, 1000), share(25, 100), share(999, 1000)
    ('0.1%', '25%', '99.9%')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    near_an_end = percent < 1 or percent > 99
    return f"{percent:.1f}%" if near_an_end and percent not in (0, 100) else f"{percent:.0f}%"


def sources(data: Dataset, indices: Iterable[int]) -> tuple[str, ...]:
    """Return the sources of the rows at ``indices``, each once, in the order given."""
    return tuple(dict.fromkeys(data.examples[i].source for i in indices))


def sample(context: Context, most: int, stream: str = "train") -> Sequence[int]:
    """Return the indices of all rows, or of ``most`` rows drawn with the context's seed, ascending.

    ``stream`` is ``train`` or ``test``.
    """
    import random

    rows = len(context.data) if stream == "train" else len(context.test or ())
    if rows <= most:
        return range(rows)
    return sorted(random.Random(context.seed).sample(range(rows), most))
