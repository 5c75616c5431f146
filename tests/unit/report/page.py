"""Reads a page back as a browser would: its text by section, and every tag with its attributes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "line", "circle", "path", "use", "rect", "img", "input", "link"}


class Page(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[tuple[str, str]] = []
        self.pieces: list[tuple[tuple[str, ...], tuple[str, ...], str]] = []
        self.unbalanced: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append((tag, dict(attrs).get("id") or ""))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.stack or self.stack[-1][0] != tag:
            self.unbalanced.append(tag)
        else:
            self.stack.pop()

    def handle_data(self, data):
        names = tuple(tag for tag, _ in self.stack)
        ids = tuple(name for _, name in self.stack)
        self.pieces.append((names, ids, data))

    def text(self, section: str = "") -> str:
        """Return what a reader sees, of one section or of all, with single spaces."""
        seen = [
            data
            for names, ids, data in self.pieces
            if "style" not in names and "head" not in names and (not section or section in ids)
        ]
        return re.sub(r"\s+", " ", " ".join(seen)).strip()

    def has(self, section: str) -> bool:
        return any(attributes.get("id") == section for _, attributes in self.tags)
