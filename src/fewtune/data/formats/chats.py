"""A list of turns, in the words of OpenAI or ShareGPT, to messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fewtune.data.formats.base import Record, clip, listed, name_kind
from fewtune.records import Message

__all__ = ["ROLES", "BadTurn", "as_input", "join_halves", "parse_turns"]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "customer": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "assistant",
}
"""The four roles of a chat, by every name under which files speak of them."""


class BadTurn(Exception):
    """What was expected of a turn and what came; the row's reader adds the place."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got
        super().__init__(expected, got)


def parse_turns(value: Any, system: Any = None) -> tuple[Message, ...]:
    """Return the messages of one chat.

    Parameters
    ----------
    value
        A list of objects with ``role`` and ``content`` or ``from`` and ``value``, or that list
        written as JSON.
    system
        A system prompt that stands in a column of its own.

    Raises
    ------
    BadTurn
        If a turn is not made so.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BadTurn("turns as a JSON list", clip(value, 40)) from error
    if not isinstance(value, list):
        raise BadTurn("a list of turns", name_kind(value))
    turns = [_turn(turn, number) for number, turn in enumerate(value, 1)]
    if isinstance(system, str) and system.strip() and not (turns and turns[0].role == "system"):
        turns.insert(0, Message("system", system))
    return tuple(turns)


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, dict):
        raise BadTurn(f"turn {number} as an object with role and content", name_kind(turn))
    role = _first(turn, "role", "from")
    if role is None:
        raise BadTurn(f"a role in turn {number}", f"the keys {listed(map(str, turn), 6)}")
    known = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise BadTurn(
            f"system, user, assistant or tool as the role of turn {number}", name_kind(role)
        )
    content = _first(turn, "content", "value", "text")
    calls = turn.get("tool_calls") or turn.get("function_call")
    if content is None and not calls and not {"content", "value", "text"} & turn.keys():
        raise BadTurn(f"content in turn {number}", f"the keys {listed(map(str, turn), 6)}")
    text = _text(content, number)
    if calls:
        text = "\n".join(part for part in (text, json.dumps(calls, ensure_ascii=False)) if part)
    return Message(known, text)


def _first(turn: Mapping[str, Any], *keys: str) -> Any:
    return next((turn[key] for key in keys if turn.get(key) is not None), None)


def _text(content: Any, number: int) -> str:
    """Return what a turn says; a list of parts is joined, as long as all of them are text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            return "".join(texts)
    raise BadTurn(f"text as the content of turn {number}", name_kind(content))


def join_halves(records: Iterable[Record]) -> list[Record]:
    """Return rows with the turns of a prompt and of its completion as one list of messages.

    So TRL writes chats of which the last turns are to be learned; others are as they were.
    """
    return [
        replace(record, fields=_joined(record.fields))
        if all(isinstance(record.fields.get(half), list) for half in ("prompt", "completion"))
        else record
        for record in records
    ]


def _joined(fields: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in fields.items() if name not in ("prompt", "completion")}
    return {"messages": [*fields["prompt"], *fields["completion"]], **rest}


def as_input(turns: tuple[Message, ...]) -> str:
    r"""Return turns as ``role: content`` lines.

    Examples
    --------
    >>> as_input((Message("user", "Hi"), Message("assistant", "Hello")))
    'user: Hi\nassistant: Hello'
    """
    return "\n".join(f"{turn.role}: {turn.content}" for turn in turns)
