"""FAQ pages: questions and answers from headings, <details>, FAQPage data and Q:/A: lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fewtune.data.collectors.base import (
    MAX_MARKED,
    Collector,
    Document,
    Options,
    many,
    nothing_found,
    quote,
)
from fewtune.data.collectors.blocks import Block, make_pair
from fewtune.data.collectors.markdown import front_matter, markdown_blocks
from fewtune.data.collectors.markup import drop_chrome, parse_html, read_html
from fewtune.data.collectors.pairs import (
    LABEL,
    Found,
    Pair,
    from_blocks,
    from_elements,
    from_json_ld,
    from_lines,
)
from fewtune.data.collectors.web_page import is_html
from fewtune.records import Dataset

__all__ = ["Faq"]

HEADING = re.compile(r"<h[1-6][^>]{0,300}>(.{1,400}?)</h[1-6]>", re.IGNORECASE | re.DOTALL)
SUMMARY = re.compile(r"<summary[^>]{0,300}>(.{1,400}?)</summary>", re.IGNORECASE | re.DOTALL)
TERM = re.compile(r"<dt[^>]{0,300}>(.{1,400}?)</?d[td]", re.IGNORECASE | re.DOTALL)
MARKDOWN_HEADING = re.compile(r"^#{1,6}\s+(.{1,300}?)\s*#*$", re.MULTILINE)
BOLD_QUESTION = re.compile(r"^\*\*[^*\n]{3,200}[?？]\*\*\s*$", re.MULTILINE)
FEWEST = 2
"""Questions from which a document may be an FAQ page."""


class Faq(Collector):
    """Collects questions with their answers."""

    suffixes = ()
    shape = "prompt"

    def accepts(self, document: Document) -> float:
        """Return 0.9 for what is marked as an FAQ, 0.8 where most headings are questions."""
        text = document.text_head
        if is_html(document):
            if re.search(r"[\"']FAQPage[\"']", text):
                return 0.9
            asked = _mostly_questions(HEADING.findall(text)) or _asks(SUMMARY.findall(text))
            return 0.8 if asked or _asks(TERM.findall(text)) else 0.0
        labels = [match for match in map(LABEL.match, text.split("\n")) if match]
        questions = sum(1 for match in labels if match["q"])
        if questions >= FEWEST and len(labels) - questions >= FEWEST:
            return 0.9
        if document.suffix in (".md", ".markdown") or document.media_type == "text/markdown":
            headings = MARKDOWN_HEADING.findall(text)
            asked = _mostly_questions(headings) or _asks(SUMMARY.findall(text))
            return 0.8 if asked or len(BOLD_QUESTION.findall(text)) >= 3 else 0.0
        if document.suffix in (".txt", ".text"):
            return 0.7 if _plain_questions(text) else 0.0
        return 0.0

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return one row for each question that has an answer."""
        notes: list[str] = []
        found = _from_page(document, notes) if is_html(document) else _from_text(document, notes)
        pairs = _once(found)
        if not pairs:
            nothing_found(
                "questions with answers: headings that end in ?, <details>, FAQPage data, or "
                "lines that start with Q: and A:",
                found.notes[0] if found.notes else "none",
                document,
                "Choose another --collector, or mark the questions so",
            )
        shape = options.shape or self.shape
        examples = [
            make_pair(pair.question, pair.answer, source, source, shape)
            for source, pair in _sources(pairs, document)
        ]
        return Dataset(tuple(examples), shape, document.name, notes=(*notes, *found.notes))


def _sources(pairs: Sequence[Pair], document: Document) -> list[tuple[str, Pair]]:
    """Return each pair with ``file:line``; a second one on a line gets a number."""
    seen: dict[int, int] = {}
    named = []
    for pair in pairs:
        seen[pair.line] = seen.get(pair.line, 0) + 1
        more = f".{seen[pair.line]}" if seen[pair.line] > 1 else ""
        named.append((document.at(pair.line) + more, pair))
    return named


def _from_page(document: Document, notes: list[str]) -> Found:
    tree = parse_html(read_html(document, notes), document, notes)
    marked = from_json_ld(tree)
    drop_chrome(tree, notes)
    shown = from_elements(tree)
    # What is marked for machines comes first: its answers are whole.
    return Found([*marked.pairs, *shown.pairs], [*marked.notes, *shown.notes])


def _from_text(document: Document, notes: list[str]) -> Found:
    lines = document.lines(notes)
    labelled = from_lines(enumerate(lines, 1))
    if labelled.pairs:
        return labelled
    if document.suffix in (".txt", ".text"):
        return from_blocks(_question_blocks(lines))
    if SUMMARY.search("\n".join(lines)):
        folded = from_elements(parse_html("\n".join(lines), document, notes))
        if folded.pairs:
            return folded
    document.refuse_larger(MAX_MARKED, "a text with markup")
    skip, _ = front_matter(lines)
    blocks = markdown_blocks(lines[skip:], skip)
    found = from_blocks(blocks)
    return found if found.pairs else labelled


def _question_blocks(lines: Sequence[str]) -> list[Block]:
    """Return paragraphs; a first line that asks is the heading of what follows it."""
    blocks: list[Block] = []
    held: list[tuple[int, str]] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            held.append((number, line.strip()))
            continue
        if held and held[0][1].endswith(("?", "？")):
            blocks.append(Block(held[0][1], str(held[0][0]), 6))
            held = held[1:]
        if held:
            blocks.append(Block("\n".join(text for _, text in held), str(held[0][0])))
        held = []
    return blocks


def _once(found: Found) -> list[Pair]:
    """Return every question once; what stood twice, and what was answered otherwise, is said."""
    first: dict[str, Pair] = {}
    same, other = 0, []
    for pair in found.pairs:
        key = " ".join(re.findall(r"\w+", pair.question.lower())) or pair.question
        kept = first.setdefault(key, pair)
        if kept is pair:
            continue
        if re.findall(r"\w+", kept.answer) == re.findall(r"\w+", pair.answer):
            same += 1
        else:
            other.append(f"{quote(pair.question)} (lines {kept.line} and {pair.line})")
    if same:
        found.notes.append(f"{many(same, 'question')} with one answer in two places, taken once.")
    if other:
        found.notes.append(
            f"{many(len(other), 'question')} with two different answers, the first taken: "
            f"{'; '.join(other[:3])}."
        )
    return list(first.values())


def _asks(texts: Sequence[str]) -> bool:
    """Return whether enough of the texts, and at least half of them, end in a question mark."""
    asked = sum(1 for text in texts if re.search(r"[?？]\s*(</?\w[^>]*>\s*)*$", text))
    return asked >= FEWEST and 2 * asked >= len(texts)


def _mostly_questions(headings: Sequence[str]) -> bool:
    """Return whether headings are those of an FAQ: three that ask, and half of all."""
    asked = sum(1 for text in headings if re.search(r"[?？]\s*(</?\w[^>]*>\s*)*$", text))
    return asked >= 3 and 2 * asked >= len(headings)


def _plain_questions(text: str) -> bool:
    """Return whether most paragraphs of a plain text start with a question of one line."""
    first, asked, apart = 0, 0, True
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped and apart:
            first += 1
            asked += stripped.endswith(("?", "？")) and len(stripped) <= 200
        apart = not stripped
    return asked >= 3 and 5 * asked >= 2 * first
