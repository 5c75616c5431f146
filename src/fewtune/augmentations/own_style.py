"""Answers in the model's own words, where they still say the same; they replace the given ones.

Answers as the model would give them need smaller changes of it (SDFT, 2402.13669). It is shown the
question and the given answer, and rewrites the answer. A rewriting is kept only if it has the same
numbers, links and names, the same yes or no and negation, and the label where the answer is short;
else the given answer stays.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydantic import Field

from fewtune.augmentations._replies import differences, tidy
from fewtune.augmentations._rows import squeeze, with_target
from fewtune.augmentations.base import Augmentation, Rejected, Work
from fewtune.family import Options
from fewtune.records import Example, Message

__all__ = ["OwnStyle"]

PROMPT = (
    "Below are a question or a conversation, and its correct answer. Write the answer in your own "
    "words. Keep every fact, number and name, add nothing, and write the answer and nothing else."
    "\n\nQuestion:\n{question}\n\nAnswer:\n{answer}"
)

LONGEST = 2.5
"""Times the given answer's length in words, and twenty words more, from which one says more."""


class OwnStyleOptions(Options):
    """Which model writes; it should be the one that is tuned."""

    model: str = Field("", description="folder, hub id, or endpoint:NAME; else that of --model")
    temperature: float = Field(0.3, ge=0, le=2, description="of the draws")


class OwnStyle(Augmentation):
    """Asks the model for the answer of a row in its own words."""

    Options = OwnStyleOptions
    shapes = frozenset({"prompt", "chat"})
    changes = "target"
    replaces = True
    most = 1

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield the rewriting, or why it does not match."""
        question, answer = example.input, example.target or ""
        replies = work.tools.generate(
            [Message("user", PROMPT.format(question=question, answer=answer))],
            model=self.options.model,
            count=1,
            temperature=self.options.temperature,
            seed=draw.getrandbits(31),
        )
        for reply in replies:
            new = tidy(reply)
            reason = _why_not(answer, new, example.input)
            yield Rejected(reason) if reason else with_target(example, new)


def _why_not(old: str, new: str, known: str) -> str:
    if not new:
        return "empty"
    if squeeze(old) == squeeze(new):
        return "the same as before"
    if len(new.split()) > LONGEST * len(old.split()) + 20:
        return "says more than the given answer"
    return differences(old, new, known)
