"""Pairs of texts that may be near-duplicates, by MinHash signatures hashed in bands.

A text's features are the letter triples inside its words, so that neither the order of words nor
a typo changes many (Broder 1997). Two long texts share most triples whatever they say, so the
features of long ones are whole words. Work grows with the number of texts, not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["candidate_pairs"]

BANDS, ROWS = 36, 4
"""Two texts that share 60% of their features meet in a band with probability 99.3%, at 70% 99.996%,
at 30% 25%."""

PAIR_BUDGET = 12_000_000
"""Candidate pairs of all bands together, past which crowded buckets compare neighbours only."""

LEAST_TRIPLES, LEAST_WORDS = 0.3, 0.5
"""Share of equal hashes, an estimate of the share of common features, of pairs that are kept."""

ALL_PAIRS = 150
"""Texts up to which each is compared with each."""

LONG_FROM, SHORT_TO = 50, 80
"""Words from which on a text is compared by its words, and up to which by its letters; those
between are compared both ways, so that no pair falls between the two."""


def candidate_pairs(words: Sequence[Sequence[str]]) -> Any:
    """Return an array (pairs × 2) of indices, the lower first, of texts given as lists of words."""
    import numpy as np

    lengths = np.array([len(text) for text in words])
    if len(words) < 2:
        return np.empty((0, 2), dtype=np.int64)
    if len(words) <= ALL_PAIRS:
        return np.stack(np.triu_indices(len(words), 1), axis=1)
    count = len(words)
    found = []
    for chosen, hash_features, least in (
        (np.flatnonzero(lengths <= SHORT_TO), _triples, LEAST_TRIPLES),
        (np.flatnonzero(lengths >= LONG_FROM), _whole_words, LEAST_WORDS),
    ):
        if len(chosen) > 1:
            signature = _signatures(*hash_features([words[i] for i in chosen.tolist()]))
            pairs = _agreeing(signature, _meet(signature), least)
            found.append(chosen[pairs[:, 0]] * count + chosen[pairs[:, 1]])
    keys = _distinct(np.concatenate(found))
    return np.stack([keys // count, keys % count], axis=1)


def _meet(signature: Any) -> Any:
    """Return pairs of rows that share all hashes of a band."""
    import numpy as np

    count = len(signature)
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


def _agreeing(signature: Any, pairs: Any, least: float) -> Any:
    """Return the pairs whose signatures agree in so large a share."""
    import numpy as np

    kept = [
        part[(signature[part[:, 0]] == signature[part[:, 1]]).mean(axis=1) >= least]
        for part in np.array_split(pairs, len(pairs) // 50_000 + 1)
    ]
    return np.concatenate(kept)


def _triples(texts: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """Return the hashed letter triples of all texts, and the text of each."""
    import numpy as np

    padded = [f"  {' '.join(words)}  " for words in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = codes.astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in padded])[:-2]
    prime = np.uint64(1_000_003)
    features = (codes[:-2] * prime + codes[1:-1]) * prime + codes[2:]
    # Triples across two words depend on the order of words; the first of each text stays, so that
    # no text is without a feature.
    inside = codes[1:-1] != 32
    inside |= np.diff(owner, prepend=-1) != 0
    return features[inside], owner[inside]


def _whole_words(texts: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """Return the numbered words of all texts, and the text of each."""
    import numpy as np

    numbers: dict[str, int] = {}
    words = [numbers.setdefault(word, len(numbers) + 1) for text in texts for word in text]
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    return _scatter(np.array(words, dtype=np.uint64)), owner


def _scatter(numbers: Any) -> Any:
    import numpy as np

    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return numbers ^ (numbers >> np.uint64(27))


def _signatures(features: Any, owner: Any) -> Any:
    """Return MinHash signatures (texts × BANDS·ROWS)."""
    import numpy as np

    features = _scatter(features)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    random = np.random.default_rng(1997)
    factors = random.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    signature = np.empty((len(starts), BANDS * ROWS), dtype=np.uint32)
    for number, factor in enumerate(factors):
        signature[:, number] = np.minimum.reduceat((features * factor) >> np.uint64(32), starts)
    return signature
