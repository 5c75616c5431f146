"""A data set back to a file of the shape it came from."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fewtune.errors import DataError
from fewtune.records import Dataset, Example

__all__ = ["write"]


def write(
    dataset: Dataset,
    path: str | Path,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the rows as jsonl, csv or tsv, by the suffix, so that ``load`` gives the same rows.

    Columns have the names of the fields (text, label, prompt, completion, messages, image), which
    are found by themselves; group, weight, time and parent are written where any row has them. The
    file is complete or not there at all: an older one is replaced only when all is written.

    Parameters
    ----------
    dataset
        The rows.
    path
        The file.
    more
        Other columns of rows, by source, such as ``load.unread`` returns. Whether they change how
        the file is read is the caller's to see.

    Raises
    ------
    DataError
        If the suffix is another one, or the file cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _ENCODERS:
        raise DataError(
            f"a file that ends in {', '.join(_ENCODERS)}",
            f"the suffix {suffix or 'of none'}",
            str(path),
            "Rename the file to be written",
        )
    beside = more or {}
    rows = [
        {**beside.get(example.source, {}), **_row(dataset, example, target.parent)}
        for example in dataset
    ]
    # What is trained on comes first, whatever stood beside it.
    own = {name for example in dataset for name in _row(dataset, example, target.parent)}
    rows = [dict(sorted(row.items(), key=lambda item: item[0] not in own)) for row in rows]
    columns = _columns(dataset, rows)
    try:
        _write_whole(target, _ENCODERS[suffix](rows, columns))
    except OSError as error:
        raise DataError(
            "a place that can be written to",
            error.strerror or str(error),
            str(path),
            "Choose another folder, or mend its permissions",
        ) from error


def _row(dataset: Dataset, example: Example, folder: Path) -> dict[str, Any]:
    row: dict[str, Any]
    if dataset.shape == "chat":
        row = {"messages": [{"role": m.role, "content": m.content} for m in example.messages]}
    elif dataset.shape == "prompt":
        row = {"prompt": example.input, "completion": example.target}
    elif dataset.shape == "text":
        row = {"text": example.target}
    elif dataset.shape == "labelled_image":
        row = {"image": _relative(example.input, folder), "label": example.target}
    else:
        row = {"text": example.input, "label": example.target}
    # Groups that stand for equal prompts come back by themselves.
    if example.group and not (dataset.shape == "prompt" and "group" not in dataset.columns):
        row["group"] = example.group
    if example.weight != 1:
        row["weight"] = example.weight
    if example.time:
        row["time"] = example.time
    if example.parent:
        row["parent"] = example.parent
    return row


def _relative(image: str, folder: Path) -> str:
    """Return the image's path from the folder of the file, as rows of a file name it."""
    try:
        return Path(image).resolve().relative_to(folder.resolve()).as_posix()
    except ValueError as error:
        raise DataError(
            "a file in a folder that holds the images, since rows name them from there",
            f"the image {image}",
            str(folder),
            "Write the file into the folder of the images or one above it",
        ) from error


def _columns(dataset: Dataset, rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns in use; the target's stays away where no row has one."""
    found: dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(row))
    if all(example.target is None for example in dataset):
        found.pop("label", None)
        found.pop("completion", None)
    return list(found)


def _as_jsonl(rows: list[dict[str, Any]], columns: list[str]) -> str:
    lines = []
    for row in rows:
        kept = {key: value for key, value in row.items() if key in columns}
        lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
    return "".join(lines)


def _as_table(delimiter: str) -> Callable[[list[dict[str, Any]], list[str]], str]:
    def encode(rows: list[dict[str, Any]], columns: list[str]) -> str:
        # The csv module writes a lone carriage return unquoted, which would end the row on reading.
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        writer.writerows([_cell(row, column) for column in columns] for row in rows)
        return text.getvalue()

    return encode


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if isinstance(value, str) and "\0" in value:
        raise DataError(
            "text that a table can hold", f"a zero byte under {column}", "", "Write it as jsonl"
        )
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


_ENCODERS: dict[str, Callable[[list[dict[str, Any]], list[str]], str]] = {
    ".jsonl": _as_jsonl,
    ".csv": _as_table(","),
    ".tsv": _as_table("\t"),
}


def _write_whole(path: Path, content: str) -> None:
    """Write beside the file and put it in its place only when all of it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the mask of new files' permissions, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
