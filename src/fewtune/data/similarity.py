"""Near-duplicates: the same text again but for typos, word order, case, punctuation or a filler.

Candidates come from hashed signatures (``candidates``), a fast comparison of letters throws most of
them out, and the rest is aligned word by word (``alignment``), which decides. Text that many rows
share word for word (a prompt's template) is left out of the comparison where a row says more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fewtune.data.alignment import near_similarity
from fewtune.data.candidates import candidate_pairs
from fewtune.data.words import normalise, split_words

__all__ = ["near_duplicate_clusters", "near_duplicate_pairs", "near_matches", "normalise"]

PREFILTER = 84.0
"""Least Indel similarity (0 to 100), in sorted or given order, of candidates that are aligned."""

KNOWN_FROM = 4
"""Texts that must use a word before it counts as a word and not as a typo."""

PAIRS_AT_ONCE = 500_000

TEMPLATE_WORDS = 6
TEMPLATE_TEXTS = 20
TEMPLATE_SHARE = 0.1
"""A run of six words is a template where a tenth of all texts, and 20 at least, hold it. It remains
one whatever comes after, so that rows appended to a file change little."""

MATCHES_PER_QUERY = 100

NOT_EQUAL = 0.9999
"""Most that two texts can be alike without being equal: similarity 1 means a copy."""


class _Texts:
    """Distinct normalised texts, the rows in which each stands, and their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(texts):
            rows[normalise(text)].append(row)
        self.rows = list(rows.values())
        self.normal = list(rows)
        self.words = _without_templates([split_words(text) for text in self.normal])
        self.given = [" ".join(words) for words in self.words]
        self.sorted = [" ".join(sorted(words)) for words in self.words]

    def _known_from(self) -> dict[str, int]:
        """Return the text from which on each word counts as one that people do write.

        Only texts up to the later one of a pair have a say, so that rows appended to a file do not
        change which of the rows before them are near-duplicates.
        """
        counts: Counter[str] = Counter()
        known: dict[str, int] = {}
        for number, words in enumerate(self.words):
            for word in set(words):
                counts[word] += 1
                if counts[word] == KNOWN_FROM:
                    known[word] = number
        return known

    def near_pairs(self) -> list[tuple[int, int, float]]:
        """Return pairs of distinct texts (first index lower) and their similarity."""
        pairs = candidate_pairs(self.words)
        known_from = self._known_from()
        found = []
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            for i, j, letters in self._alike(pairs[start : start + PAIRS_AT_ONCE]):
                one, two = self.words[i], self.words[j]
                known = {w for w in (*one, *two) if known_from.get(w, j + 1) <= j}
                similarity = near_similarity(one, two, known, letters)
                if similarity:
                    found.append((i, j, similarity))
        return found

    def _alike(self, pairs: Any) -> list[tuple[int, int, float]]:
        """Return the pairs whose letters are alike, in sorted or given order, and how much."""
        import numpy as np
        from rapidfuzz import fuzz, process

        scores = []
        for strings in (self.sorted, self.given):
            one, two = ([strings[i] for i in side] for side in pairs.T)
            scores.append(
                process.cpdist(
                    one, two, scorer=fuzz.ratio, score_cutoff=PREFILTER, dtype=np.float32
                )
            )
        kept = np.flatnonzero(np.maximum(*scores) > 0)
        return [(int(pairs[at, 0]), int(pairs[at, 1]), float(scores[0][at])) for at in kept]


def _without_templates(texts: Sequence[list[str]]) -> list[list[str]]:
    """Return the words of each text that are no part of a template, or all if nothing is left."""
    counts: Counter[int] = Counter()
    runs: dict[int, list[int]] = {}
    templates: set[int] = set()
    for number, words in enumerate(texts):
        if len(words) < 2 * TEMPLATE_WORDS:
            continue
        found = [
            hash(tuple(words[at : at + TEMPLATE_WORDS]))
            for at in range(len(words) - TEMPLATE_WORDS + 1)
        ]
        runs[number] = found
        least = max(TEMPLATE_TEXTS, TEMPLATE_SHARE * (number + 1))
        for run in set(found):
            counts[run] += 1
            if counts[run] >= least:
                templates.add(run)
    if not templates:
        return list(texts)
    return [_strip(words, runs.get(number, ()), templates) for number, words in enumerate(texts)]


def _strip(words: list[str], runs: Sequence[int], templates: set[int]) -> list[str]:
    covered = {
        at + step
        for at, run in enumerate(runs)
        if run in templates
        for step in range(TEMPLATE_WORDS)
    }
    return [word for at, word in enumerate(words) if at not in covered] or words


def near_duplicate_pairs(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return (row, later row, similarity) so that the pairs link every cluster of near-duplicates.

    Among equal texts (after ``normalise``) only neighbours in file order are listed, with
    similarity 1, and other pairs are listed once, for the first row of each text, so that the list
    stays short.
    """
    distinct = _Texts(texts)
    pairs = [
        (one, two, 1.0)
        for rows, text in zip(distinct.rows, distinct.normal, strict=True)
        if text
        for one, two in pairwise(rows)
    ]
    for i, j, similarity in distinct.near_pairs():
        one, two = sorted((distinct.rows[i][0], distinct.rows[j][0]))
        pairs.append((one, two, min(similarity, NOT_EQUAL)))
    return sorted(pairs)


def near_duplicate_clusters(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the rows of each cluster of near-duplicates, exact copies included.

    Rows are in one cluster if a chain of near-duplicates joins them; a cluster has two rows or
    more. Rows and clusters are in ascending order. Texts that are empty but for white space are in
    no cluster.
    """
    root = list(range(len(texts)))

    def find(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for one, two, _ in near_duplicate_pairs(texts):
        first, second = sorted((find(one), find(two)))
        root[second] = first
    clusters: dict[int, list[int]] = defaultdict(list)
    for row in range(len(texts)):
        clusters[find(row)].append(row)
    return [tuple(rows) for _, rows in sorted(clusters.items()) if len(rows) > 1]


def near_matches(queries: Sequence[str], corpus: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return (query, corpus row, similarity from 0 to 1) for every near-duplicate across the two.

    Equal texts, after ``normalise``, have similarity 1. A query with more than 100 matches keeps
    the 100 nearest. Sorted by query, then nearest first.
    """
    distinct = _Texts([*corpus, *queries])
    border = len(corpus)
    asked = [[row - border for row in rows if row >= border] for rows in distinct.rows]
    held = [[row for row in rows if row < border] for rows in distinct.rows]
    found: dict[int, list[tuple[float, int]]] = defaultdict(list)

    def add(query_node: int, corpus_node: int, similarity: float) -> None:
        for query in asked[query_node]:
            found[query] += ((-similarity, row) for row in held[corpus_node][:MATCHES_PER_QUERY])

    for node, text in enumerate(distinct.normal):
        if text:
            add(node, node, 1.0)
    for i, j, similarity in distinct.near_pairs():
        add(i, j, min(similarity, NOT_EQUAL))
        add(j, i, min(similarity, NOT_EQUAL))
    return [
        (query, row, -negative)
        for query in sorted(found)
        for negative, row in sorted(found[query])[:MATCHES_PER_QUERY]
    ]
