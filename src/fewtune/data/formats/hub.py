"""Rows from a data set on the Hugging Face hub, counted from 1; needs datasets (extra ``hub``)."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from fewtune.data.formats.base import Table, listed, numbered
from fewtune.data.formats.decode import MAX_BYTES
from fewtune.errors import DataError, MissingExtra

__all__ = ["is_hub_id", "read_hub"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SUFFIXES = re.compile(
    r"\.(jsonl?|ndjson|csv|tsv|tab|parquet|pq|txt|text|md|gz|xz|zip|xlsx?|pdf|docx?|html?)$", re.I
)

SECONDS = 5.0
"""How long the hub may take to answer before only what was loaded earlier is looked at."""


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
        with _without_waiting():
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


@contextlib.contextmanager
def _without_waiting() -> Iterator[None]:
    """Look into the cache alone where the hub does not answer: its client would try for long."""
    from datasets import config
    from huggingface_hub import constants

    places = [(module, "HF_HUB_OFFLINE") for module in (config, constants)]
    before = [getattr(module, name) for module, name in places]
    if not any(before) and not _answers(constants.ENDPOINT):
        for module, name in places:
            setattr(module, name, True)
    try:
        yield
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)


def _answers(address: str) -> bool:
    """Return whether something listens there; behind a proxy, only the client can tell."""
    if getproxies():
        return True
    parts = urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS):
            return True
    except OSError:
        return False


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
