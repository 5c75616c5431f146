"""Near-duplicates: the same text again but for typos, word order, case, punctuation or a filler.

Two steps. Candidates come from MinHash signatures of the letter triples inside words (1997, Broder),
hashed in bands, so that work grows with the number of rows and not with its square. Each candidate
is then aligned word by word: see ``compare_words``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fewtune.data.words import FUNCTION_WORDS, normalise, split_words, weigh

__all__ = [
    "Difference",
    "compare_words",
    "near_duplicate_clusters",
    "near_duplicate_pairs",
    "near_matches",
    "normalise",
]

BANDS, ROWS = 36, 4
"""Two texts that share 60% of their letter triples meet in a band with probability 99.3%, at 70%
99.996%, at 30% 25%."""

PAIR_BUDGET = 12_000_000
"""Candidate pairs of all bands together, past which crowded buckets compare neighbours only."""

PREFILTER = 78.0
"""Least Indel similarity (0 to 100), in sorted or given order, of candidates that are aligned."""

ONE_SIDED = 0.95
"""Least similarity where one text merely has words that the other lacks, or function words differ."""

REPLACED = 0.95
"""Least similarity where a content word stands in place of another."""

REPLACED_WORDS = 12
"""Least number of words where a content word stands in place of another: in a short text one such
word is what the text is about (I lost my card, I lost my phone)."""

KNOWN_FROM = 4
"""Texts that must use a word before it counts as a word and not as a typo."""

TYPO_COST = 0.5
"""Letters that a typo counts as."""

MATCHES_PER_QUERY = 100

NOT_EQUAL = 0.9999
"""Most that two texts can be alike without being equal: similarity 1 means a copy."""


@dataclass(frozen=True)
class Difference:
    """What is left of two texts when their common words are taken away.

    Attributes
    ----------
    similarity
        From 0 to 1: the share of both texts, by weight of words, that pairs up.
    only_left, only_right
        Words without a partner.
    """

    similarity: float
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]

    @property
    def replaces_content(self) -> bool:
        """Whether a content word stands where the other text has another one."""
        return _has_content(self.only_left) and _has_content(self.only_right)


def compare_words(
    left: Sequence[str], right: Sequence[str], known: Collection[str] = ()
) -> Difference:
    """Return how two texts differ as bags of words.

    Equal words pair up in any order; then words that differ by a typo; then whatever is left over on
    both sides, if a typo or two make one out of the other (``top up`` and ``topup``, ``nee dto``).

    Parameters
    ----------
    left, right
        Words in the order of the text.
    known
        Words that several texts use, which therefore are not typos.
    """
    only_left, only_right = _without_common(left, right), _without_common(right, left)
    total = sum(map(weigh, left)) + sum(map(weigh, right))
    cost = 0.0
    if only_left and only_right:
        cost += TYPO_COST * _pair_typos(only_left, only_right, known)
        cost += TYPO_COST * _pair_spaced(only_left, only_right, total, known)
    cost += sum(map(weigh, only_left)) + sum(map(weigh, only_right))
    return Difference(max(0.0, 1 - cost / total), tuple(only_left), tuple(only_right))


def _without_common(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the words that the others lack, in their order."""
    left = Counter(others)
    rest = []
    for word in words:
        if left[word]:
            left[word] -= 1
        else:
            rest.append(word)
    return rest


def _has_content(words: Iterable[str]) -> bool:
    return any(word not in FUNCTION_WORDS for word in words)


def _pair_typos(only_left: list[str], only_right: list[str], known: Collection[str]) -> int:
    """Take pairs of words that differ by typos off both lists; return the number of typos."""
    typos = 0
    for word in only_left[:]:
        for other in only_right:
            distance = _typos_between(word, other, known)
            if distance:
                only_left.remove(word)
                only_right.remove(other)
                typos += distance
                break
    return typos


def _typos_between(word: str, other: str, known: Collection[str]) -> int:
    """Return how many typos make one word out of the other; 0 if they are two words."""
    from rapidfuzz.distance import OSA

    short, long = sorted((len(word), len(other)))
    if long - short > 3 or short < 2 or not (word.isalpha() and other.isalpha()):
        return 0
    allowed = 1 if short < 6 else 2 if short < 12 else 3
    distance = OSA.distance(word, other, score_cutoff=allowed)
    if distance > allowed:
        return 0
    if word in known and other in known:
        # Two words that people do write are one with a typo only if they share all but the ending.
        same_start = word[: short - 1] == other[: short - 1]
        return distance if short >= 4 and same_start else 0
    # Two edits that reach the first letter make another word: in-crease, de-crease.
    return distance if distance == 1 or word[0] == other[0] else 0


def _pair_spaced(
    only_left: list[str], only_right: list[str], total: float, known: Collection[str]
) -> int:
    """Empty both lists if few typos, a missing or stray space included, make one of the other."""
    from rapidfuzz.distance import OSA

    if not only_left or not only_right or len(only_left) + len(only_right) > 12:
        return 0
    one, two = " ".join(only_left), " ".join(only_right)
    if one.replace(" ", "") != two.replace(" ", ""):
        if any(c.isdigit() for c in one + two):
            return 0
        if all(word in known for word in (*only_left, *only_right)):
            return 0
    allowed = 1 if total < 40 else 2
    distance = OSA.distance(one, two, score_cutoff=allowed)
    if distance > allowed or 3 * distance > max(len(one), len(two)):
        return 0
    only_left.clear()
    only_right.clear()
    return distance


def _is_near(left: Sequence[str], right: Sequence[str], known: Collection[str]) -> float:
    """Return the similarity of two texts if they are near-duplicates, else 0."""
    difference = compare_words(left, right, known)
    similarity = difference.similarity
    if difference.replaces_content:
        long_enough = min(len(left), len(right)) >= REPLACED_WORDS
        return similarity if long_enough and similarity >= REPLACED else 0.0
    return similarity if similarity >= ONE_SIDED else 0.0


class _Texts:
    """Distinct normalised texts, the rows in which each stands, and their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(texts):
            rows[normalise(text)].append(row)
        self.rows = list(rows.values())
        self.normal = list(rows)
        self.words = [split_words(text) for text in self.normal]
        self.sorted = [" ".join(sorted(words)) for words in self.words]

    def _known(self) -> frozenset[str]:
        counts = Counter(word for words in self.words for word in set(words))
        return frozenset(word for word, count in counts.items() if count >= KNOWN_FROM)

    def near_pairs(self) -> list[tuple[int, int, float]]:
        """Return pairs of distinct texts (first index lower) and their similarity."""
        import numpy as np
        from rapidfuzz import fuzz, process

        pairs = _candidates(self.sorted)
        known = self._known()
        found = []
        for start in range(0, len(pairs), 500_000):
            part = pairs[start : start + 500_000]
            keep = np.zeros(len(part), dtype=bool)
            for strings in (self.sorted, self.normal):
                rest = np.flatnonzero(~keep)
                scores = process.cpdist(
                    [strings[i] for i in part[rest, 0]],
                    [strings[j] for j in part[rest, 1]],
                    scorer=fuzz.ratio,
                    score_cutoff=PREFILTER,
                    dtype=np.float32,
                )
                keep[rest] = scores > 0
            for i, j in part[keep].tolist():
                similarity = _is_near(self.words[i], self.words[j], known)
                if similarity:
                    found.append((i, j, similarity))
        return found


def _candidates(texts: Sequence[str]) -> Any:
    """Return an array (pairs × 2) of indices of texts that may be near-duplicates."""
    import numpy as np

    if len(texts) < 2:
        return np.empty((0, 2), dtype=np.int64)
    if len(texts) <= 200:
        return np.stack(np.triu_indices(len(texts), 1), axis=1)
    signature = _signatures(texts)
    count = len(texts)
    window = int(np.clip(PAIR_BUDGET // (count * BANDS), 4, 64))
    keys = np.stack([_mix(signature[:, b * ROWS : (b + 1) * ROWS]) for b in range(BANDS)], axis=1)
    found = np.empty(0, dtype=np.int64)
    for band in range(BANDS):
        # Rows of a crowded bucket are ordered by the next band, so that the most alike are near.
        order = np.lexsort((keys[:, (band + 1) % BANDS], keys[:, band]))
        key = keys[order, band]
        pairs = []
        for offset in range(1, window + 1):
            same = np.flatnonzero(key[offset:] == key[:-offset])
            if not len(same):
                break
            one, two = order[same], order[same + offset]
            pairs.append(np.minimum(one, two) * count + np.maximum(one, two))
        if pairs:
            found = _distinct(np.concatenate([found, *pairs]))
    return np.stack([found // count, found % count], axis=1)


def _distinct(numbers: Any) -> Any:
    """Return the distinct numbers, sorted; numpy's own hashing is slow on such pairs."""
    import numpy as np

    numbers.sort()
    return numbers[np.diff(numbers, prepend=-1) != 0]


def _mix(columns: Any) -> Any:
    """Return one 64-bit key for each row of a few 32-bit columns."""
    import numpy as np

    key = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        key = (key ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def _signatures(texts: Sequence[str]) -> Any:
    """Return MinHash signatures (texts × BANDS·ROWS) of the letter triples inside words."""
    import numpy as np

    joined = "".join(f"  {text}  " for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = codes.astype(np.uint64)
    lengths = np.array([len(text) + 4 for text in texts])
    owner = np.repeat(np.arange(len(texts)), lengths)[:-2]
    grams = (codes[:-2] * np.uint64(1_000_003) + codes[1:-1]) * np.uint64(1_000_003) + codes[2:]
    # Triples across two words depend on the order of words; the first of each text stays, so that
    # no text is without a triple.
    inside = codes[1:-1] != 32
    inside |= np.diff(owner, prepend=-1) != 0
    grams, owner = grams[inside], owner[inside]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    random = np.random.default_rng(1997)
    factors = random.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    signature = np.empty((len(texts), BANDS * ROWS), dtype=np.uint32)
    for number, factor in enumerate(factors):
        hashed = ((grams ^ (grams >> np.uint64(31))) * factor) >> np.uint64(32)
        signature[:, number] = np.minimum.reduceat(hashed, starts)
    return signature


def near_duplicate_pairs(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return (row, later row, similarity) so that the pairs link every cluster of near-duplicates.

    Among equal texts (after ``normalise``) only neighbours in file order are listed, with similarity
    1, and other pairs are listed once for the first row of each text, so that the list stays short.
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

    Equal texts, after ``normalise``, have similarity 1. A query with more than 100 matches keeps the
    100 nearest. Sorted by query, then nearest first.
    """
    distinct = _Texts([*queries, *corpus])
    border = len(queries)
    asked = [[row for row in rows if row < border] for rows in distinct.rows]
    held = [[row - border for row in rows if row >= border] for rows in distinct.rows]
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
