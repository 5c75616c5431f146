"""PDF: the text of its pages, cut into pieces; scanned pages are told, not read."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fewtune.data.collectors.base import Collector, Document, Options, quote, words_in
from fewtune.data.collectors.blocks import Block, as_dataset
from fewtune.errors import DataError, MissingExtra
from fewtune.records import Dataset

__all__ = ["Pdf"]

MAX_FILE = 256 * 1024**2
MAX_PAGES = 5_000
MAX_TEXT_OF_PDF = 32 * 1024**2
MAX_CONTENT = 16 * 1024**2
"""Bytes of the drawing commands of one page; a page full of text has some 20,000."""

LARGER = 1.15
"""Times the size of most letters from which a line is a heading."""
HEADING_WORDS = 14
PAGE_NUMBER = re.compile(r"\d+")
SENTENCE_END = re.compile(r"[.!?:;…][\"')\]”’]*$")
BULLET = re.compile(r"^([•◦▪‣·–*-]|\d{1,2}[.)]|[a-z][.)])\s")


@dataclass(slots=True)
class _Line:
    """One line of a page: its height above the bottom and the size of its letters, in points."""

    text: str
    height: float
    size: float
    page: int


class _Writer:
    """Gathers lines from the strings that pypdf tells, each with its place and size."""

    def __init__(self, page: int) -> None:
        self.lines: list[_Line] = []
        self._page = page
        self._open = False
        self._end = 0.0

    def visit(self, text: str, cm: Any, tm: Any, font: Any, size: float) -> None:
        """Take one string; those on one line are joined, by a bar where a gap makes columns."""
        height = float(tm[5]) * float(cm[3]) + float(cm[5])
        left = float(tm[4]) * float(cm[0]) + float(cm[4])
        points = float(size) * (abs(float(tm[3]) * float(cm[3])) or 1.0)
        parts = text.split("\n")
        for at, part in enumerate(parts):
            words = " ".join(part.split())
            if words:
                spaced = part[:1].isspace()
                self._take(words, spaced, _Line(words, height, points, self._page), left)
            # A string without a line end goes on in the next one, in another font perhaps.
            self._open = at == len(parts) - 1 and (bool(words) or self._open)

    def _take(self, words: str, spaced: bool, line: _Line, left: float) -> None:
        last = self.lines[-1] if self.lines else None
        if last and self._open:
            last.text += (" " if spaced else "") + words
        elif last and abs(last.height - line.height) < 0.2 * line.size + 0.1 and left > self._end:
            # Letters are about half as wide as they are high.
            gap = left - self._end
            last.text += (" | " if gap > 1.5 * line.size else " ") + words
        else:
            self.lines.append(line)
        self._end = left + 0.5 * line.size * len(words)


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
        lines = _without_running_titles(pages, notes)
        blocks = _blocks(lines)
        data = as_dataset(
            blocks, document, options, notes, title, lambda place: f"{document.name}#{place}"
        )
        return data


def _read(document: Document, notes: list[str]) -> tuple[list[list[_Line]], str]:
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
    broken = (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError)
    broken += (AssertionError, OverflowError, RecursionError, NotImplementedError, OSError)
    broken += (ZeroDivisionError, EOFError, MemoryError, UnicodeError, ArithmeticError)
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
            f"{count} pages without a letter: pictures of pages, as a scanner makes them",
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
) -> list[list[_Line]]:
    """Return the lines of each page; pages that cannot be read are named in ``notes``."""
    pages: list[list[_Line]] = []
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
        notes.append(f"{_numbers(failed)} cannot be read and were left out.")
    if empty and any(pages):
        notes.append(f"{_numbers(empty)} hold no text; if they are scans, run OCR over them.")
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
    return f"{len(pages)} page{'s' if len(pages) > 1 else ''} (page {shown}{more})"


def _page_lines(page: Any, number: int) -> list[_Line]:
    """Return the lines of one page in reading order; cells of one row are joined by a bar."""
    contents = page.get_contents()
    if contents is None:
        return []
    if len(contents.get_data()) > MAX_CONTENT:
        raise ValueError("too many drawing commands")
    writer = _Writer(number)
    page.extract_text(visitor_text=writer.visit)
    return [line for line in writer.lines if line.text]


def _without_running_titles(pages: list[list[_Line]], notes: list[str]) -> list[_Line]:
    """Return all lines except those that stand at the edge of most pages, with their number."""
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_edge_key(line) for line in _edge(page)})
    full = sum(1 for page in pages if page)
    repeated = {key for key, count in edges.items() if full > 1 and count >= max(2, 0.6 * full)}
    kept: list[_Line] = []
    gone: list[str] = []
    for page in pages:
        at_edge = {id(line) for line in _edge(page)}
        for line in page:
            if id(line) in at_edge and _edge_key(line) in repeated:
                gone.append(line.text)
            else:
                kept.append(line)
    if gone and kept:
        notes.append(f"The running title {quote(gone[0], 60)} was left out of {len(gone)} places.")
    return kept or [line for page in pages for line in page]


def _edge(page: Sequence[_Line]) -> list[_Line]:
    """Return the two highest and the two lowest lines."""
    ordered = sorted(page, key=lambda line: line.height)
    return ordered[:2] + ordered[-2:]


def _edge_key(line: _Line) -> str:
    return PAGE_NUMBER.sub("#", line.text)


def _blocks(lines: Sequence[_Line]) -> list[Block]:
    """Return headings (larger letters) and paragraphs (lines joined where they run on)."""
    if not lines:
        return []
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    body = letters.most_common(1)[0][0] or 1.0
    sizes = sorted({round(line.size, 1) for line in lines if _is_heading(line, body)}, reverse=True)
    levels = {size: min(6, at) for at, size in enumerate(sizes, 1)}
    has_headings = bool(levels)
    blocks: list[Block] = []
    for group in _paragraphs(lines, body):
        place = f"page{group[0].page}"
        if _is_heading(group[0], body):
            text = " ".join(line.text for line in group)
            blocks.append(Block(text, place, levels[round(group[0].size, 1)]))
        else:
            section = "" if has_headings else place
            blocks.append(Block(_run_on(group), place, section=section))
    return blocks


def _is_heading(line: _Line, body: float) -> bool:
    return line.size >= LARGER * body and words_in(line.text) <= HEADING_WORDS


def _paragraphs(lines: Sequence[_Line], body: float) -> Iterator[list[_Line]]:
    """Yield lines that belong together: no wide gap, no change of size, not two columns."""
    group: list[_Line] = []
    for line in lines:
        if group:
            last = group[-1]
            gap = last.height - line.height
            same = abs(last.size - line.size) < 0.1 * body
            heading = _is_heading(line, body)
            near = 0 <= gap <= 1.7 * max(line.size, 1.0) and last.page == line.page
            over = last.page != line.page and not SENTENCE_END.search(last.text)
            if not (same and (near or (over and not heading))):
                yield group
                group = []
        group.append(line)
    if group:
        yield group


def _run_on(group: Sequence[_Line]) -> str:
    """Return the lines as one text: full ones are joined, a word parted at the end is mended."""
    longest = max(len(line.text) for line in group)
    text = group[0].text
    for last, line in zip(group, group[1:], strict=False):
        parted = re.search(r"[a-zà-ÿ]-$", last.text) and line.text[:1].islower()
        full = len(last.text) > 0.7 * longest and " | " not in last.text + line.text
        if parted:
            text = text[:-1] + line.text
        elif full and not BULLET.match(line.text):
            text += " " + line.text
        else:
            text += "\n" + line.text
    return text
