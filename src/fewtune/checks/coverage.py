"""Regions of the inputs with few rows, and test inputs far from every training row.

Texts are compared by their words, images by a model's embeddings or else by their pixels.

A model is only as good as its nearest examples: where the training rows are thin, its answers are
guesses, and a score over all rows hides it.
"""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fewtune.checks._features import image_vectors, word_vectors
from fewtune.checks._rows import count, question, quote, sample, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Example, Finding

__all__ = ["Coverage"]

FEWEST_ROWS = 50
MOST_CLUSTERED = 5_000
MOST = 1_500
"""Rows compared with all others; more are drawn from."""
THIN = 0.2
"""A region is thin below this share of the mean region."""
FAR_QUANTILE = 0.01
"""A test row is far when only this share of training rows are as far from their nearest…"""
FAR = 0.3
"""…and its greatest cosine with a training row is at most this (images: their mean taken off)."""
TOO_MANY_FAR = 0.05


class Coverage(Check):
    """Groups the inputs by their words or looks; names thin groups and far test rows."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return a note on thin regions, and a finding on test rows that nothing is near to."""
        if len(context.data) < FEWEST_ROWS:
            return
        train, test, way = _vectors(context)
        if train is None:
            return
        yield from _thin(context, train, way)
        if test is not None and test.shape[0]:
            yield from _far(context, train, test)


def _vectors(context: Context) -> tuple[Any, Any, str]:
    """Return unit-length vectors of training and test rows, and by what; zero for rows of none."""
    if context.data.shape != "labelled_image":
        return *word_vectors(context), "their words"
    train, test, way = image_vectors(context)
    # What all images share, a model's usual state or a white ground, would make all of them near.
    middle = train.mean(axis=0)
    return _off(train, middle), None if test is None else _off(test, middle), way


def _off(vectors: Any, middle: Any) -> Any:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found = np.where(lengths > 0, vectors - middle, 0)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def _filled(vectors: Any) -> npt.NDArray[np.bool_]:
    """Return for each row whether there is anything to compare."""
    if isinstance(vectors, np.ndarray):
        return np.asarray(vectors.any(axis=1))
    return np.asarray(np.diff(vectors.indptr) > 0)


def _thin(context: Context, train: Any, way: str) -> Iterable[Finding]:
    rows = np.asarray(sample(context, MOST_CLUSTERED))
    rows = rows[_filled(train)[rows]]
    if len(rows) < FEWEST_ROWS:
        return
    regions = _regions(train[rows], context.seed)
    sizes = Counter(regions.tolist())
    mean = len(rows) / len(sizes)
    thin = sorted((r for r, n in sizes.items() if n < THIN * mean), key=lambda r: sizes[r])
    if not thin:
        return
    members = {region: rows[regions == region] for region in thin}
    instance = context.data.examples[int(members[thin[0]][0])]
    of = f" (of {len(rows):,} rows drawn)" if len(rows) < len(context.data) * 0.9 else ""
    yield Finding(
        "coverage",
        "note",
        sources(context.data, (int(i) for region in thin for i in members[region])),
        f"The inputs form {len(sizes)} regions by {way}{of}, {mean:.0f} rows on average; "
        f"{count(len(thin), 'region is', 'regions are')} thin, the thinnest with "
        f"{count(sizes[thin[0]], 'row')}, such as {_shown(context, instance)}.",
        "Add rows there if users ask such things",
    )


def _shown(context: Context, example: Example) -> str:
    return example.source if context.data.shape == "labelled_image" else quote(question(example))


def _regions(vectors: Any, seed: int) -> npt.NDArray[np.intp]:
    """Return the region of each row: k-means on the leading directions of the word vectors."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.extmath import randomized_svd

    width = min(30, min(vectors.shape) - 1)
    if width < 2:
        return np.zeros(vectors.shape[0], dtype=np.intp)
    left, singular, _ = randomized_svd(vectors, width, n_iter=2, random_state=seed)
    points = left * singular
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    wanted = int(np.clip(round((len(points) / 2) ** 0.5), 4, 30))
    kmeans = KMeans(wanted, random_state=seed, n_init=4)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: the regions are then the rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(kmeans.fit_predict(points), dtype=np.intp)


def _far(context: Context, train: Any, test: Any) -> Iterable[Finding]:
    if context.test is None:
        return
    # Several rows with one input would each be the other's nearest, at no distance.
    corpus = train[_distinct([question(e) for e in context.data.examples])]
    draw = random.Random(context.seed)
    known = np.asarray(sorted(draw.sample(range(corpus.shape[0]), min(MOST, corpus.shape[0]))))
    usual = _nearest(corpus[known], corpus, known)
    asked = np.asarray(sample(context, MOST, "test"))
    nearest = _nearest(test[asked], corpus)
    limit = min(float(np.quantile(usual, FAR_QUANTILE)), FAR)
    expected = float(np.mean(usual <= limit))
    order = np.argsort(nearest, kind="stable")
    far = asked[order[nearest[order] <= limit]]
    part = len(far) / len(asked)
    if not len(far) or part <= expected:
        return
    drawn = f" drawn of {len(context.test):,}" if len(asked) < len(context.test) else ""
    yield Finding(
        "coverage",
        "warning" if part > max(TOO_MANY_FAR, 3 * expected) else "note",
        sources(context.test, (int(i) for i in far)),
        f"{count(len(far), 'test row is', 'test rows are')} far from every training row "
        f"({share(len(far), len(asked))} of {len(asked):,}{drawn}; only {share(expected, 1)} of "
        "the training rows are so far from each other), e.g. "
        f"{_shown(context, context.test.examples[int(far[0])])}.",
        "Add training rows like these, or read the score without them",
    )


def _distinct(texts: Sequence[str]) -> list[int]:
    """Return the first row of each text."""
    return list({text: i for i, text in reversed(list(enumerate(texts)))}.values())[::-1]


def _nearest(queries: Any, corpus: Any, own: npt.NDArray[np.intp] | None = None) -> Any:
    """Return each query's greatest cosine with a row of the corpus, its ``own`` row aside."""
    found = np.zeros(queries.shape[0])
    if isinstance(corpus, np.ndarray):
        for start in range(0, queries.shape[0], 250):
            cosines = queries[start : start + 250] @ corpus.T
            if own is not None:
                cosines[np.arange(len(cosines)), own[start : start + 250]] = -1.0
            found[start : start + 250] = cosines.max(axis=1)
        return found
    transposed = corpus.T.tocsr()
    for start in range(0, queries.shape[0], 250):
        block = (queries[start : start + 250] @ transposed).tocsr()
        if own is not None:
            _forget(block, own[start : start + 250])
        found[start : start + 250] = np.asarray(block.max(axis=1).todense()).ravel()
    return found


def _forget(block: Any, columns: npt.NDArray[np.intp]) -> None:
    row_of = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    block.data[block.indices == columns[row_of]] = 0.0
