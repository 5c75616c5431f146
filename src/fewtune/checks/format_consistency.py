"""Turns out of order, uneven system prompts, spelling of labels, markup leftovers, stray spaces."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

from fewtune.checks._rows import count, mapped, quote, segments, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Dataset, Example, Finding

__all__ = ["FormatConsistency"]

NAME = "format_consistency"
MARKUP = re.compile(
    r"</?(?:p|br|div|span|b|i|u|a|li|ul|ol|td|tr|table|strong|em|h[1-6]|font|img)\b[^<>]{0,200}/?>"
    r"|&(?:amp|lt|gt|quot|nbsp|apos|#\d{2,5}|#x[0-9a-fA-F]{2,4});",
    re.IGNORECASE,
)
STRAIGHT = re.compile(r"\"|(?<=\w)'(?=\w)")
CURLY = re.compile(r"[“”„«»]|(?<=\w)’(?=\w)")
JOINTS = re.compile(r"(?<=[^\W\d_])[\s_-]+(?=\w)|(?<=\d)[\s_-]+(?=[^\W\d_])")
"""What stands between the words of a label. Between numbers it tells them apart, and signs before
and after (-1, C++, C#) are part of a name."""
RARE = 0.2
"""A way of writing is a slip, not a habit, below this share of the rows."""
SLIP = 0.1
"""The same for a system prompt, which some chats may lack on purpose."""


class FormatConsistency(Check):
    """Finds rows that are built or written differently from the others."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one finding for each kind of inconsistency; stray spaces are mended safely."""
        data = context.data
        yield from _labels(data)
        if data.shape == "labelled_image":
            return
        if data.shape == "chat":
            yield from _order_of_roles(data)
            yield from _system_prompts(data)
        yield from _spaces(data)
        yield from _markup(data)
        yield from _quotes(data)
        yield from _casing(data)


def _labels(data: Dataset) -> Iterable[Finding]:
    """Yield labels that differ only in case, spaces, hyphens or underscores."""
    if not data.labels:
        return
    by_key: dict[str, Counter[str]] = defaultdict(Counter)
    for example in data.examples:
        if example.target is not None:
            by_key[JOINTS.sub("", example.target.strip()).lower()][example.target] += 1
    variants = [spellings for key, spellings in by_key.items() if key and len(spellings) > 1]
    if not variants:
        return
    lesser = {s for spellings in variants for s, _ in spellings.most_common()[1:]}
    shown = " and ".join(f"{s!r} ({n:,})" for s, n in variants[0].most_common(2))
    yield Finding(
        NAME,
        "warning",
        sources(data, (i for i, e in enumerate(data.examples) if e.target in lesser)),
        f"{count(len(variants), 'label is', 'labels are')} written in more than one way: {shown}; "
        "each way would become a class of its own.",
        "Write each label in one way",
    )


def _order_of_roles(data: Dataset) -> Iterable[Finding]:
    faults = [(i, fault) for i, e in enumerate(data.examples) if (fault := _role_fault(e))]
    if not faults:
        return
    kinds = Counter(fault for _, fault in faults)
    yield Finding(
        NAME,
        "warning",
        sources(data, (i for i, _ in faults)),
        f"{count(len(faults), 'chat has', 'chats have')} turns out of order: "
        + ", ".join(f"{fault} ({n:,})" for fault, n in kinds.most_common())
        + f"; the first is {data.examples[faults[0][0]].source}.",
        "Join turns of one speaker and begin with the user; many chat templates refuse the rest",
    )


def _role_fault(example: Example) -> str:
    roles = [m.role for m in example.messages]
    if "system" in roles[1:]:
        return "a system turn after the first"
    speakers = [r for r in roles if r in ("user", "assistant")]
    if speakers and speakers[0] != "user":
        return "the assistant speaks first"
    if roles and roles[-1] != "assistant":
        return "the last turn is not the assistant's"
    talk = [r for r in roles if r != "system"]
    if any(a == b and a != "tool" for a, b in pairwise(talk)):
        return "one role twice in a row"
    return ""


def _system_prompts(data: Dataset) -> Iterable[Finding]:
    prompts = [
        next((m.content.strip() for m in e.messages if m.role == "system"), "")
        for e in data.examples
    ]
    with_one = Counter(p for p in prompts if p)
    if not with_one:
        return
    without = [i for i, p in enumerate(prompts) if not p]
    if without:
        fewer = without if len(without) * 2 <= len(prompts) else _others(prompts, "")
        yield Finding(
            NAME,
            "warning" if len(fewer) < SLIP * len(prompts) else "note",
            sources(data, fewer),
            f"{count(len(without), 'chat has', 'chats have')} no system prompt, "
            f"{len(prompts) - len(without):,} have one.",
            "Give every chat the system prompt that will be used in service, or none",
        )
    if len(with_one) > 1:
        usual, times = with_one.most_common(1)[0]
        rest = [i for i, p in enumerate(prompts) if p and p != usual]
        yield Finding(
            NAME,
            "warning" if len(rest) < RARE * len(prompts) else "note",
            sources(data, rest),
            f"{count(len(with_one), 'system prompt')}; the most used, {quote(usual, 40)}, "
            f"stands in {times:,} of {len(prompts):,} chats.",
            "Use the one prompt of the service, unless the model shall follow several",
        )


def _others(values: list[str], value: str) -> list[int]:
    return [i for i, v in enumerate(values) if v != value]


def _spaces(data: Dataset) -> Iterable[Finding]:
    def stray(text: str) -> bool:
        return text != text.strip()

    rows = _rows_where(data, stray)
    # A base model's completions often begin with a space on purpose.
    if data.shape == "prompt" and len(rows) > (1 - RARE) * len(data):
        return
    # For plain text, white space at the ends may be layout.
    if not rows or data.shape == "text":
        return
    mended = {
        data.examples[i].source: mapped(data.examples[i], data.shape, str.strip) for i in rows
    }
    yield Finding(
        NAME,
        "note",
        sources(data, rows),
        f"{count(len(rows), 'row has', 'rows have')} spaces or line ends at the beginning or end "
        f"of a text ({share(len(rows), len(data))}).",
        "Strip them with --write",
        replace=mended,
    )


def _markup(data: Dataset) -> Iterable[Finding]:
    rows = _rows_where(data, lambda text: MARKUP.search(text) is not None)
    if not rows:
        return
    instance = next(
        match.group()
        for _, text in segments(data.examples[rows[0]], data.shape)
        if (match := MARKUP.search(text))
    )
    yield Finding(
        NAME,
        "warning" if len(rows) < RARE * len(data) else "note",
        sources(data, rows),
        f"{count(len(rows), 'row has', 'rows have')} markup in the text "
        f"({share(len(rows), len(data))}), e.g. {quote(instance)} in "
        f"{data.examples[rows[0]].source}.",
        "Take it out at the source, unless the model shall read and write markup",
    )


def _quotes(data: Dataset) -> Iterable[Finding]:
    straight = set(_rows_where(data, lambda text: STRAIGHT.search(text) is not None))
    curly = set(_rows_where(data, lambda text: CURLY.search(text) is not None))
    fewer = min(straight, curly, key=len)
    if not fewer:
        return
    yield Finding(
        NAME,
        "note",
        sources(data, sorted(fewer)),
        f'Quotes and apostrophes are straight (") in {count(len(straight), "row")} and '
        f"typographic (“ ”) in {len(curly):,}.",
        "Choose one kind: to a tokenizer they are different words",
    )


def _casing(data: Dataset) -> Iterable[Finding]:
    """Yield the rows whose written text begins in a case that most of its kind do not."""
    for place, noun in (("target", "answers"), ("assistant", "answers")):
        first: dict[int, bool] = {}
        for index, example in enumerate(data.examples):
            for where, text in segments(example, data.shape):
                letter = text.lstrip()[:1]
                if where == place and letter.isalpha() and letter.lower() != letter.upper():
                    first[index] = letter.isupper()
        for upper, word in ((False, "a small letter"), (True, "a capital")):
            rows = [i for i, is_upper in first.items() if is_upper is upper]
            if data.shape != "text" and rows and len(rows) < RARE * len(first):
                yield Finding(
                    NAME,
                    "note",
                    sources(data, rows),
                    f"{count(len(rows), 'row')} of {len(first):,} begin their {noun} with {word}, "
                    "unlike the others.",
                    "Write the answers as the service shall write them",
                )


def _rows_where(data: Dataset, holds: Callable[[str], bool]) -> list[int]:
    return [
        i
        for i, e in enumerate(data.examples)
        if any(holds(text) for _, text in segments(e, data.shape))
    ]
