"""Examples to token ids and labels; a row that would teach nothing is an error that names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from fewtune.data.template import render
from fewtune.errors import DataError, ModelError
from fewtune.records import Example, Shape

__all__ = ["IGNORED", "Encoded", "encode_inputs", "encode_supervised", "prompt_and_answer"]

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
        UTF-8 bytes of the trained text, special tokens not counted.
    cut
        Tokens that did not fit and were left out.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    bytes: int
    cut: int = 0


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
        rendered = render(tokenizer, example, shape)
        # Longer ones are cut or refused here: no word of the tokenizer's own.
        parts = tokenizer(
            rendered.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids, offsets = parts["input_ids"], parts["offset_mapping"]
        labels = _labels(ids, offsets, rendered.spans)
        taught = "".join(rendered.text[a:b] for a, b in rendered.spans)
        for token in special:
            taught = taught.replace(token, "")
        cut = max(0, len(ids) - max_length)
        if cut and truncation == "refuse":
            too_long.append(f"{example.source} ({len(ids)} tokens)")
        if cut:
            keep = slice(cut, None) if truncation == "left" else slice(None, max_length)
            ids, labels = ids[keep], labels[keep]
        # The first position has nothing before it to be predicted from.
        if all(label == IGNORED for label in labels[1:]):
            (emptied if cut else empty).append(example.source)
        encoded.append(Encoded(tuple(ids), tuple(labels), len(taught.strip().encode()), cut))
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


def _labels(
    ids: Sequence[int], offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> list[int]:
    """Return the id where a token touches a trained span, ``IGNORED`` elsewhere.

    A token that straddles the start of a span (a space glued to the answer's first word) is
    trained: it is part of what the model must write.
    """
    labels = [IGNORED] * len(ids)
    remaining = iter(spans)
    span = next(remaining, None)
    for place, (start, end) in enumerate(offsets):
        while span is not None and start >= span[1]:
            span = next(remaining, None)
        if span is None:
            break
        if end > span[0] and end > start:
            labels[place] = ids[place]
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
