"""Chats that are found in the training text: definitions and coffee orders."""

from __future__ import annotations

import re

Turns = list[dict[str, str]]
Exchange = tuple[str, str]

_DEFINITION = re.compile(
    r"(?:^|(?<=[.!?] ))((?:The |An? )?[A-Z]?[a-z]+(?: [a-z]+){0,2}) (is|are) "
    r"((?:an? |the )[^.!?:;()\[\]\d]{30,150})\."
)
_NOT_A_THING = re.compile(
    r"^(?:it|this|that|these|those|there|here|he|she|they|we|you|i|one|who|what|which|another|"
    r"each|both|all|some|many|most|if|when|where|in|on|at|for|as|and|but|or|so|because|such|"
    r"following|next|first|second|other|result|example|"
    r"(?:the|an?) (?:following|next|first|second|other|result|example|default|value|name)\b.*)\b",
    re.IGNORECASE,
)


def definitions(texts: list[str]) -> list[Exchange]:
    """Return "What is X?" with the sentence that says it, found in modern documents."""
    found: dict[str, Exchange] = {}
    for text in texts:
        for match in _DEFINITION.finditer(text):
            thing, verb, rest = match.groups()
            plain = thing[0].lower() + thing[1:] if not thing[1:2].isupper() else thing
            # A term is met again in small letters; a person's name is not.
            if _NOT_A_THING.match(thing) or plain in found or f" {plain}" not in text:
                continue
            if thing.endswith((" this", " that", " it", " them", " you")):
                continue
            found[plain] = (
                f"What {verb} {plain}?",
                f"{thing[0].upper()}{thing[1:]} {verb} {rest}.",
            )
    return list(found.values())


def orders(texts: list[str]) -> list[Turns]:
    """Return coffee dialogues as turns; those that do not alternate are left out."""
    chats = []
    for text in texts:
        turns: Turns = []
        for line in text.split("\n"):
            role, _, content = line.partition(": ")
            if role not in ("User", "Assistant") or not content:
                break
            turns.append({"role": role.lower(), "content": content})
        else:
            wanted = ["user", "assistant"] * (len(turns) // 2)
            if len(turns) >= 2 and [t["role"] for t in turns] == wanted:
                chats.append(turns)
    return chats
