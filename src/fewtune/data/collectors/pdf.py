"""PDF: the text of its pages, cut into pieces; scanned pages are told, not read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fewtune.data.collectors.base import Collector, Document, Options, many, quote
from fewtune.data.collectors.blocks import as_dataset
from fewtune.data.collectors.pdf_lines import Line, Writer, blocks_of, without_running_titles
from fewtune.errors import DataError, MissingExtra
from fewtune.records import Dataset

__all__ = ["Pdf"]

MAX_FILE = 256 * 1024**2
MAX_PAGES = 5_000
MAX_TEXT_OF_PDF = 32 * 1024**2
MAX_CONTENT = 16 * 1024**2
"""Bytes of the drawing commands of one page; a page full of text has some 20,000."""


class Pdf(Collector):
    """Collects the text of PDF files."""

    suffixes = (".pdf",)
    shape = "text"

    def accepts(self, document: Document) -> float:
        """Return 1 where the mark of a PDF stands near the start."""
        if b"%PDF-" in document.head[:1024]:
            return 1.0
        return 0.1 if document.suffix == ".pdf" else 0.0

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return the text between headings, or of each page, cut into pieces."""
        notes: list[str] = []
        document.refuse_larger(MAX_FILE, "a PDF")
        pages, title = _read(document, notes)
        lines = without_running_titles(pages, notes)
        blocks = blocks_of(lines)
        data = as_dataset(
            blocks, document, options, notes, title, lambda place: f"{document.name}#{place}"
        )
        return data


def _read(document: Document, notes: list[str]) -> tuple[list[list[Line]], str]:
    """Return the lines of each page, and the title.

    Raises
    ------
    DataError
        If the file is no PDF, broken, locked, or has no text.
    """
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingExtra.named("pypdf", "collect", "PDF") from error
    # Its remarks on broken files would stand between our own lines.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    broken: tuple[type[BaseException], ...] = (
        *(PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, OSError),
        *(AssertionError, RecursionError, NotImplementedError, EOFError, ArithmeticError),
    )
    try:
        with document.path.open("rb") as file:
            reader = pypdf.PdfReader(file, strict=False)
            if reader.is_encrypted and not _unlocks(reader):
                raise DataError(
                    "a PDF that can be opened",
                    "one that is locked with a password",
                    document.name,
                    "Save a copy without the password",
                )
            count = len(reader.pages)
            if count > MAX_PAGES:
                raise DataError(
                    f"a PDF of at most {MAX_PAGES:,} pages",
                    f"{count:,} pages",
                    document.name,
                    "Cut it into smaller files",
                )
            pages = _pages(reader, count, document, notes, broken)
            title = _title(reader, broken)
    except broken as error:
        raise DataError(
            "a PDF that can be read",
            f"{type(error).__name__}: {quote(str(error), 80)}",
            document.name,
            "Open it and save it again, or export it as text",
        ) from error
    if not any(pages):
        raise DataError(
            "a PDF with text",
            f"{many(count, 'page')} without a letter, as a scanner makes them",
            document.name,
            "Run OCR over it first (for instance ocrmypdf), then collect the result",
        )
    return pages, title


def _unlocks(reader: Any) -> bool:
    """Return whether the empty password opens it, as it does for files that only forbid printing.

    Raises
    ------
    MissingExtra
        If the cipher needs a package that is not installed.
    """
    from pypdf.errors import DependencyError

    try:
        return bool(reader.decrypt(""))
    except DependencyError:
        return False


def _title(reader: Any, broken: tuple[type[BaseException], ...]) -> str:
    try:
        return " ".join(str((reader.metadata or {}).get("/Title", "") or "").split())[:200]
    except broken:
        return ""


def _pages(
    reader: Any,
    count: int,
    document: Document,
    notes: list[str],
    broken: tuple[type[BaseException], ...],
) -> list[list[Line]]:
    """Return the lines of each page; pages that cannot be read are named in ``notes``."""
    pages: list[list[Line]] = []
    failed: list[int] = []
    total = 0
    for number in range(1, count + 1):
        try:
            lines = _page_lines(reader.pages[number - 1], number)
        except broken:
            failed.append(number)
            lines = []
        total += sum(len(line.text) for line in lines)
        if total > MAX_TEXT_OF_PDF:
            raise DataError(
                f"a PDF with at most {MAX_TEXT_OF_PDF // 1024**2} MiB of text",
                f"more by page {number}",
                document.name,
                "Cut it into smaller files",
            )
        pages.append(lines)
    empty = [n for n, lines in enumerate(pages, 1) if not lines and n not in failed]
    if failed:
        notes.append(f"{_numbers(failed)} that cannot be read left out.")
    if empty and any(pages):
        notes.append(f"{_numbers(empty)} without text; if they are scans, run OCR over them.")
    if failed and not any(pages):
        raise DataError(
            "pages that can be read",
            f"{_numbers(failed)} broken",
            document.name,
            "Open it and save it again, or export it as text",
        )
    return pages


def _numbers(pages: Sequence[int]) -> str:
    shown = ", ".join(str(page) for page in pages[:10])
    more = f" and {len(pages) - 10} more" if len(pages) > 10 else ""
    return f"{many(len(pages), 'page')} ({shown}{more})"


def _page_lines(page: Any, number: int) -> list[Line]:
    """Return the lines of one page in reading order; cells of one row are joined by a bar."""
    contents = page.get_contents()
    if contents is None:
        return []
    if len(contents.get_data()) > MAX_CONTENT:
        raise ValueError("too many drawing commands")
    writer = Writer(number)
    page.extract_text(visitor_text=writer.visit)
    return [line for line in writer.lines if line.text]
