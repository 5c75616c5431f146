"""The same in other words, by a language model: a local one or an OpenAI-compatible endpoint.

A paraphrase that lost or made up a number, a link or a name is thrown away.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydantic import Field

from fewtune.augmentations._replies import differences, tidy
from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations.base import Augmentation, Rejected, Work
from fewtune.family import Options
from fewtune.records import Example, Message

__all__ = ["Paraphrase"]

PROMPT = (
    "Rewrite the message below in other words. Keep its meaning, its language, its point of view "
    "and every number and name. Do not answer it. Write the rewritten message and nothing else.\n\n"
    "Message:\n{text}"
)


class ParaphraseOptions(Options):
    """Which model writes, and how freely."""

    model: str = Field("", description="folder, hub id, or endpoint:NAME; else that of --model")
    temperature: float = Field(0.8, ge=0, le=2, description="of the draws")


class Paraphrase(Augmentation):
    """Asks a language model for a row's input in other words."""

    Options = ParaphraseOptions
    shapes = frozenset({"labelled_text", "prompt", "chat", "text"})
    near_parent = False

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield the model's answers that keep numbers, links and names."""
        text = asked(example)
        replies = work.tools.generate(
            [Message("user", PROMPT.format(text=text))],
            model=self.options.model,
            count=work.per_row,
            temperature=self.options.temperature,
            seed=draw.getrandbits(31),
        )
        for reply in replies:
            new = tidy(reply)
            reason = differences(text, new) if new and len(text.split()) > 3 else ""
            yield Rejected(reason) if reason else with_asked(example, new)
