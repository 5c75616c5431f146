"""Examples to token ids and labels; a row that would teach nothing is an error that names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from fewtune.data.template import render
from fewtune.errors import DataError, ModelError
from fewtune.records import Example, Shape

__all__ = [
    "IGNORED",
    "Encoded",
    "Written",
    "encode_inputs",
    "encode_supervised",
    "prompt_and_answer",
    "written",
]

IGNORED = -100
"""Label of a token that is not trained."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids.

    Attributes
    ----------
    ids
        Token ids, special tokens included.
    labels
        For each position the id that the model should give *there* (not shifted), or ``IGNORED``.
    bytes
        UTF-8 bytes of the trained text, special tokens not counted. Of a row that was cut they are
        those of the tokens that are left and have one before them: what its loss is a sum over.
    cut
        Tokens that did not fit and were left out.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    bytes: int
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """One example as the text that a language model reads, and where its tokens stand in it.

    Attributes
    ----------
    text
        All of it, special tokens written out.
    spans
        The half-open character spans that are trained.
    ids
        Token ids.
    offsets
        For each token the half-open character span that it writes. Tokens that share a character
        (its bytes) have the same one.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


def written(tokenizer: Any, example: Example, shape: Shape) -> Written:
    """Return the whole text of an example for a causal language model, and its tokens.

    Parameters
    ----------
    tokenizer
        A fast tokenizer with a chat template.
    example
        A row with its target.
    shape
        How the row is made.
    """
    rendered = render(tokenizer, example, shape)
    # Longer ones are cut or refused by who asks: no word of the tokenizer's own.
    parts = tokenizer(
        rendered.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    offsets, reached = [], 0
    for start, end in parts["offset_mapping"]:
        # Some tokenizers trim spaces from offsets: of a token of spaces alone its end is left.
        offsets.append((min(reached, start) if start == end else start, end))
        reached = end
    return Written(rendered.text, rendered.spans, tuple(parts["input_ids"]), tuple(offsets))


def _fast(tokenizer: Any) -> Any:
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            "a fast tokenizer, which knows the place of each token in the text",
            type(tokenizer).__name__,
            getattr(tokenizer, "name_or_path", ""),
            "Add a tokenizer.json to the model folder",
        )
    return tokenizer


def encode_supervised(
    tokenizer: Any,
    examples: Sequence[Example],
    shape: Shape,
    max_length: int,
    truncation: Literal["refuse", "left", "right"] = "refuse",
) -> list[Encoded]:
    """Return ids and labels of ``examples`` for a causal language model.

    Parameters
    ----------
    tokenizer
        A fast tokenizer with a chat template.
    examples
        Rows with targets.
    shape
        How the rows are made.
    max_length
        Most tokens of a row.
    truncation
        What happens to a longer row: an error, or tokens are cut from its left or right.

    Raises
    ------
    DataError
        If rows are too long (and ``truncation`` is ``refuse``) or nothing of a row is trained.
    """
    _fast(tokenizer)
    encoded: list[Encoded] = []
    too_long: list[str] = []
    emptied: list[str] = []
    empty: list[str] = []
    special = tokenizer.all_special_tokens
    for example in examples:
        whole = written(tokenizer, example, shape)
        cut = max(0, len(whole.ids) - max_length)
        if cut and truncation == "refuse":
            too_long.append(f"{example.source} ({len(whole.ids)} tokens)")
        kept = slice(cut, None) if truncation == "left" else slice(None, max_length)
        ids, labels = whole.ids[kept], _labels(whole)[kept]
        taught = _taught(whole, special, whole.offsets[kept] if cut else ())
        # The first position has nothing before it to be predicted from.
        if all(label == IGNORED for label in labels[1:]):
            (emptied if cut else empty).append(example.source)
        encoded.append(Encoded(tuple(ids), tuple(labels), len(taught.encode()), cut))
    _refuse(
        too_long,
        f"rows of at most {max_length} tokens",
        "Shorten or split them, or allow cutting with --set task.truncation=left",
    )
    _refuse(
        emptied,
        f"something to learn in every row after truncation to {max_length} tokens",
        "Raise task.max_length, cut on the left (task.truncation=left) or shorten the rows",
    )
    _refuse(
        empty,
        "something to learn in every row",
        "Mend or remove the rows: an empty answer left no trained token",
    )
    return encoded


def prompt_and_answer(labels: Sequence[int]) -> tuple[int, int]:
    """Return the tokens before the last answer of a row, and those of its longest answer.

    In a chat every turn of the assistant is an answer.

    Examples
    --------
    >>> prompt_and_answer((IGNORED, 5, 6, 7, IGNORED, IGNORED, 8, 9))
    (6, 3)
    """
    prompt = at = longest = 0
    for trained, run in groupby(labels, lambda label: label != IGNORED):
        length = sum(1 for _ in run)
        if trained:
            prompt, longest = at, max(longest, length)
        at += length
    return prompt, longest


def _refuse(rows: list[str], expected: str, cure: str) -> None:
    if rows:
        shown = ", ".join(rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
        noun = "row" if len(rows) == 1 else "rows"
        raise DataError(expected, f"{len(rows)} {noun} otherwise", shown, cure)


def _taught(whole: Written, special: Sequence[str], left: Sequence[tuple[int, int]] = ()) -> str:
    """Return the trained text without special tokens and outer spaces.

    Of a row that was cut to the tokens at ``left`` it is the text of those that are predicted, for
    which the first one is not.
    """
    begin, last = 0, len(whole.text)
    if left:
        begin, last = left[min(1, len(left) - 1)][0], left[-1][1]
    spans = ((max(start, begin), min(end, last)) for start, end in whole.spans)
    taught = "".join(whole.text[start:end] for start, end in spans if start < end)
    for token in special:
        taught = taught.replace(token, "")
    return taught.strip()


def _labels(whole: Written) -> list[int]:
    """Return the id where a token touches a trained span, ``IGNORED`` elsewhere.

    A token that straddles the start of a span (a space glued to the answer's first word) is
    trained: it is part of what the model must write.
    """
    labels = [IGNORED] * len(whole.ids)
    remaining = iter(whole.spans)
    span = next(remaining, None)
    for place, (start, end) in enumerate(whole.offsets):
        while span is not None and start >= span[1]:
            span = next(remaining, None)
        if span is None:
            break
        if end > span[0] and end > start:
            labels[place] = whole.ids[place]
    return labels


def encode_inputs(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Encoded]:
    """Return the ids of plain inputs with the tokenizer's own special tokens, cut on the right."""
    _fast(tokenizer)
    if not texts:
        return []
    full = tokenizer(list(texts), truncation=False, add_special_tokens=True, verbose=False)[
        "input_ids"
    ]
    short = tokenizer(list(texts), truncation=True, max_length=max_length, add_special_tokens=True)[
        "input_ids"
    ]
    return [
        Encoded(tuple(ids), (), len(text.encode()), len(whole) - len(ids))
        for ids, whole, text in zip(short, full, texts, strict=True)
    ]
