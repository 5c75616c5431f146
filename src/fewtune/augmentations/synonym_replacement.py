"""Words replaced by near ones: by WordNet where its data is present, else by a model's embeddings.

Words of grammar and of time, names, numbers, addresses and negations stay. Embeddings know words
and not sentences: look at the pairs that are shown before you train on them.
"""

from __future__ import annotations

import random

from pydantic import Field

from fewtune.augmentations._synonyms import Thesaurus
from fewtune.augmentations._words import Pieces, in_case_of, some
from fewtune.augmentations.base import TextChange, Work
from fewtune.errors import ModelError
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["SynonymReplacement"]


class SynonymReplacementOptions(Options):
    """How many words are replaced, and how near the new ones are."""

    share: float = Field(0.1, gt=0, le=1, description="share of the words; one at least")
    nearest: int = Field(8, ge=1, le=100, description="nearest words that are looked at")
    least: float = Field(0.5, ge=-1, le=1, description="cosine below which a word is not near")


class SynonymReplacement(TextChange):
    """Replaces drawn words by words near to them (EDA, 1901.11196)."""

    Options = SynonymReplacementOptions

    def ready(self, work: Work) -> None:
        """Raise a ModelError if there is neither a model nor WordNet."""
        self._thesaurus = Thesaurus(work.tools, self.options.nearest, self.options.least)
        if not self._thesaurus:
            raise ModelError(
                "a model with word embeddings, or WordNet, for augmentation synonym_replacement",
                "neither",
                cure="Add --model minilm, or install nltk and its data: "
                "python -m nltk.downloader wordnet",
            )

    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text with drawn words replaced."""
        pieces = Pieces.of(text)
        places = self.free(pieces, example, work)
        near = {at: self._thesaurus.near(pieces.words[at]) for at in places}
        open_places = [at for at, words in near.items() if words]
        if not open_places:
            return None
        many = min(some(range(len(pieces.words)), self.options.share), len(open_places))
        for at in draw.sample(open_places, many):
            pieces.words[at] = in_case_of(draw.choice(near[at]), pieces.words[at])
        return str(pieces)
