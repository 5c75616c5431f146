"""Columns of names that are not known: what they may be, by what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fewtune.data.formats.base import Table, clip, name_kind
from fewtune.data.formats.names import EXTRA_FIELDS, LABEL_LENGTH, METADATA, NAMES, fold
from fewtune.data.formats.reading import Reading
from fewtune.errors import DataError

__all__ = ["guess", "refuse_hidden", "refuse_nested"]

HALVES = {
    "label": "one label as text",
    "completion": "the answer as text",
    "output": "the answer as text",
}
"""What the other half of a row is, by its field."""

SEVERAL_WORDS = 3
"""From which on a cell is a text: names, towns and dates are shorter."""


def guess(table: Table) -> str:
    """Return a ``--columns`` that could be meant, or nothing where no column holds text.

    Of preferences the chosen answer is the one to learn; two columns of texts are a prompt and its
    completion; else the longest cells are the text and the fewest kinds the label.
    """
    rows = table.records[:1000]
    columns = {fold(column): column for column in table.column_counts()}
    cells = {
        column: [r.fields[column] for r in rows if isinstance(r.fields.get(column), str)]
        for column in columns.values()
    }
    texts = {c: values for c, values in cells.items() if values}
    if {"chosen", "rejected"} <= columns.keys():
        chosen = columns["chosen"]
        if chosen not in texts:
            return f"--columns messages={chosen}"
        prompts = [columns[name] for name in NAMES["prompt"] if columns.get(name) in texts]
        if prompts:
            return f"--columns prompt={prompts[0]},completion={chosen}"
    if len(texts) < 2:
        return "".join(f"--columns text={text}" for text in texts)
    pair = [column for column, values in texts.items() if _like_texts(values)]
    if len(pair) == len(texts) == 2:
        return "--columns prompt={},completion={}".format(*pair)
    text = max(texts, key=lambda c: sum(map(len, texts[c])) / len(texts[c]))
    label = min((c for c in texts if c != text), key=lambda c: len(set(texts[c])))
    return f"--columns text={text},label={label}"


def refuse_nested(table: Table, left: Sequence[str], cure: str) -> None:
    """Refuse columns whose names are known, and which hold lists or objects where text belongs."""
    for column in left:
        name = fold(column)
        halves = [f for f in HALVES if {name, name.removesuffix("s")} & set(NAMES[f])]
        for record in table.records:
            value = record.fields.get(column)
            if halves and isinstance(value, list | dict):
                raise DataError(
                    f"text in the column {clip(column, 40)}",
                    name_kind(value),
                    table.where(record),
                    f"Write {HALVES[halves[0]]} there{cure}",
                )


def refuse_hidden(reading: Reading, table: Table) -> None:
    """Refuse plain text beside a column that may be its other half.

    One whose name says so may hold lists or objects. Of those whose name is not known, one that
    looks like labels may be the label; one of other texts, the prompt or the completion. Trained as
    plain text, rows of both would teach something else than was meant, and say nothing.
    """
    if reading.shape != "text":
        return
    order = list(table.column_counts())
    unread = [column for column in order if column not in reading.main()]
    refuse_nested(table, unread, f"; for plain text, say {reading.option()}")
    left = [
        (column, [record.fields.get(column) for record in table.records])
        for column in unread
        if fold(column) not in (*METADATA, *EXTRA_FIELDS)
    ]
    labels = [column for column, values in left if _like_labels(values)]
    texts = [column for column, values in left if _like_texts(values)]
    if not labels and not texts:
        return
    if labels:
        other = Reading("labelled_text", {**reading.columns, "label": labels[0]})
    else:
        own, beside = reading.columns["text"], texts[0]
        # By their names, and where these do not say, in the order of the file.
        told = fold(own) in NAMES["prompt"] or fold(beside) in NAMES["completion"]
        first = told or order.index(own) < order.index(beside)
        prompt, completion = (own, beside) if first else (beside, own)
        other = Reading("prompt", {"prompt": prompt, "completion": completion})
    raise DataError(
        "columns that can be read in one way only",
        f"{reading.words()} or {other.words()}",
        table.name,
        f"Choose {reading.option()} or {other.option()}",
    )


def _like_labels(values: Sequence[Any]) -> bool:
    """Return whether these are short, and few kinds of them."""
    short = [v for v in values if isinstance(v, str | int | float) and len(str(v)) <= LABEL_LENGTH]
    return len(short) == len(values) and 2 <= len(set(short)) <= len(values) / 2


def _like_texts(values: Sequence[Any]) -> bool:
    """Return whether every row has something, and most of them several words."""
    filled = [v for v in values if isinstance(v, str) and v.strip()]
    several = [v for v in filled if len(v.split()) >= SEVERAL_WORDS]
    return len(filled) == len(values) and 2 * len(several) > len(values)
