"""Plain texts in which a prompt and its answer stand joined.

All of a plain text is trained. Where half of it is the prompt, half of the loss goes into writing
what users write, and the answer's share of it is smaller still.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fewtune.checks._rows import count, quote, share, sources, written
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["JoinedPrompt"]

MOST = 0.8
"""Share of the rows that are joined alike: a text that speaks of questions and answers once is
none of them."""

ASKS = r"(?:instruction|question|q|user|human|prompt|input|customer|query|text|source|context)s?"
ANSWERS = (
    r"(?:response|answer|a|assistant|ai|output|reply|completion|bot|agent|model|gpt|chatbot|"
    r"summary|translation|label|target|result)s?"
)
HEADED = re.compile(
    rf"^\W{{0,4}}{ASKS}\W{{0,4}}[:\n].*?\s\W{{0,4}}({ANSWERS})\W{{0,4}}[:\n]",
    re.IGNORECASE | re.DOTALL,
)
"""A heading that asks at the start, and one that answers further on."""

ANSWERED = re.compile(rf"(?:^|\n)\W{{0,4}}({ANSWERS})\W{{0,4}}:", re.IGNORECASE)
"""A heading that answers at the start of a line, whatever stands before it."""

ARROWS = (" => ", " -> ", " → ", "\t", " ||| ", "\n###\n", "\n\n###\n\n", " [SEP] ", " <sep> ")
"""Signs by which prompt and completion are commonly joined."""


class JoinedPrompt(Check):
    """Looks for one way of joining that most of the rows share."""

    shapes = frozenset({"text"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one warning with the rows and the share of the text that is prompt."""
        data = context.data
        texts = [written(example, data.shape) for example in data.examples]
        for way, places in _ways(texts):
            if len(places) < max(2, MOST * len(texts)):
                continue
            asked = sum(places.values()) / sum(len(texts[row]) for row in places)
            yield Finding(
                "joined_prompt",
                "warning",
                sources(data, places),
                f"{count(len(places), 'plain text joins', 'plain texts join')} a prompt and its "
                f"answer by {way} ({share(len(places), len(texts))} of the rows): "
                f"{quote(texts[next(iter(places))])}. All of a plain text is trained, and "
                f"{share(asked, 1)} of these is prompt.",
                "Part them into the columns prompt and completion: then the answers alone are "
                "trained",
            )
            return


def _ways(texts: list[str]) -> Iterable[tuple[str, dict[int, int]]]:
    """Yield ways of joining: its sign in quotes, and by row where its answer begins."""
    for pattern in (HEADED, ANSWERED):
        found = {row: pattern.search(text) for row, text in enumerate(texts)}
        hits = {row: match for row, match in found.items() if match and match.start(1) > 0}
        kept = {row: m for row, m in hits.items() if texts[row][m.end() :].strip()}
        if kept:
            first = next(iter(kept.values()))
            yield quote(first.group(1)), {row: m.end() for row, m in kept.items()}
    for arrow in ARROWS:
        once = {row: text.find(arrow) for row, text in enumerate(texts) if text.count(arrow) == 1}
        kept_once = {row: at + len(arrow) for row, at in once.items() if at > 0}
        if kept_once:
            yield f"the sign {arrow.strip() or 'tabulator'}", kept_once
