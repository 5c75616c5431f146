"""HTML to a tree without scripts and menus, and elements of it to text; shared by collectors."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fewtune.data.collectors.base import MAX_MARKED, Document, many
from fewtune.data.collectors.blocks import Block
from fewtune.data.formats.decode import Encoding, find_encoding
from fewtune.errors import DataError, MissingExtra

__all__ = [
    "drop_chrome",
    "flow",
    "line_of",
    "parse_html",
    "read_html",
    "spaced",
    "text_of",
]

DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
# Codecs that are no plain text encodings, or that take quadratic time.
NO_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "undefined"}
UNSEEN = ("script", "style", "noscript", "template", "svg", "iframe", "object", "head")
CHROME = ("nav", "footer", "aside", "form", "button", "select")
MENU_ROLES = ("navigation", "menu", "menubar", "search", "contentinfo", "banner")
BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol p pre section "
    "summary table tbody tfoot thead tr ul".split()
)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")

NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML cannot hold: the parser reads them and the tree cannot be changed after."""


def spaced(text: str) -> str:
    """Return text with every run of white space as one space."""
    return " ".join(text.split())


def read_html(document: Document, notes: list[str]) -> str:
    """Return the characters of a page, by its mark, the server, its own word, or as UTF-8.

    Raises
    ------
    DataError
        If the page is empty, too large or no text.
    """
    document.refuse_larger(MAX_MARKED, "a web page")
    encoding = find_encoding(document.path, document.name)
    data = document.path.read_bytes()
    declared = DECLARED.search(data[:4096])
    told = declared.group(1).decode("ascii") if declared else ""
    named = () if encoding.codec.startswith("utf-16") else (document.charset, told)
    for name in named:
        codec = _text_codec(name)
        if codec:
            try:
                return _without_declaration(data.decode(codec))
            except UnicodeDecodeError:
                notes.append(f"The page says that it is {name}, and is not; check its accents.")
                break
    return _without_declaration(_decode(data, encoding, document, notes))


def _decode(data: bytes, encoding: Encoding, document: Document, notes: list[str]) -> str:
    if encoding.note:
        notes.append(encoding.note)
    try:
        return data.decode(encoding.codec)
    except UnicodeDecodeError as error:
        raise DataError(
            "text in one encoding", str(error), document.name, "Save it as UTF-8"
        ) from error


def _without_declaration(text: str) -> str:
    return XML_DECLARATION.sub("", text.lstrip("\ufeff").replace("\0", "\ufffd"))


def _text_codec(name: str) -> str:
    """Return the name of a codec for text, or nothing."""
    if not name or name.lower().replace("-", "_").removeprefix("x_") in NO_ENCODINGS:
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    if info.name in NO_ENCODINGS or not getattr(info, "_is_text_encoding", True):
        return ""
    # Browsers read pages that say Latin-1 as Windows-1252, which has quotation marks as well.
    return "cp1252" if info.name == "iso8859-1" else info.name


def parse_html(text: str, document: Document, notes: list[str]) -> Any:
    """Return the tree of a page; entities, DTDs and the network are never used.

    Tags nest 256 deep at most; where they go deeper reading stops, and ``notes`` say so.

    Raises
    ------
    DataError
        If there is no element in it.
    MissingExtra
        If lxml is not installed.
    """
    try:
        from lxml import etree
        from lxml import html as lxml_html
    except ImportError as error:
        raise MissingExtra.named("lxml", "collect", "web pages") from error
    parser = lxml_html.HTMLParser(
        remove_comments=True, remove_pis=True, no_network=True, huge_tree=False
    )
    try:
        tree = lxml_html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise DataError(
            "a web page with text", "no element in it", document.name, "Leave the file out"
        ) from error
    fatal = [entry for entry in parser.error_log if entry.level_name == "FATAL"]
    if fatal:
        notes.append(
            f"Reading stopped at line {fatal[0].line}: {spaced(fatal[0].message)[:100]}; "
            "what follows is left out."
        )
    for element in tree.iter():
        # As themselves or as &#1;, which the parser reads alike.
        element.text = element.text and NO_TEXT.sub(" ", element.text)
        element.tail = element.tail and NO_TEXT.sub(" ", element.tail)
    return tree


def drop_chrome(tree: Any, notes: list[str]) -> None:
    """Take what is not seen, and menus and footers, out of a tree; say how many words went."""
    for element in list(tree.iter(*UNSEEN)):
        element.drop_tree() if element.getparent() is not None else None
    lost = 0
    menus = (e for e in tree.iter() if isinstance(e.tag, str) and e.get("role") in MENU_ROLES)
    for element in list(chain(tree.iter(*CHROME), menus)):
        if element.getparent() is None:
            continue
        if element.tag == "button" and _is_question(element):
            element.drop_tag()
            continue
        lost += len(" ".join(element.itertext()).split())
        element.drop_tree()
    if lost:
        notes.append(f"{many(lost, 'word')} of menus, forms, side bars and footers left out.")


def _is_question(button: Any) -> bool:
    """Return whether a button is a heading, or a question, that opens what stands below it."""
    text = spaced("".join(button.itertext()))
    headed = any(isinstance(e.tag, str) and e.tag in HEADINGS for e in button.iterancestors())
    return bool(text) and (headed or text.endswith("?"))


def text_of(element: Any) -> str:
    """Return the words of an element, its blocks on lines of their own, items with a dash."""
    return "\n".join(block.text for block in flow(element))


def flow(tree: Any) -> Iterator[Block]:
    """Yield headings, paragraphs, items and rows of tables in the order of the page."""
    return _Flow().blocks(tree)


class _Flow:
    """Gathers words until a block begins or ends."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._line = 1
        self._level = 0
        self._mark = ""
        self._cells = 0
        self._tight = False
        self._as_written = False

    def blocks(self, tree: Any) -> Iterator[Block]:
        """Yield the blocks of a tree."""
        for kind, value, node in _walk(tree):
            if kind == "text":
                if not self._words:
                    self._line = line_of(node)
                self._words.append(value if self._as_written else re.sub(r"\s+", " ", value))
            elif value == "br":
                self._words += ["\n"] if kind == "start" else []
            elif value in ("td", "th"):
                self._cells += 1 if kind == "start" else -1
                self._words += [" | "] if kind == "end" else []
            elif value in BLOCKS and self._cells:
                self._words.append(" ")
            elif value in BLOCKS:
                yield from self._flush()
                self._turn(kind, value)
        yield from self._flush()

    def _turn(self, kind: str, tag: str) -> None:
        """Note what the next words are part of."""
        if tag in HEADINGS:
            self._level = int(tag[1]) if kind == "start" else 0
        elif tag == "pre":
            self._as_written = kind == "start"
        elif tag == "li":
            self._mark = "- " if kind == "start" else ""
        elif tag in ("ul", "ol", "table"):
            self._tight = False

    def _flush(self) -> Iterator[Block]:
        tidy = str.rstrip if self._as_written else spaced
        lines = [tidy(line) for line in "".join(self._words).split("\n")]
        text = "\n".join(line for line in lines if line).removesuffix(" |").removesuffix("|")
        row = any(word == " | " for word in self._words)
        self._words = []
        if text.strip():
            listed = bool(self._mark) or row
            tight = listed and self._tight
            text = text if self._as_written else text.strip()
            yield Block(self._mark + text, str(self._line), self._level, tight=tight)
            self._mark, self._tight = "", listed


def _walk(element: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (start, tag), (text, words) and (end, tag) in order, each with its element."""
    from lxml import etree

    skip = 0
    for event, node in etree.iterwalk(element, events=("start", "end")):
        named = isinstance(node.tag, str)
        unseen = named and node.tag in UNSEEN
        if event == "start":
            skip += unseen
            if named and not skip:
                yield "start", node.tag, node
                if node.text:
                    yield "text", node.text, node
        else:
            if named and not skip:
                yield "end", node.tag, node
            skip -= unseen
            if node is not element and node.tail and not skip:
                yield "text", node.tail, node


def line_of(element: Any) -> int:
    """Return the line where an element starts, counted from 1."""
    return int(element.sourceline or 1)
