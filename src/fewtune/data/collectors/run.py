"""Sources to one data set: each document is given to the collector that knows it best."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fewtune.data.collectors.base import (
    COLLECTORS,
    Collector,
    Document,
    Options,
    TargetShape,
    quote,
    words_in,
)
from fewtune.data.collectors.walk import LeftOut, Walked, walk
from fewtune.data.formats.decode import BINARY_MAGICS, find_encoding
from fewtune.errors import DataError, FewtuneError, MissingExtra, PlanError
from fewtune.records import Dataset, Example, Message

__all__ = ["Collection", "Taken", "choose", "collect"]

MAX_CHARACTERS = 512 * 1024**2
MAX_NOTES = 12
BLANK = b" \t\r\n\x0b\x0c\x00\xef\xbb\xbf\xff\xfe"
MIN_WORDS = 20
MAX_WORDS = 100_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A document that gave rows.

    Attributes
    ----------
    name
        Its path or address.
    collector
        Which collector read it.
    shape
        How it made its rows.
    rows
        How many.
    words
        Words in them.
    notes
        What was left out or taken for something, one sentence each.
    """

    name: str
    collector: str
    shape: TargetShape
    rows: int
    words: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """All rows, the documents that gave them, those that gave none, and notes on the whole."""

    dataset: Dataset
    taken: tuple[Taken, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()


def collect(
    sources: Sequence[str],
    options: Options | None = None,
    collector: str | None = None,
    output: Path | None = None,
) -> Collection:
    """Return the examples of files, folders and addresses.

    Parameters
    ----------
    sources
        What to collect; folders with all that is in them.
    collector
        Name of the collector for everything; else each document's own is found.
    output
        The file that will be written, so that it is not read.

    Raises
    ------
    DataError
        If a source that was named cannot be read, if nothing is found, or if rows of kinds come
        together that no one file can hold. What cannot be read in a folder is in ``left_out``.
    PlanError
        If an option is out of range, or there is no such collector.
    MissingExtra
        If a library is not installed that is needed for a source that was named.
    """
    options = options or Options()
    _check_options(options)
    family = {collector: COLLECTORS.load(collector)} if collector else COLLECTORS.load_all()
    members = {name: member() for name, member in family.items()}
    made: list[tuple[Taken, Dataset]] = []
    left: list[LeftOut] = []
    errors: list[FewtuneError] = []
    characters = 0
    with tempfile.TemporaryDirectory(prefix="fewtune-") as folder:
        for found in walk(sources, output, Path(folder)):
            named = isinstance(found, Walked) and found.named
            result = _one(found, members, options) if isinstance(found, Walked) else found
            if isinstance(result, LeftOut):
                left.append(result)
                if result.error is not None and (named or isinstance(found, LeftOut)):
                    errors.append(result.error)
                continue
            made.append(result)
            characters += sum(len(example.text()) for example in result[1])
            _refuse_flood(characters, result[0].name)
    _raise_all(errors, len(sources))
    if not made:
        _raise_nothing(left, sources)
    dataset, notes = _merge(made, sources)
    return Collection(dataset, tuple(taken for taken, _ in made), tuple(left), tuple(notes))


def _check_options(options: Options) -> None:
    if not MIN_WORDS <= options.words <= MAX_WORDS:
        raise PlanError(
            f"{MIN_WORDS} to {MAX_WORDS:,} words in a piece", str(options.words), "--words"
        )


def choose(document: Document, members: dict[str, Collector]) -> str:
    """Return the name of the collector that knows the document best; empty if none does."""
    scores = {name: member.accepts(document) for name, member in members.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else ""


def _one(
    found: Walked, members: dict[str, Collector], options: Options
) -> tuple[Taken, Dataset] | LeftOut:
    """Return the rows of one document, or why there are none."""
    document = found.document
    try:
        # Read first, so that an unreadable or an empty file says so whatever its name is.
        if not document.head.strip(BLANK):
            raise DataError("a document", "an empty file", document.name, "Leave it out")
        name = choose(document, members)
        if not name:
            if not found.named:
                return LeftOut(document.name, _unknown(document, members))
            raise _no_collector(document, members)
        data = members[name].collect(document, options)
        if not data.examples:
            reason = data.notes[-1] if data.notes else "nothing in it"
            raise DataError("rows to collect", reason.rstrip("."), document.name, "Leave it out")
    except FewtuneError as error:
        return LeftOut(document.name, str(error), True, error)
    words = sum(words_in(example.text()) for example in data)
    shape: TargetShape = data.shape if data.shape in ("prompt", "chat") else "text"
    notes = (*data.notes, *_odd_name(document, name, members))
    if len(notes) > MAX_NOTES:
        notes = (*notes[:MAX_NOTES], f"{len(notes) - MAX_NOTES} more notes like these.")
    return Taken(document.name, name, shape, len(data), words, notes), data


def _odd_name(document: Document, name: str, members: dict[str, Collector]) -> list[str]:
    """Return a note where the end of the name promises another kind."""
    promised = [n for n, member in members.items() if document.suffix in member.suffixes]
    text = {"markdown", "faq", "transcript"}
    if promised and name not in promised and not ({name, *promised} <= text or name == "faq"):
        return [
            f"Its name ends in {document.suffix}, but it was read by {name}, as its content is."
        ]
    return []


def _kind(document: Document) -> str:
    for magic, words in BINARY_MAGICS.items():
        if document.head.startswith(magic):
            return words
    return "text that is no document" if document.text_head else "binary data"


def _unknown(document: Document, members: dict[str, Collector]) -> str:
    if len(members) == 1:
        return f"The collector {next(iter(members))} does not know it."
    suffix = f" and a name that ends in {document.suffix}" if document.suffix else ""
    return f"No collector knows {_kind(document)}{suffix}."


def _no_collector(document: Document, members: dict[str, Collector]) -> DataError:
    if document.suffix in (".html", ".htm", ".md", ".txt", ".vtt", ".srt"):
        try:
            find_encoding(document.path, document.name)
        except DataError as error:
            return error
    if len(members) == 1:
        return DataError(
            f"a document that {next(iter(members))} knows",
            _kind(document),
            document.name,
            "Leave --collector out",
        )
    return DataError(
        "a PDF, web page, Markdown, docx, text or transcript",
        _kind(document),
        document.name,
        "Export it as one of these, or say which --collector reads it",
    )


def _refuse_flood(characters: int, name: str) -> None:
    if characters > MAX_CHARACTERS:
        raise DataError(
            f"at most {MAX_CHARACTERS // 1024**2} million characters in all",
            "more",
            name,
            "Collect the sources in several parts",
        )


def _raise_all(errors: Sequence[FewtuneError], sources: int) -> None:
    """Raise what went wrong with sources that the user named, in one error."""
    if not errors:
        return
    missing = [error for error in errors if isinstance(error, MissingExtra)]
    if len(errors) == 1 or missing:
        raise (missing or errors)[0]
    each = " ".join(f"({number}) {error}" for number, error in enumerate(errors, 1))
    raise DataError(
        "sources that can all be read",
        f"{len(errors)} of {sources} that cannot: {each}",
        cure="Mend them or leave them out; nothing was written",
    )


def _raise_nothing(left: Sequence[LeftOut], sources: Sequence[str]) -> None:
    broken = [entry.error for entry in left if entry.error is not None]
    if len(left) == 1 and broken:
        raise broken[0]
    reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in left[:5])
    more = f"; and {len(left) - 5} more" if len(left) > 5 else ""
    raise DataError(
        "a document to collect from",
        f"none; {len(left)} files were left out ({reasons}{more})" if left else "no file at all",
        ", ".join(sources[:3]),
        "Give PDF, HTML, Markdown, docx, text, VTT or SRT files",
    )


def _merge(
    made: Sequence[tuple[Taken, Dataset]], sources: Sequence[str]
) -> tuple[Dataset, list[str]]:
    """Return all rows in one shape.

    A question with its answer is a chat of two turns, so these two kinds go together; running text
    is neither, and what to do with it is for the user to say.
    """
    kinds: dict[TargetShape, list[Taken]] = {}
    for taken, _ in made:
        kinds.setdefault(taken.shape, []).append(taken)
    rows = [example for _, data in made for example in data]
    notes: list[str] = []
    shape = next(iter(kinds))
    if set(kinds) == {"prompt", "chat"}:
        count = sum(taken.rows for taken in kinds["prompt"])
        rows = [example if example.messages else _as_chat(example) for example in rows]
        notes.append(f"{count} questions and answers were written as chats, like the calls.")
        shape = "chat"
    elif len(kinds) > 1:
        each = "; ".join(
            f"{kind} ({sum(t.rows for t in them)} rows of "
            f"{', '.join(quote(Path(t.name).name, 30).strip(chr(39)) for t in them[:5])}"
            f"{' …' if len(them) > 5 else ''})"
            for kind, them in sorted(kinds.items())
        )
        raise DataError(
            "documents of one kind, or --as",
            f"kinds that one file cannot hold: {each}",
            cure="Add --as text to train on all of it as running text, --as chat or --as prompt to "
            "make headings ask and their text answer, or collect each kind into a file of its own",
        )
    name = sources[0] if len(sources) == 1 else f"{len(sources)} sources"
    # Named as a column, the groups are written with every shape.
    columns = {"group": "group"}
    return Dataset(tuple(rows), shape, name, columns, tuple(notes)), notes


def _as_chat(example: Example) -> Example:
    turns = (Message("user", example.input), Message("assistant", example.target or ""))
    return replace(example, input=f"user: {example.input}", messages=turns)
