"""Paths and folders to documents; every file that is not taken is told, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewtune.data.collectors.base import Document
from fewtune.data.collectors.fetch import fetch, is_address
from fewtune.errors import DataError, FewtuneError
from fewtune.family import suggest

__all__ = ["LeftOut", "Walked", "walk"]

MAX_FILES = 10_000
DATA = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that gives no rows, and why.

    Attributes
    ----------
    name
        Its path or address.
    reason
        A sentence.
    failed
        Whether it looked like a document and could not be read.
    error
        What was raised; ``None`` where nothing was.
    """

    name: str
    reason: str
    failed: bool = False
    error: FewtuneError | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """A document, and whether the user named it himself or it was met in a folder."""

    document: Document
    named: bool


def walk(sources: Sequence[str], output: Path | None, folder: Path) -> Iterator[Walked | LeftOut]:
    """Yield documents in order, and what is left out.

    Parameters
    ----------
    sources
        Files, folders and http(s) addresses.
    output
        The file that will be written, which is no source.
    folder
        Where pages are saved that are fetched.
    """
    seen: set[Path] = set()
    for source in sources:
        if is_address(source):
            try:
                yield Walked(fetch(source, folder), True)
            except DataError as error:
                yield LeftOut(source, str(error), True, error)
            continue
        path = Path(source)
        if path.is_dir():
            for found in _folder(path, output):
                if isinstance(found, Walked) and _again(found.document.path, seen):
                    continue
                yield found
        else:
            refused = _refused(path, source, output)
            if refused is not None:
                yield LeftOut(source, str(refused), True, refused)
            elif _again(path, seen):
                yield LeftOut(source, "It is given twice and was read once.")
            else:
                yield Walked(Document(path, source), True)


def _again(path: Path, seen: set[Path]) -> bool:
    real = path.resolve()
    if real in seen:
        return True
    seen.add(real)
    return False


def _refused(path: Path, source: str, output: Path | None) -> DataError | None:
    """Return why a file that the user named cannot be a source, or nothing."""
    try:
        if path.is_file():
            if output is not None and output.exists() and path.samefile(output):
                return DataError("a source", "the file to be written", source, "Give another -o")
            return None
        if path.exists():
            return DataError("a file or a folder", "a device or pipe", source, "Save it as a file")
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except (OSError, ValueError) as error:
        return DataError("a file, a folder or an address", str(error), source, "Check the path")
    near = suggest(path.name, beside) if 0 < len(beside) <= 30 else "Check the path"
    return DataError("a file, a folder or an address", "nothing of that name", source, near)


def _folder(root: Path, output: Path | None) -> Iterator[Walked | LeftOut]:
    """Yield what is in a folder, sorted; hidden files and links that lead out are left out."""
    count = 0
    failures: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=failures.append):
        hidden = [name for name in folders if name.startswith(".")]
        linked = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(hidden) - set(linked))
        for name in sorted(hidden):
            yield LeftOut(str(Path(folder, name)), "It is a hidden folder.")
        for name in sorted(set(linked) - set(hidden)):
            yield LeftOut(str(Path(folder, name)), "It is a link to a folder.")
        for name in sorted(files):
            count += 1
            if count > MAX_FILES:
                raise DataError(
                    f"a folder with at most {MAX_FILES:,} files",
                    "more",
                    str(root),
                    "Collect its parts one by one",
                )
            path = Path(folder, name)
            reason = _reason(path, root, output)
            if reason:
                yield LeftOut(str(path), reason)
            else:
                yield Walked(Document(path, str(path)), False)
    for failure in failures:
        reason = failure.strerror or str(failure)
        yield LeftOut(str(failure.filename), f"The folder cannot be read: {reason}.", True)


def _reason(path: Path, root: Path, output: Path | None) -> str:
    """Return why a file in a folder is no source, or nothing."""
    if path.name.startswith("."):
        return "It is a hidden file."
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        return "It is a link that leads out of the folder."
    if not path.is_file():
        return "It is no regular file."
    if output is not None and output.exists() and path.samefile(output):
        return "It is the file to be written."
    if path.suffix.lower() in DATA:
        return "It is data already: give it to fewtune check or fit."
    return ""
