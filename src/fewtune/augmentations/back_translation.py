"""There and back through another language, by two translation models such as Marian's.

Give both by path or hub id, as in ``there=Helsinki-NLP/opus-mt-en-de`` and
``back=Helsinki-NLP/opus-mt-de-en``. The first variation of a row is the likeliest translation, and
further ones are drawn on the way back.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from pydantic import Field

from fewtune.augmentations._replies import numbers
from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations.base import Augmentation, Rejected, Work, require_model
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["BackTranslation"]


class BackTranslationOptions(Options):
    """The two models, and how freely the second writes."""

    there: str = Field("", description="model into the other language: folder or hub id")
    back: str = Field("", description="model from it back: folder or hub id")
    temperature: float = Field(0.8, gt=0, le=2, description="of second and further variations")


class BackTranslation(Augmentation):
    """Translates a row's input into another language and back (1511.06709)."""

    Options = BackTranslationOptions
    shapes = frozenset({"labelled_text", "prompt", "chat", "text"})
    near_parent = False

    def ready(self, work: Work) -> None:
        """Raise a PlanError if a model is not given."""
        if not self.options.there:
            what = "a translation model into another language (there) and one back (back)"
            raise require_model("back_translation", "there", what)
        if not self.options.back:
            what = "a translation model from the other language back"
            raise require_model("back_translation", "back", what)

    def prepare(self, parents: Sequence[Example], work: Work) -> None:
        """Translate all rows at once, each distinct text once."""
        texts = sorted({asked(row) for row in parents} - {""})
        away = work.tools.translate(texts, model=self.options.there)
        rounds = [
            work.tools.translate(
                away,
                model=self.options.back,
                temperature=self.options.temperature if turn else 0.0,
                seed=work.seed + turn,
            )
            for turn in range(work.per_row)
        ]
        self._found = {text: list(news) for text, *news in zip(texts, *rounds, strict=True)}

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield the translations that kept every number."""
        text = asked(example)
        for new in self._found.get(text, ()):
            if numbers(text) != numbers(new):
                yield Rejected("numbers changed")
            else:
                yield with_asked(example, new.strip())
