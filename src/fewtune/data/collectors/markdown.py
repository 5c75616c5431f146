"""Markdown and plain text: its sections, cut into pieces under their headings."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fewtune.data.collectors.base import MAX_MARKED, Collector, Document, Options, nothing_found
from fewtune.data.collectors.blocks import Block, as_dataset, unwrap
from fewtune.records import Dataset

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["Markdown", "front_matter", "markdown_blocks", "strip_tags"]

BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
SIGNS = re.compile(r"^(#{1,6} |[-*+] |\d+[.)] |```|> )|\]\(|\*\*\w", re.MULTILINE)
TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>")
TITLE = re.compile(r"^title\s*:\s*[\"']?(.+?)[\"']?\s*$", re.IGNORECASE)


def front_matter(lines: Sequence[str]) -> tuple[int, str]:
    """Return how many lines of settings (YAML between ``---``) stand first, and their title."""
    if not lines or lines[0].strip() != "---":
        return 0, ""
    for number, line in enumerate(lines[1:200], 1):
        if line.strip() in ("---", "..."):
            found = [m for m in map(TITLE.match, lines[1:number]) if m]
            return number + 1, found[0].group(1) if found else ""
        if line.strip() and not re.match(r"[\w-]+\s*:|\s+\S|\s*[-#]", line):
            break
    return 0, ""


def strip_tags(text: str) -> str:
    """Return the words of a piece of HTML, without comments and tags, on one line.

    Examples
    --------
    >>> strip_tags("<b>Open</b> <!-- really? --> daily")
    'Open daily'
    """
    parts: list[str] = []
    at = 0
    # A pattern would look for the end of a comment again and again where there is none.
    while (start := text.find("<!--", at)) >= 0:
        parts.append(text[at:start])
        end = text.find("-->", start)
        at = len(text) if end < 0 else end + 3
    parts.append(text[at:])
    return " ".join(html.unescape(TAG.sub(" ", " ".join(parts))).split())


class _Walker:
    """Walks over tokens and gathers blocks."""

    def __init__(self, offset: int, parser: MarkdownIt, references: dict[str, object]) -> None:
        self._parser = parser
        self._references = references
        self.blocks: list[Block] = []
        self._offset = offset
        self._line = 1 + offset
        self._level = 0
        self._ordered: list[bool] = []
        self._marker = ""
        self._row: list[str] | None = None
        self._tight = False

    def walk(self, tokens: Sequence[Token]) -> list[Block]:
        """Return the blocks of the tokens."""
        for token in tokens:
            if token.map:
                self._line = token.map[0] + 1 + self._offset
            kind = token.type
            if kind in ("heading_open", "heading_close"):
                self._level = int(token.tag[1:]) if token.nesting == 1 else 0
            elif "list" in kind:
                self._list(token)
            elif kind == "table_open":
                self._tight = False
            elif kind == "tr_open":
                self._row = []
            elif kind == "tr_close":
                row, self._row = self._row or [], None
                self._add(" | ".join(row) if any(row) else "")
                self._tight = True
            elif kind == "table_close":
                self._tight = False
            elif kind == "inline" and self._row is not None:
                self._row.append(self._inline(token.content))
            elif kind == "inline":
                self._add(self._inline(token.content))
            elif kind in ("fence", "code_block"):
                self._add(token.content.rstrip("\n"))
            elif kind == "html_block":
                self._add(strip_tags(token.content))
        return self.blocks

    def _inline(self, content: str) -> str:
        """Return the words of a block, without markup, pictures and addresses of links."""
        children: list[Token] = []
        self._parser.inline.parse(content, self._parser, self._references, children)
        parts: list[str] = []
        for child in children:
            if child.type in ("text", "text_special", "code_inline"):
                parts.append(child.content)
            elif child.type in ("hardbreak", "softbreak"):
                parts.append("\n" if child.type == "hardbreak" else " ")
            elif child.type == "html_inline" and BREAK.fullmatch(child.content):
                parts.append("\n")
        return "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n")).strip()

    def _list(self, token: Token) -> None:
        """Keep the items' marks; only the first block of an item carries its mark."""
        if token.type.endswith("list_open"):
            self._ordered.append(token.type == "ordered_list_open")
            self._tight = len(self._ordered) > 1
        elif token.type == "list_item_open":
            # The number as written: a list may count 1, 2, 3, 0 on purpose.
            mark = f"{token.info}." if self._ordered[-1] and token.info else "-"
            self._marker = "  " * (len(self._ordered) - 1) + mark + " "
        elif token.type == "list_item_close":
            self._marker = ""
            self._tight = True
        elif token.type.endswith("list_close"):
            self._ordered.pop()
            self._tight = bool(self._ordered)

    def _add(self, text: str) -> None:
        if text.strip():
            self.blocks.append(
                Block(self._marker + text, str(self._line), self._level, tight=self._tight)
            )
            self._marker = ""


def markdown_blocks(lines: Sequence[str], offset: int = 0) -> list[Block]:
    """Return headings, paragraphs, items, rows of tables and code, each with its line.

    Parameters
    ----------
    offset
        Lines of the file before the first of ``lines``.
    """
    from markdown_it import MarkdownIt

    # Words within a block are parsed when their turn comes: all at once they take 150 times the
    # memory of the file.
    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    references: dict[str, object] = {}
    tokens = parser.parse("\n".join(lines), references)
    return _Walker(offset, parser, references).walk(tokens)


class Markdown(Collector):
    """Collects the text of Markdown and of plain text files."""

    suffixes = (".md", ".markdown", ".mdown", ".txt", ".text")
    shape = "text"

    def accepts(self, document: Document) -> float:
        """Return more for Markdown's own signs and suffix than for plain text."""
        text = document.text_head
        if not text.strip():
            return 0.0
        if document.media_type == "text/markdown" or document.suffix in self.suffixes[:3]:
            return 0.6
        if document.suffix in self.suffixes or document.media_type == "text/plain":
            return 0.4
        return 0.2 if not document.suffix and SIGNS.search(text) else 0.0

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return the sections, cut into pieces."""
        notes: list[str] = []
        document.refuse_larger(MAX_MARKED, "a text with markup")
        lines = document.lines(notes)
        skip, title = front_matter(lines)
        if skip:
            notes.append(f"Lines 1 to {skip} are settings, not text, and were left out.")
        if document.suffix in (".txt", ".text"):
            blocks = _plain_blocks(lines)
        else:
            blocks = markdown_blocks(lines[skip:], skip)
        if not any(block.level == 0 for block in blocks):
            nothing_found("text under its headings", "none", document, "Leave the file out")
        return as_dataset(blocks, document, options, notes, title)


def _plain_blocks(lines: Sequence[str]) -> list[Block]:
    """Return the paragraphs between blank lines; short lines stay lines, as they may be a list."""
    if any(line.startswith("# ") for line in lines):
        return markdown_blocks(lines)
    blocks: list[Block] = []
    held: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            held.append(line.strip())
        elif held:
            blocks.append(Block(unwrap(held), str(number - len(held))))
            held = []
    return blocks
