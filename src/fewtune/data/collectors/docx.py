"""Word documents (docx): headings, paragraphs, lists and tables, cut into pieces."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from fewtune.data.collectors.base import Collector, Document, Options, many, nothing_found, quote
from fewtune.data.collectors.blocks import Block, as_dataset
from fewtune.errors import DataError, MissingExtra
from fewtune.records import Dataset

__all__ = ["Docx"]

MAX_FILE = 64 * 1024**2
MAX_UNPACKED = 256 * 1024**2
MAX_XML = 32 * 1024**2
"""Bytes of the text with its markup, unpacked; its tree takes about ten times as much memory."""
MAX_MEMBERS = 5_000
MAX_DEPTH = 40
"""Tables within tables that are followed."""

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
OUTSIDE = {f"{W}del", f"{W}moveFrom", f"{W}txbxContent", f"{W}instrText"}
HEADING = re.compile(r"heading\s*([1-9])", re.IGNORECASE)
OTHER_OFFICE = {
    "xl/workbook.xml": "an Excel workbook",
    "ppt/presentation.xml": "a PowerPoint presentation",
    "content.xml": "an OpenDocument file",
    "META-INF/container.xml": "an EPUB book",
}


class Docx(Collector):
    """Collects the text of Word documents."""

    suffixes = (".docx", ".docm")
    shape = "text"

    def accepts(self, document: Document) -> float:
        """Return 1 for a zip archive that holds a Word document, little for the name alone."""
        if document.head.startswith(b"PK"):
            if b"word/" in document.head or document.suffix in self.suffixes:
                return 1.0
            return 0.0
        return 0.1 if document.suffix in self.suffixes else 0.0

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return the sections, cut into pieces."""
        notes: list[str] = []
        document.refuse_larger(MAX_FILE, "a Word document")
        _refuse_bombs(document)
        opened = _open(document)
        blocks = list(_Body(opened).blocks())
        if not any(block.level == 0 for block in blocks):
            nothing_found(
                "text under its headings",
                "headings only" if blocks else "no text (pictures are not read)",
                document,
                "Leave the file out",
            )
        boxes = len(list(opened.element.body.iter(f"{W}txbxContent")))
        if boxes:
            notes.append(f"{many(boxes, 'text box').replace('boxs', 'boxes')} left out.")
        title = " ".join((opened.core_properties.title or "").split())
        return as_dataset(
            blocks, document, options, notes, title, lambda place: f"{document.name}#{place}"
        )


def _refuse_bombs(document: Document) -> None:
    """Raise if the archive is broken, or would unpack to more than fits.

    The sizes in the archive's list bound what is unpacked: Python's zipfile reads no further.
    """
    try:
        with zipfile.ZipFile(document.path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        old = document.head.startswith(b"\xd0\xcf\x11\xe0")
        raise DataError(
            "a Word document (docx)",
            "an old or locked Office document" if old else f"a broken archive: {error}",
            document.name,
            "Save it as docx without a password" if old else "Fetch or save it again",
        ) from error
    names = {member.filename for member in members}
    if "word/document.xml" not in names:
        found = next((word for name, word in OTHER_OFFICE.items() if name in names), "")
        raise DataError(
            "a Word document (docx)",
            found or "an archive without word/document.xml",
            document.name,
            "Export it as docx, PDF or HTML",
        )
    size = sum(member.file_size for member in members)
    xml = max(m.file_size for m in members if m.filename.endswith((".xml", ".rels")))
    if size > MAX_UNPACKED or xml > MAX_XML or len(members) > MAX_MEMBERS:
        raise DataError(
            f"a document that unpacks to at most {MAX_UNPACKED // 1024**2} MiB, "
            f"{MAX_XML // 1024**2} MiB of it text",
            f"{size / 1024**2:,.0f} MiB in {len(members):,} parts, the largest text "
            f"{xml / 1024**2:,.0f} MiB",
            document.name,
            "Cut it into smaller files",
        )


def _open(document: Document) -> Any:
    """Return python-docx's document; its parser resolves no entities and loads nothing."""
    try:
        import docx
        from docx.exceptions import PythonDocxError
        from docx.opc.exceptions import OpcError
        from lxml.etree import LxmlError
    except ImportError as error:
        raise MissingExtra.named("python-docx", "collect", "Word documents") from error
    broken: tuple[type[BaseException], ...] = (
        *(PythonDocxError, OpcError, LxmlError, zipfile.BadZipFile, zlib.error, KeyError),
        *(ValueError, TypeError, AttributeError, IndexError, OSError, EOFError),
        *(NotImplementedError, AssertionError, RuntimeError),
    )
    try:
        opened = docx.Document(str(document.path))
        if opened.element.body is None:
            raise ValueError("there is no body")
        return opened
    except broken as error:
        raise DataError(
            "a Word document that can be read",
            f"{type(error).__name__}: {quote(str(error), 80)}",
            document.name,
            "Open it in Word or LibreOffice and save it again",
        ) from error


class _Body:
    """Walks the body in order, into content controls and accepted insertions as well."""

    def __init__(self, opened: Any) -> None:
        self._body = opened.element.body
        self._count = 0
        self._levels: dict[str, int] = {}
        self._lists: set[str] = set()
        for style in opened.styles.element.iter(f"{W}style"):
            self._learn(style)

    def _learn(self, style: Any) -> None:
        name = style.find(f"{W}name")
        label = (name.get(f"{W}val") or "") if name is not None else ""
        key = style.get(f"{W}styleId") or ""
        match = HEADING.match(label)
        outline = style.find(f"{W}pPr/{W}outlineLvl")
        if label.lower() == "title":
            self._levels[key] = 1
        elif match:
            # Under the title, if there is one; levels only need to be in order.
            self._levels[key] = min(6, int(match.group(1)) + 1)
        elif outline is not None and (outline.get(f"{W}val") or "9") in "012345":
            self._levels[key] = min(6, int(outline.get(f"{W}val")) + 2)
        if label.lower().startswith("list") and "paragraph" not in label.lower():
            self._lists.add(key)

    def blocks(self) -> Iterator[Block]:
        """Yield headings, paragraphs and rows of tables."""
        yield from self._walk(self._body, 0)

    def _walk(self, parent: Any, depth: int) -> Iterator[Block]:
        tight = False
        for element in parent:
            if element.tag == f"{W}p":
                self._count += 1
                text = _words(element)
                if text:
                    block = self._paragraph(element, text, tight)
                    tight = block.text.startswith("- ")
                    yield block
            elif element.tag == f"{W}tbl":
                yield from self._table(element)
                tight = False
            elif element.tag not in OUTSIDE and len(element) and depth < MAX_DEPTH:
                yield from self._walk(element, depth + 1)

    def _paragraph(self, element: Any, text: str, tight: bool) -> Block:
        style = element.find(f"{W}pPr/{W}pStyle")
        key = (style.get(f"{W}val") or "") if style is not None else ""
        place = f"paragraph{self._count}"
        level = self._levels.get(key, 0)
        if level:
            return Block(" ".join(text.split()), place, level)
        item = key in self._lists or element.find(f"{W}pPr/{W}numPr") is not None
        return Block(f"- {text}" if item else text, place, tight=item and tight)

    def _table(self, table: Any) -> Iterator[Block]:
        tight = False
        for row in table.iter(f"{W}tr"):
            self._count += 1
            cells = [
                " ".join(" ".join(_words(p) for p in cell.iter(f"{W}p")).split())
                for cell in row.iterchildren(f"{W}tc")
            ]
            if any(cells):
                yield Block(" | ".join(cells), f"paragraph{self._count}", tight=tight)
                tight = True


def _words(paragraph: Any) -> str:
    """Return the words of a paragraph as it reads with all changes accepted."""
    parts: list[str] = []
    for node in paragraph.iter(f"{W}t", f"{W}tab", f"{W}br", f"{W}cr", f"{W}noBreakHyphen"):
        if any(above.tag in OUTSIDE for above in node.iterancestors()):
            continue
        if node.tag == f"{W}t":
            parts.append(node.text or "")
        elif node.tag == f"{W}noBreakHyphen":
            parts.append("-")
        elif node.getparent().tag != f"{W}tabs":
            parts.append(" " if node.tag == f"{W}tab" else "\n")
    return "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n")).strip()
