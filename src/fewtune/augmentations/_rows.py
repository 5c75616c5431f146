"""The part of a row that is asked, and the row with another one; no augmentation itself."""

from __future__ import annotations

from dataclasses import replace

from fewtune.records import Example, Message, Shape

__all__ = ["asked", "squeeze", "whole", "with_asked", "with_target"]


def squeeze(text: str) -> str:
    """Return the text with every run of white space as one space, without those at the ends."""
    return " ".join(text.split())


def _last(example: Example, role: str) -> int:
    """Return the place of the last turn of a role; -1 without one."""
    places = (i for i in range(len(example.messages) - 1, -1, -1))
    return next((i for i in places if example.messages[i].role == role), -1)


def asked(example: Example) -> str:
    """Return the input of a row: for a chat its last user turn, for plain text the text itself."""
    if example.messages:
        at = _last(example, "user")
        return example.messages[at].content if at >= 0 else ""
    return example.input or example.target or ""


def whole(example: Example, shape: Shape) -> str:
    """Return all that the model is given, by which a row counts as a copy of another."""
    return (example.target or "") if shape == "text" else example.input


def with_asked(example: Example, text: str) -> Example:
    """Return the row with another text in the place that ``asked`` reads."""
    if example.messages:
        return _with_turn(example, _last(example, "user"), text)
    return replace(example, input=text) if example.input else replace(example, target=text)


def with_target(example: Example, text: str) -> Example:
    """Return the row with another answer."""
    if example.messages:
        return _with_turn(example, _last(example, "assistant"), text)
    return replace(example, target=text)


def _with_turn(example: Example, at: int, text: str) -> Example:
    turns = list(example.messages)
    turns[at] = Message(turns[at].role, text)
    last = _last(example, "assistant")
    before = turns[:last] if last >= 0 else turns
    return replace(
        example,
        messages=tuple(turns),
        input="\n".join(f"{m.role}: {m.content}" for m in before),
        target=turns[last].content if last >= 0 else example.target,
    )
