"""Rows from a folder of images: a folder for each class, or images alone where none is needed."""

from __future__ import annotations

import warnings
from pathlib import Path

from fewtune.data.formats.base import Faults, Record, Table, clip, listed
from fewtune.data.formats.names import IMAGE_SUFFIXES
from fewtune.errors import DataError

__all__ = ["image_fault", "read_image_folder"]

PARTS = frozenset("train training test testing val valid validation dev".split())


def read_image_folder(path: Path, name: str, need_target: bool = True) -> Table:
    """Return the images of a folder under ``image``, with their class under ``label``.

    Hidden files are passed over; other
    files that are no images are counted in a note.

    Raises
    ------
    DataError
        If there are no classes of images, or images that cannot be read.
    """
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    loose = _images(path)
    if not need_target and loose and not any(map(_images, folders)):
        return _table(path, name, [(image, None) for image in loose])
    _refuse_parts(folders, name)
    if not any(map(_images, folders)):
        raise _no_classes(path, name, loose)
    rows: list[tuple[Path, str | None]] = [
        (image, folder.name) for folder in folders for image in _images(folder)
    ]
    table = _table(path, name, rows)
    _note_rest(table, path, folders, loose)
    return table


def _images(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )


def _refuse_parts(folders: list[Path], name: str) -> None:
    parts = [folder.name for folder in folders if folder.name.lower() in PARTS]
    if len(parts) == len(folders) > 1:
        raise DataError(
            "a folder for each class of images",
            f"the parts of a split: {listed(parts)}",
            name,
            _give(parts, name),
        )


def _give(parts: list[str], name: str) -> str:
    """Return which of the parts of a split to give as what."""
    first = next((part for part in parts if part.lower().startswith("train")), parts[0])
    others = [part for part in parts if part != first]
    second = next((part for part in others if part.lower().startswith("test")), others[0])
    return f"Give {Path(name) / first}, and {Path(name) / second} with --test"


def _no_classes(path: Path, name: str, loose: list[Path]) -> DataError:
    if loose:
        got, cure = (
            f"{len(loose):,} images without a class",
            "Put them into a folder for each class",
        )
    else:
        names = sorted(entry.name for entry in path.iterdir())
        got = f"a folder with {listed(names)}" if names else "an empty folder"
        cure = "Give a file of rows, or a folder with a folder of images for each class"
        cure += f"; documents become rows by fewtune collect {name} -o data.jsonl"
    return DataError("a folder with a folder of images for each class", got, name, cure)


def _table(path: Path, name: str, rows: list[tuple[Path, str | None]]) -> Table:
    faults = Faults("images that can all be read", "Replace or remove these images")
    table = Table(name, [], str(path))
    root = path.resolve()
    for number, (image, label) in enumerate(rows, 1):
        written = str(image.relative_to(path))
        # Bytes of a name that are no UTF-8 cannot be written into any report or file of rows.
        inside = written.encode(errors="backslashreplace").decode()
        wrong = image_fault(image, root) if inside == written else "a name that is not UTF-8"
        if wrong:
            faults.add(f"{name}/{inside}", "an image that can be read", wrong)
        fields = {"image": inside} if label is None else {"image": inside, "label": label}
        table.records.append(Record(number, fields, inside))
    faults.finish()
    return table


def image_fault(image: Path, root: Path) -> str:
    """Return what is wrong with an image by its first bytes; nothing where all is well."""
    from PIL import Image

    try:
        if not image.resolve().is_relative_to(root):
            return "a link that leaves the folder"
        if image.stat().st_size == 0:
            return "an empty file"
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(image) as opened:
                width, height = opened.size
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return "an image of more than 89 million pixels"
    except (OSError, SyntaxError, ValueError, RuntimeError, OverflowError, EOFError) as error:
        return clip(str(error).split("\n", 1)[0].replace(str(image), image.name), 80)
    return "" if width and height else "an image without pixels"


def _note_rest(table: Table, path: Path, folders: list[Path], loose: list[Path]) -> None:
    empty = [folder.name for folder in folders if not _images(folder)]
    if empty:
        table.notes.append(f"Folders without images were left out: {listed(empty)}.")
    others = [
        file.name
        for folder in (path, *folders)
        for file in sorted(folder.iterdir())
        if file.is_file() and file.suffix.lower() not in IMAGE_SUFFIXES
        if not file.name.startswith(".") and file.name != "Thumbs.db"
    ]
    if others:
        table.notes.append(f"Files that are no images were left out: {listed(others, 5)}.")
    if loose:
        table.notes.append(f"{len(loose):,} images outside of the classes were left out.")
