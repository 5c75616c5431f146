"""Rows from a data set on the Hugging Face hub, counted from 1; needs datasets (extra ``hub``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fewtune.data.formats.base import Table, listed, numbered
from fewtune.data.formats.decode import MAX_BYTES
from fewtune.errors import DataError, MissingExtra

__all__ = ["is_hub_id", "read_hub"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SUFFIXES = re.compile(
    r"\.(jsonl?|ndjson|csv|tsv|tab|parquet|pq|txt|text|md|gz|xz|zip|xlsx?|pdf|docx?|html?)$", re.I
)


def is_hub_id(source: str) -> bool:
    """Return whether this is ``owner/name`` and cannot be meant as a path of this machine.

    Examples
    --------
    >>> is_hub_id("PolyAI/banking77"), is_hub_id("data/train.csv"), is_hub_id("train")
    (True, False, False)
    """
    if not _HUB_ID.fullmatch(source) or _SUFFIXES.search(source):
        return False
    return not Path(source).exists() and not Path(source.partition("/")[0]).is_dir()


def read_hub(source: str) -> Table:
    """Return the rows of a data set on the hub: its part ``train``, or its only part.

    Raises
    ------
    MissingExtra
        If the package datasets is not installed.
    DataError
        If the data set is not there, needs a choice, or is too large.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra.named(
            "datasets", "hub", f"loading {source} from the hub (no file or folder has that name)"
        ) from error
    try:
        parts = datasets.load_dataset(source)
    except Exception as error:  # the hub's client raises dozens of kinds, those of requests too
        reason = next(iter(str(error).strip().splitlines()), "")[:200]
        raise DataError(
            "a data set on the hub that can be loaded, or a path that exists",
            f"{type(error).__name__}: {reason}",
            source,
            "Check the name and the network, or give a local file",
        ) from error
    part = "train" if "train" in parts else next(iter(parts))
    if part != "train" and len(parts) > 1:
        raise DataError(
            "a part named train", f"parts {listed(parts)}", source, "Download the part you want"
        )
    return _table(parts[part], part, list(parts), source)


def _table(rows: Any, part: str, parts: list[str], source: str) -> Table:
    size = getattr(rows, "data", None)
    if size is not None and size.nbytes > MAX_BYTES:
        raise DataError(
            f"at most {MAX_BYTES // 1024**3} GiB",
            f"{size.nbytes:,} bytes",
            source,
            "Train on a sample of it",
        )
    names = {
        column: feature.names
        for column, feature in rows.features.items()
        if hasattr(feature, "names")
    }
    images = [c for c, f in rows.features.items() if type(f).__name__ == "Image"]
    if images:
        raise DataError(
            "a data set of text, since images are read from folders",
            f"images under {listed(images)}",
            source,
            "Save the images into a folder for each class",
        )
    found = Table(source, [])
    found.records = list(numbered(_named(row, names) for row in rows))
    if len(parts) > 1:
        found.notes.append(f"Of the parts {listed(parts)}, {part} was read.")
    if names:
        found.notes.append(
            f"Numbers under {listed(names)} were replaced by the names they stand for."
        )
    return found


def _named(row: dict[str, Any], names: dict[str, list[str]]) -> dict[str, Any]:
    """Return the row with the names of classes in place of their numbers; -1 stands for none."""
    replaced = dict(row)
    for column, known in names.items():
        value = row[column]
        if isinstance(value, int):
            replaced[column] = known[value] if 0 <= value < len(known) else None
    return replaced
