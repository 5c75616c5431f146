"""Words near to a word: by WordNet where its data is present, by a model's input embeddings else.

Embeddings put a word's forms and its opposites near it too. Forms of the same word are left out;
only words that have each other among their nearest count; the filter on meaning does the rest.
"""

from __future__ import annotations

from typing import Any

from fewtune.augmentations._words import protected
from fewtune.augmentations.base import Tools
from fewtune.data.words import FILLERS, FUNCTION_WORDS

__all__ = ["Thesaurus", "wordnet"]

STEM = 4
"""Letters that two words share at the start to count as forms of one word."""

_KEPT = (
    FUNCTION_WORDS
    | FILLERS
    | frozenset(
        """
    what when where which who whom whose why how can could will would shall should may might must
    if than while because am pm as very only more most much many other another one two first last
    next monday tuesday wednesday thursday friday saturday sunday january february march april may
    june july august september october november december today tomorrow yesterday morning noon
    afternoon evening night week month year before after
    """.split()
    )
)
"""Words that have no synonyms worth the name: of grammar, and of time, where near means another."""


class Thesaurus:
    """Near words of words, looked up once each.

    Parameters
    ----------
    tools
        The models.
    nearest
        Words looked at.
    least
        Cosine below which a word is not near.
    """

    def __init__(self, tools: Tools, nearest: int = 8, least: float = 0.5) -> None:
        self._tools = tools
        self._nearest = nearest
        self._least = least
        self._found: dict[str, list[str]] = {}
        self._wordnet = wordnet()
        self._model = tools.nearest_words("word", 1) is not None

    def __bool__(self) -> bool:
        """Return whether there is anything to look words up in."""
        return self._model or self._wordnet is not None

    def near(self, word: str) -> list[str]:
        """Return words near to ``word`` in small letters, sorted; none for a word of grammar."""
        word = word.lower()
        if word in _KEPT or protected(word) or not word.isalpha() or len(word) < 3:
            return []
        if word not in self._found:
            candidates = self._by_wordnet(word) or self._by_model(word)
            good = {w for w in candidates if w not in _KEPT and not _same_stem(w, word)}
            self._found[word] = sorted(w for w in good if not protected(w))
        return self._found[word]

    def _by_wordnet(self, word: str) -> set[str]:
        if self._wordnet is None:
            return set()
        synsets = self._wordnet.synsets(word)
        names = (name for synset in synsets[:2] for name in synset.lemma_names())
        return {name.lower() for name in names if name.isalpha()}

    def _by_model(self, word: str) -> set[str]:
        if not self._model:
            return set()
        return {
            other
            for other in self._neighbours(word)
            if word in self._neighbours(other) and other != word
        }

    def _neighbours(self, word: str) -> list[str]:
        found = self._tools.nearest_words(word, self._nearest) or []
        return [other for other, cosine in found if cosine >= self._least]


def _same_stem(one: str, two: str) -> bool:
    """Return whether two words look like forms of one word, such as bill, billed and rebill."""
    if one[:STEM] == two[:STEM] or one.endswith(two) or two.endswith(one):
        return True
    shared = sum(1 for a, b in zip(one, two, strict=False) if a == b)
    return one[:3] == two[:3] and shared >= min(len(one), len(two)) - 1


def wordnet() -> Any:
    """Return nltk's WordNet, or ``None`` where nltk or the data is not installed."""
    try:
        from nltk.corpus import wordnet as corpus

        corpus.synsets("word")
    except (ImportError, LookupError):
        return None
    return corpus
