"""New inputs for a label, by a language model that is shown the label and a few rows of it.

A local model or an OpenAI-compatible endpoint. With ``--model`` an encoder looks whether what came
is nearer to rows of its own label than to any other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydantic import Field

from fewtune.augmentations._replies import tidy
from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations.base import Augmentation, Rejected, Work
from fewtune.family import Options
from fewtune.records import Example, Message

__all__ = ["SyntheticExamples"]

PROMPT = (
    "Messages of the class “{label}”:\n{examples}\n\n"
    "Write one more message of this class, as another person would write it, about another case. "
    "Keep the language and about the length. Write the message and nothing else."
)


class SyntheticExamplesOptions(Options):
    """Which model writes, how freely, and what it is shown."""

    model: str = Field("", description="folder, hub id, or endpoint:NAME; else that of --model")
    temperature: float = Field(1.0, ge=0, le=2, description="of the draws")
    shown: int = Field(4, ge=1, le=50, description="rows of the label that the model is shown")


class SyntheticExamples(Augmentation):
    """Asks a language model for one more input of a row's label."""

    Options = SyntheticExamplesOptions
    shapes = frozenset({"labelled_text"})
    near_parent = False
    own_meaning = True

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield what the model wrote, its first line."""
        others = [r for r in work.rows if r.target == example.target and r is not example]
        shown = [example, *draw.sample(others, min(len(others), self.options.shown - 1))]
        label = (example.target or "").replace("_", " ").replace("-", " ")
        lines = "\n".join(f"- {' '.join(asked(row).split())}" for row in shown)
        replies = work.tools.generate(
            [Message("user", PROMPT.format(label=label, examples=lines))],
            model=self.options.model,
            count=work.per_row,
            temperature=self.options.temperature,
            seed=draw.getrandbits(31),
        )
        for reply in replies:
            first = tidy(reply).split("\n", 1)[0]
            yield with_asked(example, tidy(first.removeprefix("- ")))
