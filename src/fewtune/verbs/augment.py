"""Augment: variations of training rows, filtered, written with the rows they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewtune.augmentations.base import AUGMENTATIONS, Tools
from fewtune.augmentations.run import Augmented, build
from fewtune.augmentations.run import augment as make
from fewtune.data.load import load
from fewtune.data.write import write
from fewtune.errors import DataError, PlanError
from fewtune.family import suggest
from fewtune.records import Dataset
from fewtune.verbs.augmentation_tools import ModelTools

__all__ = ["Outcome", "augment", "parse_part"]

SUFFIXES = (".jsonl", ".csv", ".tsv")


@dataclass(frozen=True)
class Outcome:
    """What ``augment`` read, made and wrote.

    Attributes
    ----------
    data
        The rows that were varied.
    made
        The new rows and why others went.
    written
        The rows in the file: those of ``data`` with the new ones, or the new ones alone.
    images
        Folder of the new images; ``None`` for other data.
    """

    data: Dataset
    made: Augmented
    written: Dataset
    images: Path | None = None


def augment(
    data: str | Path,
    output: str | Path,
    *,
    parts: Sequence[str | tuple[str, Mapping[str, Any]]],
    model: str = "",
    test: str | Path = "",
    columns: Mapping[str, str] | None = None,
    per_row: int = 1,
    seed: int = 0,
    only_new: bool = False,
    force: bool = False,
    tools: Tools | None = None,
) -> Outcome:
    """Return the new rows, having written them with the others to ``output``.

    Parameters
    ----------
    data
        Training rows, in any form that ``fit`` takes.
    output
        A jsonl, csv or tsv file. New images go into a folder beside it.
    parts
        Augmentations: names, ``name:key=value,key=value``, or (name, options) pairs.
    model
        An encoder (``minilm``) to compare meanings and know near words, or a language model that
        writes.
    test
        Rows to judge on: no new row may be near to one of them.
    columns
        Field to column, where not found by itself.
    per_row
        Variations of each row, by each augmentation.
    seed
        For all draws.
    only_new
        Whether to write the new rows alone.
    force
        Whether to replace ``output`` if it exists.
    tools
        Models made elsewhere, in place of those that ``model`` names.

    Raises
    ------
    DataError, PlanError, ModelError
        If the data, an augmentation or a model cannot be used, or the file exists.
    """
    target = Path(output)
    members = build([parse_part(part) if isinstance(part, str) else part for part in parts])
    if not members:
        raise PlanError(
            "an augmentation, since none is on by default",
            "none",
            "--with",
            f"Choose of {', '.join(AUGMENTATIONS.names())}",
        )
    _look(data, target, force)
    rows = load(data, columns=columns)
    held = load(test, columns=columns, shape=rows.shape) if test else ()
    images = target.parent / f"{target.stem}_images" if rows.shape == "labelled_image" else None
    if images is not None:
        _look_images(rows, data, target, images, force)
    made = make(
        rows.examples,
        members,
        shape=rows.shape,
        seed=seed,
        tools=tools or ModelTools(model),
        avoid=tuple(held),
        per_row=per_row,
        folder=images,
    )
    if only_new and not made.examples:
        raise DataError("a new row to write", "none", str(target), "Try another augmentation")
    examples = made.examples if only_new else made.joined(rows.examples)
    # With this column, groups are written whatever the shape.
    written = replace(rows, examples=examples, columns={**rows.columns, "group": "group"})
    write(written, target)
    return Outcome(rows, made, written, images)


def parse_part(text: str) -> tuple[str, dict[str, str]]:
    """Return name and options of ``name:key=value,key=value``.

    A user's own augmentation is ``package.module:Class``, its options behind a second colon.

    Raises
    ------
    PlanError
        If an option is no ``key=value``.

    Examples
    --------
    >>> parse_part("typos:share=0.2")
    ('typos', {'share': '0.2'})
    >>> parse_part("mine.slang:Slang:share=0.2")
    ('mine.slang:Slang', {'share': '0.2'})
    """
    name, _, rest = text.strip().partition(":")
    if "." in name:
        own, _, rest = rest.partition(":")
        name = f"{name}:{own}"
    elif name not in AUGMENTATIONS.names():
        raise PlanError(
            "the name of an augmentation",
            repr(name),
            "--with",
            suggest(name, AUGMENTATIONS.names()),
        )
    options = {}
    for pair in filter(None, (pair.strip() for pair in rest.split(","))):
        key, equals, value = (piece.strip() for piece in pair.partition("="))
        if not (key and equals):
            raise PlanError(
                f"key=value behind {name}:", repr(pair), "--with", "Write it like typos:share=0.2"
            )
        options[key] = value
    return name, options


def _look(data: str | Path, target: Path, force: bool) -> None:
    """Refuse before any work is done what could not be written at its end."""
    if target.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"a name that ends in {', '.join(SUFFIXES)}",
            target.suffix or "no ending",
            str(target),
            f"Write to {target.stem}.jsonl",
        )
    if target.is_dir() or not target.parent.is_dir():
        got = "a folder" if target.is_dir() else f"no folder {target.parent}"
        raise DataError("a file in a folder that exists", got, str(target), "Give another name")
    if Path(data).exists() and target.resolve() == Path(data).resolve():
        raise DataError("a new file", "the file that is read", str(target), "Give another name")
    if target.exists() and not force:
        raise DataError(
            "a new file",
            "one that exists",
            str(target),
            "Give another name, or add --force to replace it",
        )


def _look_images(rows: Dataset, data: str | Path, target: Path, images: Path, force: bool) -> None:
    """Refuse places from which the images could not be named, or where they would be a class."""
    home = target.parent.resolve()
    outside = next((r for r in rows if not Path(r.input).resolve().is_relative_to(home)), None)
    within = Path(data).is_dir() and home.is_relative_to(Path(data).resolve())
    if outside is not None or within:
        raise DataError(
            "a file in a folder above those of the images",
            f"the folder {target.parent}",
            str(target),
            f"Write to {Path(data).resolve().parent / target.name}",
        )
    if images.exists() and any(images.iterdir()) and not force:
        raise DataError(
            "a new folder for the images",
            "one that exists",
            str(images),
            "Give another name, or add --force to write into it",
        )
