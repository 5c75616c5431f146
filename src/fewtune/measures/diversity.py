"""Diversity: change by tuning of the share of word pairs in sampled answers that are distinct."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import student
from fewtune.measures.observe.answers import Answers
from fewtune.records import Score

__all__ = ["Diversity", "distinct", "repetition"]

Words = Sequence[tuple[str, ...]]


class Diversity(Measure):
    """Distinct-2 of the tuned model's answers less that of the base's, to the same prompts.

    Longer answers repeat themselves more, so both answers to a prompt are cut to the words of the
    shorter one. The parts are the tuned model's own distinct-1, -2 and -3 over all its answers, the
    base's distinct-2, and the repetition inside an answer, tuned less base. Intervals: jackknife
    over groups with Student's reach, because a bootstrap repeats answers and so makes them less
    distinct.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the change of distinct-2, or ``None`` where there are no words to compare."""
        seen = evidence.answers
        if seen is None:
            return None
        tuned, base = _alike(seen)
        if not any(len(words) > 1 for words in tuned):
            return None
        return self._jackknifed(seen, tuned, base, lambda t, b: distinct(t, 2) - distinct(b, 2))

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return distinct-1, -2 and -3, that of the base, and the change of repetition."""
        seen = evidence.answers
        if seen is None or self.score(evidence, seed) is None:
            return {}
        tuned, base = _alike(seen)
        whole = _words(seen.tuned)
        found = {
            f"distinct_{n}": self._jackknifed(seen, whole, base, partial(_distinct_of_first, n=n))
            for n in (1, 2, 3)
        }
        found["base_distinct_2"] = self._jackknifed(
            seen, whole, _words(seen.base), lambda t, b: distinct(b, 2)
        )
        more = self._jackknifed(seen, tuned, base, lambda t, b: repetition(t) - repetition(b))
        return {**found, "repetition": replace(more, direction="lower")}

    def silence(self, evidence: Evidence) -> str:
        """Return why two models' answers cannot be compared."""
        if evidence.answers is None or self.score(evidence) is not None:
            return ""
        return "base or tuned answers with fewer than two words, so diversity cannot be compared"

    def _jackknifed(
        self, seen: Answers, tuned: Words, base: Words, statistic: Callable[[Words, Words], float]
    ) -> Score:
        """Return a statistic of both models' answers with its jackknife interval."""
        value = statistic(tuned, base)
        groups = np.unique(seen.groups)
        left = []
        for group in groups:
            kept = [int(i) for i in np.flatnonzero(seen.groups != group)]
            left.append(statistic([tuned[i] for i in kept], [base[i] for i in kept]))
        count = len(groups)
        half = student(count) * float(np.sqrt((count - 1) * np.var(left)))
        return self.named(value, max(value - half, -1.0), min(value + half, 1.0), len(seen))


def distinct(answers: Words, n: int) -> float:
    """Return the share of runs of ``n`` words, over all answers, that are distinct; 0 for none.

    Examples
    --------
    >>> distinct([("a", "b", "a"), ("a", "b")], 2)
    0.6666666666666666
    """
    runs = [run for words in answers for run in _runs(words, n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def _distinct_of_first(tuned: Words, base: Words, n: int) -> float:
    return distinct(tuned, n)


def repetition(answers: Words) -> float:
    """Return the share of word triples that came before in the same answer; 0 for none.

    Examples
    --------
    >>> repetition([("go", "on", "and", "go", "on", "and")])
    0.25
    """
    runs = [_runs(words, 3) for words in answers]
    count = sum(map(len, runs))
    return 1 - sum(len(set(some)) for some in runs) / count if count else 0.0


def _runs(words: tuple[str, ...], n: int) -> list[tuple[str, ...]]:
    return [words[at : at + n] for at in range(len(words) - n + 1)]


def _words(texts: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(text.lower().split()) for text in texts]


def _alike(seen: Answers) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the words of both models' answers, each pair cut to the shorter one."""
    pairs = zip(_words(seen.tuned), _words(seen.base), strict=True)
    cut = [(t[: len(b)], b[: len(t)]) for t, b in pairs]
    return [t for t, _ in cut], [b for _, b in cut]
