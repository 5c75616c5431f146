"""One thing written in several ways: "check-in", "checkin" and "check in"; "colour" and "color"."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import TEXT_SHAPES, count, share, sources
from fewtune.checks._words import Lexicon, lexicon, rows_with
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["Terminology", "variants"]

FEWEST = 2
"""How often each of two ways must come."""

TWO_MEANINGS = frozenset(
    "everyday anyone someone everyone anyway anytime anything something everything maybe into onto "
    "altogether already sometime sometimes awhile cannot within without however whatever whenever "
    "wherever whoever another today tomorrow tonight somebody anybody everybody nobody nothing "
    "somewhere anywhere everywhere therefore upon outside inside online offline throughout "
    "herself himself itself myself themselves yourself overall forever meanwhile afterwards "
    "nowhere indeed instead otherwise moreover nevertheless along alone aside ahead apart around "
    "across again about below before because become beside among away asleep alike alive".split()
)
"""Words that mean something else when written apart."""

SPELLINGS = (
    (re.compile(r"our(?=s?$|ed$|ing$|ite|able|ful)"), "or"),
    (re.compile(r"(?<=[a-z]{3})is(?=(?:e|es|ed|ing|ation|ations)$)"), "iz"),
    (re.compile(r"tre(?=s?$)"), "ter"),
    (re.compile(r"ll(?=(?:ed|ing|er)$)"), "l"),
    (re.compile(r"ogue(?=s?$)"), "og"),
)
"""British endings and their American ways."""


class Terminology(Check):
    """Finds words that the data joins, hyphenates and parts, or spells in two national ways."""

    shapes = TEXT_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one note with the rows that use the rarer ways."""
        words = lexicon(context)
        found = variants(words)
        if not found:
            return
        rarer = {way for ways in found for way, _ in ways.most_common()[1:]}
        rows = rows_with(words, rarer)
        shown = "; ".join(
            " / ".join(f"{way} ({n:,})" for way, n in ways.most_common()) for ways in found[:4]
        )
        yield Finding(
            "terminology",
            "note",
            sources(context.data, rows),
            f"{count(len(found), 'term is', 'terms are')} written in several ways"
            f"{words.drawn}: {shown}{'; …' if len(found) > 4 else ''}. "
            f"{count(len(rows), 'row uses', 'rows use')} a rarer way "
            f"({share(len(rows), len(words.texts))}).",
            "Choose one way for what the model writes",
        )


def variants(words: Lexicon) -> list[Counter[str]]:
    """Return the ways of each term that has several, with counts, commonest first."""
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    joined = {w for w in words.words if "-" not in w and "'" not in w}
    for word, n in words.words.items():
        if "-" in word:
            ways[word.replace("-", "")][word] = n
    for (first, second), n in words.pairs.items():
        key = first + second
        if min(len(first), len(second)) >= 2 and (
            key in joined or f"{first}-{second}" in words.words
        ):
            ways[key][f"{first} {second}"] += n
    for key, forms in ways.items():
        if key in joined:
            forms[key] = words.words[key]
    for word in joined:
        other = _american(word)
        if other != word and other in joined and len(word) > 4:
            ways[other] |= Counter({word: words.words[word], other: words.words[other]})
    kept = []
    for key, forms in ways.items():
        enough = Counter({way: n for way, n in forms.items() if n >= FEWEST})
        if len(enough) > 1 and key not in TWO_MEANINGS:
            kept.append(enough)
    return sorted(kept, key=lambda forms: (-forms.total(), min(forms)))


def _american(word: str) -> str:
    for british, american in SPELLINGS:
        changed = british.sub(american, word)
        if changed != word:
            return changed
    return word
