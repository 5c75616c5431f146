"""Probes of general ability that come with fewtune: short items and general text, read from files.

What they are and how they are scored is written in ``README.md`` of this folder. Reading them needs
neither torch nor a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

__all__ = ["KINDS", "ProbeItem", "general_text", "items", "parse_items"]

KINDS = ("cloze", "grammar", "choice", "arithmetic", "instruction")
"""The kinds of item, in the order of the file."""

_FIELDS = ("id", "kind", "context", "options", "answer")


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """One item: the option that continues the context is to be the likeliest for the model.

    Attributes
    ----------
    id
        Name of the item, unique in its file: ``"cloze-001"``.
    kind
        One of `KINDS`.
    context
        Text that every option continues. It ends without white space.
    options
        Continuations, each beginning with its space, so ``context + option`` is plain text.
    answer
        Index in `options` of the right one.
    asked
        Whether the context is a question put to the model, through its chat template where it has
        one, rather than a text to go on with. No built-in item is.

    Examples
    --------
    >>> item = ProbeItem("cloze-001", "cloze", "The cat drank the", (" milk.", " moon."), 0)
    >>> item.context + item.options[item.answer]
    'The cat drank the milk.'
    >>> item.chance
    0.5
    """

    id: str
    kind: str
    context: str
    options: tuple[str, ...]
    answer: int
    asked: bool = False

    @property
    def chance(self) -> float:
        """Probability that an option drawn at random is right."""
        return 1.0 / len(self.options)


def items(kind: str | None = None) -> list[ProbeItem]:
    """Return the built-in items, all of them or those of one kind, in the order of the file.

    Parameters
    ----------
    kind
        One of `KINDS`, or None for every item.

    Returns
    -------
    list of ProbeItem
        The items.

    Raises
    ------
    ValueError
        If there is no such kind, or a line of the file is not an item; the message names file:line.

    Examples
    --------
    >>> sorted({item.kind for item in items()}) == sorted(KINDS)
    True
    >>> {item.chance for item in items("grammar")}
    {0.5}
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"Expected a kind among {', '.join(KINDS)}. Got {kind!r}.")
    name = "items.jsonl"
    found = parse_items(_lines(name), name)
    return [item for item in found if kind is None or item.kind == kind]


def general_text() -> list[str]:
    """Return the built-in paragraphs of general English prose, for the loss per byte.

    Returns
    -------
    list of str
        One paragraph each, without the line end.

    Raises
    ------
    ValueError
        If a line is empty or repeated, or there is none; the message names file:line.

    Examples
    --------
    >>> len(general_text())
    60
    """
    name = "general.txt"
    paragraphs: dict[str, int] = {}
    for number, line in enumerate(_lines(name), start=1):
        where = f"{name}:{number}"
        text = line.strip()
        if not text:
            raise ValueError(f"Expected a paragraph. Got an empty line ({where}).")
        if text in paragraphs:
            raise ValueError(
                f"Expected a new paragraph. Got the one of line {paragraphs[text]} again ({where})."
            )
        paragraphs[text] = number
    if not paragraphs:
        raise ValueError(f"Expected paragraphs, one a line. Got an empty file ({name}:1).")
    return list(paragraphs)


def parse_items(lines: Iterable[str], name: str) -> list[ProbeItem]:
    """Return the items that JSON lines hold.

    Parameters
    ----------
    lines
        One JSON object each, with the fields of `ProbeItem`; the format of ``items.jsonl``.
    name
        Name of the file, for messages.

    Returns
    -------
    list of ProbeItem
        The items, at least one.

    Raises
    ------
    ValueError
        If a line is not an item, an id or a question comes twice, or there is no line; the message
        names file:line.

    Examples
    --------
    >>> parse_items(['{"id": "a", "kind": "cloze"}'], "mine.jsonl")
    Traceback (most recent call last):
    ...
    ValueError: Expected the fields id, kind, context, options, answer. Got id, kind (mine.jsonl:1).
    """
    found: list[ProbeItem] = []
    ids: dict[str, int] = {}
    questions: dict[tuple[str, tuple[str, ...]], int] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        item = _parse_item(line, where)
        if item.id in ids:
            raise ValueError(
                f"Expected a new id. Got {item.id!r} of line {ids[item.id]} again ({where})."
            )
        question = (item.context, tuple(sorted(item.options)))
        if question in questions:
            raise ValueError(
                "Expected a new context or new options. "
                f"Got those of line {questions[question]} again ({where})."
            )
        ids[item.id] = questions[question] = number
        found.append(item)
    if not found:
        raise ValueError(f"Expected items, one a line. Got an empty file ({name}:1).")
    return found


def _parse_item(line: str, where: str) -> ProbeItem:
    """Return the item of one line, or raise ValueError naming ``where``."""
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected a JSON object. Got {line[:60]!r} ({where}).") from error
    if not isinstance(row, dict):
        raise ValueError(f"Expected a JSON object. Got {line[:60]!r} ({where}).")
    if set(row) != set(_FIELDS):
        raise ValueError(
            f"Expected the fields {', '.join(_FIELDS)}. "
            f"Got {', '.join(map(str, row)) or 'none'} ({where})."
        )
    identity, kind, context = row["id"], row["kind"], row["context"]
    options, answer = row["options"], row["answer"]
    if not isinstance(identity, str) or not identity:
        raise ValueError(f"Expected an id that is a word. Got {identity!r} ({where}).")
    if kind not in KINDS:
        raise ValueError(f"Expected a kind among {', '.join(KINDS)}. Got {kind!r} ({where}).")
    if not isinstance(context, str) or not context or context != context.strip():
        raise ValueError(
            f"Expected a context without white space around it. Got {context!r} ({where})."
        )
    if not isinstance(options, list) or len(options) < 2:
        raise ValueError(f"Expected a list of 2 options or more. Got {options!r} ({where}).")
    for option in options:
        if not isinstance(option, str) or option != f" {option.strip()}" or option == " ":
            raise ValueError(
                f"Expected an option that begins with its one space. Got {option!r} ({where})."
            )
    if len(set(options)) < len(options):
        raise ValueError(f"Expected options that differ. Got {options!r} ({where}).")
    if type(answer) is not int or not 0 <= answer < len(options):
        raise ValueError(
            f"Expected an answer from 0 to {len(options) - 1}. Got {answer!r} ({where})."
        )
    return ProbeItem(identity, kind, context, tuple(options), answer)


def _lines(name: str) -> list[str]:
    """Return the lines of a file of this package."""
    data = (resources.files(__name__) / name).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"Expected UTF-8 text. Got other bytes ({name}:{number}).") from error
    return text.removesuffix("\n").split("\n") if text else []
