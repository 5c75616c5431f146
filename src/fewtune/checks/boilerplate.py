"""One answer to many inputs, and phrases that open or close most answers.

A generator learns first what is said most often; with a stock answer in a fifth of the rows it says
it to everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import TURN_SHAPES, count, quote, share, sources, squeeze
from fewtune.checks.base import Check, Context
from fewtune.records import Dataset, Finding

__all__ = ["Boilerplate"]

FEWEST_COPIES = 5
NOTED = 0.02
TOO_MUCH = 0.2
COMMON_PHRASE = 0.5
PHRASE_WORDS = 3


class Boilerplate(Check):
    """Finds targets that repeat over different inputs, whole or in their first or last words."""

    shapes = TURN_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one finding for repeated answers, a note for each phrase in most of them."""
        data = context.data
        if len(data) < 2 * FEWEST_COPIES:
            return
        yield from _repeated(data)
        yield from _phrase(data, "opens", slice(None, PHRASE_WORDS))
        yield from _phrase(data, "closes", slice(-PHRASE_WORDS, None))


def _repeated(data: Dataset) -> Iterable[Finding]:
    by_answer: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(data.examples):
        if example.target:
            by_answer[squeeze(example.target).lower()].append(index)
    least = max(FEWEST_COPIES, NOTED * len(data))
    stock = [
        rows
        for rows in by_answer.values()
        if len(rows) >= least and len({data.examples[i].input for i in rows}) >= FEWEST_COPIES
    ]
    if not stock:
        return
    stock.sort(key=len, reverse=True)
    largest = len(stock[0]) / len(data)
    yield Finding(
        "boilerplate",
        "warning" if largest >= TOO_MUCH else "note",
        sources(data, (i for rows in stock for i in rows)),
        f"{count(len(stock), 'answer serves', 'answers serve')} many inputs each; the most used "
        f"one, {quote(data.examples[stock[0][0]].target or '')}, ends {len(stock[0]):,} rows "
        f"({share(len(stock[0]), len(data))}).",
        "Write answers that depend on the input, or keep a few rows of each stock answer",
    )


def _phrase(data: Dataset, verb: str, part: slice) -> Iterable[Finding]:
    by_phrase: dict[str, list[int]] = defaultdict(list)
    answers = 0
    for index, example in enumerate(data.examples):
        words = squeeze(example.target or "").lower().split(" ")
        if len(words) >= 2 * PHRASE_WORDS:
            answers += 1
            by_phrase[" ".join(words[part])].append(index)
    if answers < 2 * FEWEST_COPIES:
        return
    phrase, rows = max(by_phrase.items(), key=lambda item: len(item[1]))
    if len(rows) <= COMMON_PHRASE * answers or len({data.examples[i].target for i in rows}) < 2:
        return
    yield Finding(
        "boilerplate",
        "note",
        sources(data, rows),
        f"{quote(phrase)} {verb} {share(len(rows), answers)} of the answers.",
        "Vary it, unless every answer shall have it",
    )
