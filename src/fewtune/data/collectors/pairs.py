"""Questions with their answers, found in text, Markdown and HTML; shared by the faq collector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fewtune.data.collectors.base import many, quote
from fewtune.data.collectors.blocks import Block, unwrap
from fewtune.data.collectors.markup import flow, line_of, spaced, text_of

__all__ = [
    "LABEL",
    "Found",
    "Pair",
    "from_blocks",
    "from_elements",
    "from_json_ld",
    "from_lines",
]

LABEL = re.compile(
    r"^[\s>#*_-]{0,12}(?:(?P<q>q|question)|(?P<a>a|answer))\s{0,2}(?:\d{1,3}\s{0,2})?[:.)][*_]{0,3}(?=\s|$)",
    re.IGNORECASE,
)
"""``Q:``, ``A:``, ``Question 3.``, ``**Q1:**`` at the start of a line."""

ASKS = re.compile(r"[?？][\"')\]”’*_\s]*$")
NUMBER = re.compile(r"^(?:\d{1,3}[.)]|[-*•])\s+")
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, its answer, and the line where the question stands."""

    question: str
    answer: str
    line: int


@dataclass(slots=True)
class Found:
    """What was found in one way, and what was left out and why, one sentence each."""

    pairs: list[Pair]
    notes: list[str]

    def add(self, question: str, answer: str, line: int) -> None:
        """Take a pair; one half alone is noted with its line."""
        question, answer = NUMBER.sub("", spaced(question)), answer.strip()
        if question and answer:
            self.pairs.append(Pair(question, answer, line))
        elif question:
            self.notes.append(f"Line {line}: {quote(question)} has no answer and was left out.")
        elif answer:
            self.notes.append(f"Line {line}: the answer {quote(answer)} has no question.")


def from_lines(lines: Iterable[tuple[int, str]]) -> Found:
    """Return the pairs that are labelled ``Q:`` and ``A:``.

    An answer ends at the next label or at two blank lines. Text before the first label, and after
    an answer that has ended, belongs to no pair and is counted.
    """
    found = Found([], [])
    question: list[str] = []
    answer: list[str] = []
    part: list[str] | None = None
    start, blanks, outside = 0, 0, 0
    for number, line in lines:
        match = LABEL.match(line)
        blanks = 0 if line.strip() else blanks + 1
        if match:
            rest = line[match.end() :].strip()
            if match["q"] or not question:
                if question or answer:
                    found.add(" ".join(question), unwrap(answer), start)
                question, answer, start = [], [], number
            part = question if match["q"] else answer
            part.append(rest)
        elif blanks >= 2:
            part = None
        elif part is not None:
            part.append(line.strip())
        elif line.strip():
            outside += len(line.split())
    if question or answer:
        found.add(" ".join(question), unwrap(answer), start)
    if found.pairs and outside:
        found.notes.append(f"{many(outside, 'word')} outside of questions and answers left out.")
    return found


def from_blocks(blocks: Sequence[Block]) -> Found:
    """Return the headings that ask, each with the text until the next heading as its answer.

    A paragraph of one line that asks counts as a heading where no real heading does.
    """
    found = Found([], [])
    if not any(block.level and ASKS.search(block.text) for block in blocks):
        asks = [bool(ASKS.search(b.text)) and "\n" not in b.text for b in blocks]
        blocks = [
            Block(b.text, b.place, 6) if ask and not b.level else b
            for b, ask in zip(blocks, asks, strict=True)
        ]
    question, start, level = "", 0, 0
    answer: list[str] = []
    outside = 0
    for block in blocks:
        inner = bool(question) and block.level > level and not ASKS.search(block.text)
        if block.level and not inner:
            if question:
                found.add(question, "".join(answer), start)
            question = block.text if ASKS.search(block.text) else ""
            start, level, answer = int(block.place), block.level, []
        elif question:
            answer.append(("\n" if block.tight else "\n\n") + block.text)
        else:
            outside += len(block.text.split())
    if question:
        found.add(question, "".join(answer), start)
    if found.pairs and outside:
        found.notes.append(f"{many(outside, 'word')} outside of questions and answers left out.")
    return found


def from_json_ld(tree: Any) -> Found:
    """Return the pairs of schema.org's FAQPage (and QAPage) in the scripts of a page."""
    found = Found([], [])
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        line = line_of(script)
        try:
            data = json.loads(script.text or "", strict=False)
        except (ValueError, RecursionError) as error:
            found.notes.append(f"Line {line}: the JSON-LD is broken and was left out ({error}).")
            continue
        for question in _questions(data):
            name = question.get("name") or question.get("text")
            answer = question.get("acceptedAnswer") or question.get("suggestedAnswer")
            if isinstance(answer, list):
                answer = answer[0] if answer else None
            said = answer.get("text") if isinstance(answer, dict) else answer
            place = line + _lines_before(script.text or "", name)
            found.add(_plain(name), _plain(said), place)
    return found


def _questions(data: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Yield every object of type Question, at any depth."""
    if depth > MAX_DEPTH:
        return
    if isinstance(data, list):
        for entry in data:
            yield from _questions(entry, depth + 1)
    elif isinstance(data, dict):
        kind = data.get("@type")
        if "Question" in (kind if isinstance(kind, list) else [kind]):
            yield data
        else:
            for entry in data.values():
                if isinstance(entry, list | dict):
                    yield from _questions(entry, depth + 1)


def _lines_before(script: str, name: Any) -> int:
    at = script.find(json.dumps(name, ensure_ascii=False)) if isinstance(name, str) else -1
    return script.count("\n", 0, at) if at >= 0 else 0


def _plain(value: Any) -> str:
    """Return the words of a string that may hold HTML."""
    if not isinstance(value, str):
        return ""
    if not re.search(r"<\w|&\w+;|&#", value):
        return value.strip()
    from lxml import etree
    from lxml import html as lxml_html

    parser = lxml_html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True)
    try:
        clean = value.replace("\0", "")
        return text_of(lxml_html.fragment_fromstring(clean, create_parent="div", parser=parser))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return spaced(re.sub(r"<[^>]*>", " ", value))


def from_elements(tree: Any) -> Found:
    """Return the pairs of ``<details>``, of ``<dt>`` with ``<dd>``, of labels and of headings."""
    found = Found([], [])
    for details in list(tree.iter("details")):
        _take_details(details, found)
    for terms in list(tree.iter("dl")):
        _take_terms(terms, found)
    blocks = list(flow(tree))
    more = from_lines((int(b.place), line) for b in blocks for line in b.text.split("\n"))
    if not more.pairs and any(block.level and ASKS.search(block.text) for block in blocks):
        more = from_blocks(blocks)
    outside = sum(len(block.text.split()) for block in blocks)
    if found.pairs and not more.pairs and outside:
        found.notes.append(f"{many(outside, 'word')} outside of questions and answers left out.")
    found.pairs = sorted([*found.pairs, *more.pairs], key=lambda pair: pair.line)
    found.notes += more.notes
    return found


def _take_details(details: Any, found: Found) -> None:
    summary = details.find("summary")
    if summary is None or details.getparent() is None:
        return
    question, line = text_of(summary), line_of(details)
    tail = summary.tail
    details.remove(summary)
    details.text = (details.text or "") + (tail or "")
    if ASKS.search(question):
        found.add(question, text_of(details), line)
        details.drop_tree()
    else:
        # It only folds text away: what is inside may hold pairs of its own.
        details.tag = "div"


def _take_terms(terms: Any, found: Found) -> None:
    """Take the terms of a list that ask, and the list out of the tree if there were any."""
    before = len(found.pairs) + len(found.notes)
    for term in terms.iter("dt"):
        question = text_of(term)
        answer: list[str] = []
        for after in term.itersiblings():
            if after.tag == "dt":
                break
            if after.tag == "dd":
                answer.append(text_of(after))
        if ASKS.search(question):
            found.add(question, "\n".join(answer), line_of(term))
    if len(found.pairs) + len(found.notes) > before and terms.getparent() is not None:
        terms.drop_tree()
