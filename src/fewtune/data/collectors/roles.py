"""Who is the assistant and who the user in a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fewtune.data.collectors.base import quote
from fewtune.data.collectors.cues import Turn
from fewtune.errors import DataError, PlanError
from fewtune.records import Message

__all__ = ["as_messages", "assign", "known_role", "parse_roles"]

ALLOWED = ("user", "assistant", "system", "skip")

ASSISTANT = frozenset(
    "receptionist reception agent support assistant advisor adviser operator representative rep "
    "clerk helpdesk desk staff bot chatbot employee consultant dispatcher technician teller "
    "concierge ai".split()
)
USER = frozenset(
    "caller customer patient user client guest visitor member human buyer tenant student "
    "subscriber shopper parent".split()
)


def known_role(name: str) -> str:
    """Return the role that a speaker's name tells, or nothing.

    Examples
    --------
    >>> known_role("Support Agent 2"), known_role("Amy (receptionist)"), known_role("Amy")
    ('assistant', 'assistant', '')
    >>> known_role("Customer support")
    'assistant'
    """
    words = re.findall(r"[a-z]+", name.lower())
    if not words:
        return ""
    if words == ["system"]:
        return "system"
    # "Customer service agent": the last word says who it is, unless brackets tell more.
    for word in reversed(words):
        if word in ASSISTANT:
            return "assistant"
        if word in USER:
            return "user"
    return ""


def parse_roles(text: str) -> dict[str, str]:
    """Return speaker to role from ``Amy=assistant,Bob=user``.

    Raises
    ------
    PlanError
        If a part is not made so, or the role is none of user, assistant, system and skip.

    Examples
    --------
    >>> parse_roles("Amy=assistant, Dr. Hill = user")
    {'Amy': 'assistant', 'Dr. Hill': 'user'}
    """
    roles: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, role = (side.strip() for side in part.partition("="))
        role = role.lower()
        if not (name and equals) or role not in ALLOWED:
            raise PlanError(
                "speakers with their roles, such as Amy=assistant,Bob=user (or system, or skip)",
                quote(part),
                "--roles",
                "Mend it",
            )
        if roles.setdefault(name, role) != role:
            raise PlanError("one role for each speaker", f"two for {name}", "--roles", "Keep one")
    return roles


def assign(
    speakers: Sequence[str], given: Mapping[str, str], where: str, notes: list[str]
) -> dict[str, str]:
    """Return speaker to role.

    Given roles come first, then what names tell. If one of two speakers is left, he has the other
    role, and ``notes`` say so.

    Raises
    ------
    DataError
        If there is one speaker only, or it cannot be told who is who.
    """
    lower = {name.lower(): role for name, role in given.items()}
    roles = {name: lower.get(name.lower()) or known_role(name) for name in speakers}
    talking = [name for name in speakers if roles[name] not in ("skip", "system")]
    unknown = [name for name in talking if not roles[name]]
    if len(talking) < 2:
        who = f"only {quote(talking[0])}" if talking else "nobody"
        raise DataError(
            "a conversation between a user and an assistant",
            f"{who} speaking",
            where,
            "Collect it with --as text",
        )
    if len(unknown) == 1 and len(talking) == 2:
        other = roles[next(name for name in talking if roles[name])]
        roles[unknown[0]] = "user" if other == "assistant" else "assistant"
        notes.append(f"{quote(unknown[0])} was taken for the {roles[unknown[0]]}.")
    elif unknown:
        example = ",".join(f"{n}={r}" for n, r in zip(unknown, _guess(unknown), strict=True))
        raise DataError(
            "speakers whose role is known",
            f"{_listed(unknown)}, who may be the user or the assistant",
            where,
            f'Say who is who, for instance --roles "{example}"',
        )
    missing = {"user", "assistant"} - set(roles.values())
    if missing:
        raise DataError(
            "a user and an assistant",
            f"no {missing.pop()}: {_listed(talking)} have one role",
            where,
            f'Say who is who, for instance --roles "{talking[0]}=assistant,{talking[1]}=user"',
        )
    return roles


def _guess(unknown: Sequence[str]) -> list[str]:
    return ["assistant" if at == 0 else "user" for at in range(len(unknown))]


def _listed(names: Iterable[str]) -> str:
    quoted = [quote(name) for name in names]
    more = f" and {len(quoted) - 6} more" if len(quoted) > 6 else ""
    return ", ".join(quoted[:6]) + more


def as_messages(turns: Iterable[Turn], roles: Mapping[str, str]) -> list[tuple[Message, int]]:
    """Return messages with their lines; what one role says in a row is one message.

    A speaker who goes on continues the sentence; another one of the same role starts a new line.
    """
    made: list[tuple[str, int, list[str]]] = []
    last = ""
    for turn in turns:
        role = roles[turn.speaker]
        if role == "skip":
            continue
        if made and made[-1][0] == role:
            made[-1][2].append((" " if turn.speaker == last else "\n") + turn.text)
        else:
            made.append((role, turn.line, [turn.text]))
        last = turn.speaker
    return [(Message(role, "".join(parts)), line) for role, line, parts in made]
