"""Lines of a PDF's pages, with their heights and sizes, to headings and paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fewtune.data.collectors.base import many, quote, words_in
from fewtune.data.collectors.blocks import Block, unwrap

__all__ = ["Line", "Writer", "blocks_of", "without_running_titles"]

LARGER = 1.15
"""Times the size of most letters from which a line is a heading."""
HEADING_WORDS = 14
BAR = " | "
PAGE_NUMBER = re.compile(r"\d+")
SENTENCE_END = re.compile(r"[.!?:;…][\"')\]”’]*$")


@dataclass(slots=True)
class Line:
    """One line of a page: its height above the bottom and the size of its letters, in points."""

    text: str
    height: float
    size: float
    page: int


class Writer:
    """Gathers lines from the strings that pypdf tells, each with its place and size."""

    def __init__(self, page: int) -> None:
        self.lines: list[Line] = []
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
                self._take(words, spaced, Line(words, height, points, self._page), left)
            # A string without a line end goes on in the next one, in another font perhaps.
            self._open = at == len(parts) - 1 and (bool(words) or self._open)

    def _take(self, words: str, spaced: bool, line: Line, left: float) -> None:
        last = self.lines[-1] if self.lines else None
        if last and self._open:
            last.text += (" " if spaced else "") + words
        elif last and abs(last.height - line.height) < 0.2 * line.size + 0.1 and left > self._end:
            # Letters are about half as wide as they are high.
            gap = left - self._end
            last.text += (BAR if gap > 1.5 * line.size else " ") + words
        else:
            self.lines.append(line)
        self._end = left + 0.5 * line.size * len(words)


def without_running_titles(pages: list[list[Line]], notes: list[str]) -> list[Line]:
    """Return all lines except those that stand at the edge of most pages, with their number."""
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_edge_key(line) for line in _edge(page)})
    full = sum(1 for page in pages if page)
    repeated = {key for key, count in edges.items() if full > 1 and count >= max(2, 0.6 * full)}
    kept: list[Line] = []
    gone: list[str] = []
    for page in pages:
        at_edge = {id(line) for line in _edge(page)}
        for line in page:
            if id(line) in at_edge and _edge_key(line) in repeated:
                gone.append(line.text)
            else:
                kept.append(line)
    if gone and kept:
        notes.append(
            f"The running title {quote(gone[0], 60)} left out, in {many(len(gone), 'place')}."
        )
    return kept or [line for page in pages for line in page]


def _edge(page: Sequence[Line]) -> list[Line]:
    """Return the two highest and the two lowest lines."""
    ordered = sorted(page, key=lambda line: line.height)
    return ordered[:2] + ordered[-2:]


def _edge_key(line: Line) -> str:
    return PAGE_NUMBER.sub("#", line.text)


def blocks_of(lines: Sequence[Line]) -> list[Block]:
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
            level = levels[round(group[0].size, 1)]
            blocks.append(Block(text, place, level, section=f"{place} {text[:40]}"))
        else:
            section = "" if has_headings else place
            blocks.append(Block(unwrap([line.text for line in group]), place, section=section))
    return blocks


def _is_heading(line: Line, body: float) -> bool:
    return line.size >= LARGER * body and words_in(line.text) <= HEADING_WORDS


def _paragraphs(lines: Sequence[Line], body: float) -> Iterator[list[Line]]:
    """Yield lines that belong together: no wide gap, no change of size, not two columns."""
    group: list[Line] = []
    for line in lines:
        if group:
            last = group[-1]
            gap = last.height - line.height
            same = abs(last.size - line.size) < 0.1 * body
            heading = _is_heading(line, body)
            # Rows of a table stand further apart than lines of a paragraph.
            wide = 3.5 if BAR in last.text and BAR in line.text else 1.7
            near = 0 <= gap <= wide * max(line.size, 1.0) and last.page == line.page
            over = last.page != line.page and not SENTENCE_END.search(last.text)
            if not (same and (near or (over and not heading))):
                yield group
                group = []
        group.append(line)
    if group:
        yield group
