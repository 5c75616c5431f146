"""Web pages: the main text without menus, cut into pieces under its headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fewtune.data.collectors.base import Collector, Document, Options, many, nothing_found
from fewtune.data.collectors.blocks import Block, as_dataset
from fewtune.data.collectors.markup import (
    drop_chrome,
    flow,
    line_of,
    parse_html,
    read_html,
    spaced,
)
from fewtune.errors import MissingExtra
from fewtune.records import Dataset

__all__ = ["WebPage", "is_html"]

HTML_TYPES = ("text/html", "application/xhtml+xml")
KEY = 60
"""Characters of a paragraph by which its line is found again."""


def is_html(document: Document) -> float:
    """Return how sure it is that a document is a web page."""
    text = document.text_head
    if document.media_type in HTML_TYPES and text.strip():
        return 0.7
    if document.suffix in WebPage.suffixes:
        return 0.7 if text.strip() else 0.0
    return 0.7 if re.match(r"\s*(<\?xml[^>]*>\s*)?<(!doctype\s+html|html)", text, re.I) else 0.0


class WebPage(Collector):
    """Collects the main text of web pages."""

    suffixes = (".html", ".htm", ".xhtml")
    shape = "text"

    def accepts(self, document: Document) -> float:
        """Return more for what starts as HTML than for the name alone."""
        return is_html(document)

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return the sections of the main text, cut into pieces."""
        notes: list[str] = []
        text = read_html(document, notes)
        tree = parse_html(text, document, notes)
        title = spaced(next((e.text_content() for e in tree.iter("title")), ""))
        drop_chrome(tree, notes)
        lines = _lines(tree)
        every = list(flow(tree))
        blocks = _main_blocks(tree, lines)
        # On a short page trafilatura runs headings and text together.
        short = len(blocks) < min(2, len(every)) or not any(block.level == 0 for block in blocks)
        if short:
            blocks = every
            if blocks:
                notes.append("No main text stands out, so all text outside of menus was taken.")
        else:
            blocks = list(_with_headings(blocks, every))
            left = _words(every) - _words(blocks)
            if left > 0:
                notes.append(f"{many(left, 'word')} outside of the main text left out.")
        if not any(block.level == 0 for block in blocks):
            nothing_found(
                "a page with text",
                _nothing(blocks, notes),
                document,
                "Save the page from the browser after it has loaded, or leave it out",
            )
        return as_dataset(blocks, document, options, notes, title)


def _with_headings(blocks: Sequence[Block], every: Sequence[Block]) -> Sequence[Block]:
    """Return the main text with the headings that divide it, where none of them was kept.

    Where no element says that it holds the content, trafilatura keeps paragraphs alone. All is
    taken then from the heading above the first to the end of the section of the last.
    """
    kept = {block.text for block in blocks}
    places = [at for at, block in enumerate(every) if block.text in kept]
    if not places or any(block.level for block in blocks):
        return blocks
    first, last = places[0], places[-1] + 1
    if not any(block.level for block in every[first:last]):
        return blocks
    while first and every[first - 1].level:
        first -= 1
    while last < len(every) and not every[last].level:
        last += 1
    return every[first:last]


def _words(blocks: Sequence[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)


def _nothing(blocks: list[Block], notes: list[str]) -> str:
    """Return what a page without text holds instead."""
    stopped = [note for note in notes if note.startswith("Reading stopped")]
    if stopped:
        return "no text; " + stopped[0][0].lower() + stopped[0][1:].rstrip(".")
    return "headings only" if blocks else "only scripts, styles or menus"


def _lines(tree: Any) -> dict[str, list[int]]:
    """Return where blocks stand, by their first characters, in order."""
    found: dict[str, list[int]] = {}
    for element in tree.iter():
        if isinstance(element.tag, str):
            key = _key(element)
            if key:
                found.setdefault(key, []).append(line_of(element))
    return found


def _key(element: Any) -> str:
    """Return the first letters of an element, reading no more of it than that."""
    key = ""
    for text in element.itertext():
        key += "".join(text[: 4 * KEY].split())
        if len(key) >= KEY:
            break
    return key[:KEY]


def _main_blocks(tree: Any, lines: dict[str, list[int]]) -> list[Block]:
    """Return what trafilatura holds for the main text."""
    try:
        import trafilatura
    except ImportError as error:
        raise MissingExtra.named("trafilatura", "collect", "web pages") from error
    from lxml import etree

    try:
        found = trafilatura.extract(
            tree,
            output_format="xml",
            include_comments=False,
            include_tables=True,
            include_images=False,
            deduplicate=False,
        )
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, RecursionError):
        # A page that it cannot read is still read by ourselves.
        return []
    if not found:
        return []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    main = etree.fromstring(found.encode(), parser=parser).find("main")
    return [] if main is None else _Places(lines).blocks(main)


class _Places:
    """Turns trafilatura's elements into blocks, and finds each in the page again."""

    def __init__(self, lines: dict[str, list[int]]) -> None:
        self._lines = {key: list(reversed(places)) for key, places in lines.items()}
        self._last = 1

    def blocks(self, main: Any) -> list[Block]:
        """Return blocks in the order of the page."""
        made: list[Block] = []
        for element in main:
            if element.tag == "head":
                level = (element.get("rend") or "h2")[-1]
                text = spaced("".join(element.itertext()))
                if text:
                    number = int(level) if level.isdigit() else 2
                    made.append(Block(text, self._line(text), max(1, number)))
            elif element.tag == "list":
                made += self._rows(element.iter("item"), "- ")
            elif element.tag == "table":
                made += self._rows(element.iter("row"), "")
            else:
                text = _flow(element)
                if text:
                    made.append(Block(text, self._line(text)))
        return made

    def _rows(self, rows: Any, mark: str) -> list[Block]:
        made: list[Block] = []
        for row in rows:
            cells = [spaced("".join(cell.itertext())) for cell in row.iter("cell")]
            text = " | ".join(cells) if any(cells) else spaced("".join(row.itertext()))
            if text:
                line = self._line(text.replace(" | ", ""))
                made.append(Block(mark + text, line, tight=bool(made)))
        return made

    def _line(self, text: str) -> str:
        places = self._lines.get("".join(text.split())[:KEY])
        while places:
            line = places.pop()
            if line >= self._last:
                self._last = line
                break
        return str(self._last)


def _flow(element: Any) -> str:
    """Return a paragraph, its line breaks kept; code keeps all of its lines."""
    if element.tag == "code":
        return "".join(element.itertext()).strip("\n")
    for broken in element.iter("lb"):
        broken.tail = "\n" + (broken.tail or "")
    lines = [spaced(line) for line in "".join(element.itertext()).split("\n")]
    return "\n".join(line for line in lines if line)
