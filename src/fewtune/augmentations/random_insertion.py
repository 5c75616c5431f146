"""A few words more: near ones by the model's embeddings, else words of rows of the same label."""

from __future__ import annotations

import random
from collections import Counter

from pydantic import Field

from fewtune.augmentations._rows import asked
from fewtune.augmentations._synonyms import Thesaurus
from fewtune.augmentations._words import Pieces, protected, some
from fewtune.augmentations.base import TextChange, Work
from fewtune.data.words import FUNCTION_WORDS
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["RandomInsertion"]


class RandomInsertionOptions(Options):
    """How many words are put in, and from where."""

    share: float = Field(0.1, gt=0, le=1, description="share of the words; one at least")


class RandomInsertion(TextChange):
    """Puts words at drawn places (EDA, 1901.11196).

    With a model or WordNet, words near to one of the row's own. Without, words that rows of the
    same label use; for rows without labels, words of the row itself.
    """

    Options = RandomInsertionOptions

    def ready(self, work: Work) -> None:
        """Collect the words of each label, where there is no thesaurus."""
        self._thesaurus = Thesaurus(work.tools)
        self._pools: dict[str, list[str]] = {}
        if self._thesaurus or work.shape != "labelled_text":
            return
        pools: dict[str, Counter[str]] = {}
        for row in work.rows:
            words = {word.lower() for word in Pieces.of(asked(row)).words}
            telling = (w for w in words - FUNCTION_WORDS if w.isalpha() and not protected(w))
            pools.setdefault(row.target or "", Counter()).update(telling)
        self._pools = {label: _common(counts) for label, counts in pools.items()}

    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text with drawn words put in."""
        pieces = Pieces.of(text)
        free = self.free(pieces, example, work)
        pools = [pool for pool in (self._pool(pieces.words[at], example) for at in free) if pool]
        if not pools:
            return None
        for pool in draw.sample(pools, some(pools, self.options.share)):
            # Not where a bracket or a full stop would come to stand elsewhere.
            places = [at for at, gap in enumerate(pieces.gaps[:-1]) if not gap.strip()]
            pieces.insert(draw.choice(places or [len(pieces.words)]), draw.choice(pool))
        return str(pieces)

    def _pool(self, model: str, example: Example) -> list[str]:
        """Return the words of which one may be put in on account of ``model``."""
        if self._thesaurus:
            return self._thesaurus.near(model)
        return self._pools.get(example.target or "") or [model.lower()]


def _common(counts: Counter[str]) -> list[str]:
    """Return the words that two rows or more use, or all where there is none."""
    return sorted(w for w, count in counts.items() if count > 1) or sorted(counts)
