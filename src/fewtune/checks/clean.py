"""Applies the safe fixes that findings carry, and replaces personal data where asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from fewtune.checks._rows import count, mapped
from fewtune.data.personal import redact as redacted
from fewtune.records import Dataset, Example, Finding

__all__ = ["clean"]


def clean(
    data: Dataset, findings: Iterable[Finding], redact: bool = False
) -> tuple[Dataset, list[str]]:
    """Return the mended data and one sentence for each thing done.

    Rows that a finding may drop are left out, rows that it may replace are replaced; every other
    row is the very same. Nothing is done that no finding calls safe, but for ``redact``.

    Parameters
    ----------
    data
        The rows that were checked.
    findings
        What the checks found in them.
    redact
        Whether to put placeholders such as ``[EMAIL]`` in the place of personal data, and to give
        groups, which are often people, new names.
    """
    dropped: dict[str, str] = {}
    mended: dict[str, Example] = {}
    done: Counter[str] = Counter()
    for finding in findings:
        for source in finding.drop:
            dropped.setdefault(source, finding.check)
        for source, example in finding.replace.items():
            if source not in mended:
                mended[source] = example
                done[finding.check] += 1
    kept = [mended.get(e.source, e) for e in data.examples if e.source not in dropped]
    gone = Counter(dropped[e.source] for e in data.examples if e.source in dropped)
    sentences = [f"Left out {count(n, 'row')} ({check})." for check, n in sorted(gone.items())]
    sentences += [f"Mended {count(n, 'row')} ({check})." for check, n in sorted(done.items())]
    if redact:
        kept, pieces = _redacted(kept, data)
        sentences.append(f"Replaced {count(pieces, 'piece')} of personal data.")
        kept, groups = _renamed(kept)
        if groups:
            sentences.append(f"Named {count(groups, 'group')} anew, as a name may tell who it is.")
    return replace(data, examples=tuple(kept)), sentences


def _renamed(examples: list[Example]) -> tuple[list[Example], int]:
    """Return the rows with g1, g2, … for their groups, by order of appearance; and how many."""
    names: dict[str, str] = {}
    for example in examples:
        if example.group:
            names.setdefault(example.group, f"g{len(names) + 1}")
    return [replace(e, group=names.get(e.group, "")) for e in examples], len(names)


def _redacted(examples: list[Example], data: Dataset) -> tuple[list[Example], int]:
    pieces = 0

    def change(text: str) -> str:
        nonlocal pieces
        text, found = redacted(text)
        pieces += found
        return text

    return [mapped(example, data.shape, change) for example in examples], pieces
