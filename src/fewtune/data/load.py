"""Files to examples: any format, columns found by themselves, every fault with its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fewtune.data.formats.base import Table, clip, listed
from fewtune.data.formats.chats import join_halves
from fewtune.data.formats.columns import find_reading
from fewtune.data.formats.delimited import read_csv, read_tsv
from fewtune.data.formats.hub import is_hub_id, read_hub
from fewtune.data.formats.image_folder import read_image_folder
from fewtune.data.formats.json_lines import read_json, read_jsonl
from fewtune.data.formats.names import FIELDS, KNOWN_NAMES
from fewtune.data.formats.parquet import read_parquet
from fewtune.data.formats.plain_text import read_text
from fewtune.data.formats.rows import examples_from
from fewtune.errors import DataError
from fewtune.family import suggest
from fewtune.records import Dataset, Example, Shape

__all__ = ["load", "parse_columns", "read_table", "unread"]

READERS: dict[str, Callable[[Path, str], Table]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": lambda path, name: read_csv(path, name, KNOWN_NAMES),
    ".tsv": read_tsv,
    ".tab": read_tsv,
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".txt": read_text,
    ".text": read_text,
    ".md": read_text,
}
PACKED = (".gz", ".xz")
DOCUMENTS = (".pdf", ".html", ".htm", ".docx", ".vtt", ".srt")
"""What is no table of rows, but can be made one."""


def load(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    need_target: bool = True,
) -> Dataset:
    """Return the rows of a file, a folder of images by class, or a data set on the hub.

    Parameters
    ----------
    source
        A jsonl, json, csv, tsv, parquet or plain text file (each also as ``.gz`` or ``.xz``), a
        folder with a folder of images for each class, or a hub id such as ``owner/name``.
    columns
        Field to column, for what is not found by itself: ``{"text": "question"}``. Fields are
        text, label, prompt, completion, messages, image, instruction, input, output, group, time,
        weight and parent.
    shape
        Read the rows as this shape only.
    need_target
        Whether each row must have a label or completion. Rows to predict need none, and a chat
        may then end with a user turn; what they lack is ``None`` in ``target``.

    Returns
    -------
    Dataset
        With what was taken for what in ``notes``.

    Raises
    ------
    DataError
        If the source is missing, empty, broken, or can be read in two ways; broken rows are named
        by ``file:line``.
    MissingExtra
        If parquet or a hub id is given without the package that reads it.
    """
    given = dict(columns or {})
    _check_fields(given)
    table = read_table(source, need_target)
    if not table.records:
        raise DataError("at least one row", "a file without rows", table.name, "Add rows")
    table.records = join_halves(table.records)
    reading, notes = find_reading(table, given, shape, need_target)
    examples, bent = examples_from(table, reading, given, need_target)
    bent += _say_variations(examples)
    found = Dataset(
        examples, reading.shape, table.name, dict(reading.columns), (*table.notes, *notes, *bent)
    )
    return _group_prompts(found)


def read_table(source: str | Path, need_target: bool = True) -> Table:
    """Return the rows of a source before anybody decided what they mean; errors as of ``load``."""
    path, name = Path(source), str(source)
    try:
        there, folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise DataError("a path", str(error), clip(name), "Check the path") from error
    if not there:
        if is_hub_id(name):
            return read_hub(name)
        raise _missing(path, name)
    if folder:
        return read_image_folder(path, name, need_target)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    reader = READERS.get(suffix)
    if reader is None:
        raise DataError(
            f"a file that ends in {listed(READERS, 20)}, or these with .gz or .xz",
            f"the suffix {suffix}" if suffix else "no suffix",
            name,
            f"Turn it into rows first: fewtune collect {name} -o data.jsonl"
            if suffix in DOCUMENTS
            else "Rename it after what it holds",
        )
    return reader(path, name)


def unread(source: str | Path, dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return what stands in columns of a source that ``load`` did not use, by row.

    Parameters
    ----------
    source
        What was loaded.
    dataset
        What it was read as.
    """
    table = read_table(source, need_target=False)
    left = set(table.column_counts()) - set(dataset.columns.values())
    if not left:
        return {}
    return {
        table.where(record): {k: v for k, v in record.fields.items() if k in left}
        for record in table.records
    }


def _missing(path: Path, name: str) -> DataError:
    folder = path.parent
    try:
        beside = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return DataError("a file that exists", f"no folder {folder}", name, "Check the path")
    near = suggest(path.name, beside) if beside else "Check the path"
    holds = f"holds {listed(beside)}" if beside else "is empty"
    return DataError("a file that exists", f"nothing of that name; the folder {holds}", name, near)


def _check_fields(given: Mapping[str, str]) -> None:
    unknown = [field for field in given if field not in FIELDS]
    if unknown:
        raise DataError(
            f"fields among {', '.join(FIELDS)}",
            clip(unknown[0]),
            "--columns",
            suggest(unknown[0], FIELDS),
        )
    twice = [column for column, count in Counter(given.values()).items() if count > 1]
    if twice:
        raise DataError(
            "a column of its own for each field",
            f"{clip(twice[0])} for several",
            "--columns",
            "Name each column once",
        )


def _say_variations(examples: Sequence[Example]) -> list[str]:
    varied = sum(bool(example.parent) for example in examples)
    if not varied:
        return []
    if varied == len(examples):
        return ["Every row is a variation of another (column parent): scores on them flatter."]
    return [
        f"{varied:,} rows are variations of others (column parent): they train and never judge."
    ]


def _group_prompts(dataset: Dataset) -> Dataset:
    """Make each prompt with several completions a group, where the data gives no groups."""
    if dataset.shape != "prompt" or "group" in dataset.columns:
        return dataset
    counts = Counter(example.input for example in dataset)
    if 2 * len(counts) > len(dataset):
        return dataset

    def grouped(example: Example) -> Example:
        return replace(example, group=example.input) if example.input.strip() else example

    note = (
        f"{len(dataset):,} rows share {len(counts):,} prompts, so the completions of one prompt "
        "are a group."
    )
    return replace(dataset, examples=tuple(map(grouped, dataset)), notes=(*dataset.notes, note))


def parse_columns(text: str) -> dict[str, str]:
    """Return field to column from ``text=question,label=category``.

    Raises
    ------
    DataError
        If a part is no ``field=column``, or a field is unknown or named twice.

    Examples
    --------
    >>> parse_columns("text=question, label=category")
    {'text': 'question', 'label': 'category'}
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not (field and equals and column):
            raise DataError(
                "field=column pairs joined by commas",
                clip(part),
                "--columns",
                "Write it like text=question,label=category",
            )
        if field in found:
            raise DataError(
                "each field once", f"{clip(field)} twice", "--columns", "Name one column for it"
            )
        found[field] = column
    _check_fields(found)
    return found
