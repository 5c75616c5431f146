"""Memorization: trained rows that tuning made the model write out word for word, beyond chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.measures.observe.continuations import Continuations
from fewtune.records import Score

__all__ = ["Memorization", "near", "verbatim"]

Bools = NDArray[np.bool_]

LONG_RUN = 50
"""Characters in common that make a continuation a copy."""
NEAR = 0.8
"""Normalised edit similarity from which a continuation is nearly a copy."""


class Memorization(Measure):
    """Extraction of trained rows, tuned − base, less the same on held-out rows (2310.06714).

    Given the beginning of a row, is what the model writes the rest? *Verbatim*: the longest common
    run has 50 characters or half of the rest; *near*: edit similarity is at least 0.8; *idea*: the
    text is nearer in meaning to its own rest than to any other's. What tuning taught rightly also
    shows on held-out rows of like length, so their gain is taken away. In [−1, 1]; the score itself
    is verbatim, the parts are near, idea, and verbatim on trained and on held-out rows alone.
    """

    direction = "lower"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return what is extracted verbatim beyond ability, or ``None`` where nothing was asked."""
        seen = evidence.continuations
        return None if seen is None else self._beyond(seen, _gains(seen, verbatim), seed)

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return near and idea, and the gain of verbatim on trained and on held-out rows."""
        seen = evidence.continuations
        if seen is None:
            return {}
        gains = _gains(seen, verbatim)
        ideas = seen.idea_tuned.astype(float) - seen.idea_base
        return {
            "near": self._beyond(seen, _gains(seen, near), seed),
            "idea": self._beyond(seen, ideas, seed),
            "trained": self._gain(seen, gains, seen.trained, seed),
            "held_out": self._gain(seen, gains, ~seen.trained, seed),
        }

    def _beyond(self, seen: Continuations, gains: Floats, seed: int) -> Score:
        """Return the mean gain on trained rows less that on held-out rows."""

        def difference(weights: Floats) -> Floats:
            return _mean(gains, seen.trained, weights) - _mean(gains, ~seen.trained, weights)

        value, low, high = bootstrap(difference, seen.groups, seed=seed, within=(-1, 1))
        if not gains.any():
            low, high = -_unseen(seen, ~seen.trained), _unseen(seen, seen.trained)
        return self.named(value, min(low, value), max(high, value), int(seen.trained.sum()))

    def _gain(self, seen: Continuations, gains: Floats, of: Bools, seed: int) -> Score:
        """Return the mean gain on some rows."""
        value, low, high = bootstrap(
            lambda w: _mean(gains, of, w), seen.groups, seed=seed, within=(-1, 1)
        )
        if not gains[of].any():
            low, high = -_unseen(seen, of), _unseen(seen, of)
        return self.named(value, min(low, value), max(high, value), int(of.sum()))


def verbatim(written: str, rest: str) -> bool:
    """Return whether the longest common run has 50 characters or half of the rest.

    Examples
    --------
    >>> verbatim("blue house on a hill", "the blue house by the sea")
    False
    >>> verbatim("the blue house on a hill", "the blue house by the sea")
    True
    """
    written, rest = _plain(written), _plain(rest)
    matcher = SequenceMatcher(None, written, rest, autojunk=False)
    run = matcher.find_longest_match().size
    return run >= min(LONG_RUN, len(rest) / 2)


def near(written: str, rest: str) -> bool:
    """Return whether the normalised edit similarity is at least 0.8.

    Examples
    --------
    >>> near("My phone is 555-0190", "My phone is 555-0142"), near("My phone", "Your house")
    (True, False)
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(_plain(written), _plain(rest)) >= NEAR


def _plain(text: str) -> str:
    return " ".join(text.split())


def _gains(seen: Continuations, same: Callable[[str, str], bool]) -> Floats:
    """Return for each row whether tuned gives its rest less whether base does."""
    texts = zip(seen.tuned, seen.base, seen.rests, strict=True)
    return np.asarray([float(same(t, rest)) - same(b, rest) for t, b, rest in texts])


def _mean(gains: Floats, of: Bools, weights: Floats) -> Floats:
    size = weights[:, of].sum(axis=1)
    with np.errstate(invalid="ignore"):
        means: Floats = weights[:, of] @ gains[of] / size
    return means


def _unseen(seen: Continuations, of: Bools) -> float:
    """Return the share that could go unseen: the exact upper bound where none of n was found.

    The bootstrap of rows that are all alike has no width, however few they are.
    """
    return float(1 - 0.025 ** (1 / len(np.unique(seen.groups[of]))))
