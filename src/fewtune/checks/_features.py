"""Vectors of the inputs and leave-one-out label probabilities, computed once for all checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fewtune.checks._neighbours import neighbour_votes
from fewtune.checks._rows import question
from fewtune.checks.base import Context
from fewtune.data.thumbnails import thumbnail
from fewtune.data.variations import may_judge

__all__ = [
    "LeaveOneOut",
    "blend",
    "distinct",
    "leave_one_out",
    "naive_bayes",
    "ridge",
    "word_vectors",
]

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

SMOOTHINGS = (0.01, 0.1, 1.0)
SHARPNESSES = (0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
"""Multipliers of the naive-Bayes scores; below 1 because n-grams overlap and are counted twice."""


LEAST = 1e-4
"""Least probability that one predictor may put into a blend, so that none has a veto."""

FEWEST_TO_ASK = 12
"""Rows from which on neighbours are asked."""


@dataclass(frozen=True)
class LeaveOneOut:
    """Each row's label probabilities from all other rows.

    Attributes
    ----------
    rows
        Index of the row in the data set; identical rows appear once.
    given
        Index into ``labels`` of each row's own label.
    labels
        The labels, sorted.
    probabilities
        Rows × labels.
    method
        What predicted, in words.
    """

    rows: Indices
    given: Indices
    labels: tuple[str, ...]
    probabilities: Floats
    method: str

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable label is the given one."""
        if not len(self.rows):
            return 0.0
        return float(np.mean(self.probabilities.argmax(axis=1) == self.given))


def leave_one_out(context: Context) -> LeaveOneOut:
    """Return out-of-fold label probabilities of labelled rows, one row left out at a time.

    With a model that embeds, ridge regression on its embeddings; else multinomial naive Bayes on
    TF-IDF of words and characters. Both leave a row out in closed form and refit nothing; both are
    blended with a vote of the nearest neighbours. ``python -m benchmarks.data.check_labels``
    measures them; five-fold logistic regression on the same features, tried once (Banking77, one
    seed), found no more flips and took 43 s, not 0.1 s.
    """
    return context.shared("leave_one_out", lambda: _leave_one_out(context))


def distinct(context: Context) -> dict[tuple[str, str], int]:
    """Return the first row of each input and label: a copy would let a row predict itself.

    So would a variation of it, unless all rows are variations.
    """
    first: dict[tuple[str, str], int] = {}
    judges = may_judge(context.data)
    for index, example in enumerate(context.data.examples):
        if example.target is not None and judges[index]:
            text = example.input
            if context.data.shape != "labelled_image":
                text = " ".join(text.split()).lower()
            first.setdefault((text, example.target), index)
    return first


def _leave_one_out(context: Context) -> LeaveOneOut:
    first = distinct(context)
    rows = np.array(list(first.values()), dtype=np.intp)
    labels = context.data.labels
    position = {label: i for i, label in enumerate(labels)}
    given = np.array([position[label] for _, label in first], dtype=np.intp)
    texts = [context.data.examples[i].input for i in rows]
    images = context.data.shape == "labelled_image"
    model = None if images else context.model
    embedded = None if model is None else model.embed(texts)
    vectors: Any
    if images:
        vectors = _pixels(texts)
        scores = ridge(vectors, given, len(labels))
        method = "ridge regression and nearest neighbours by 16 × 16 pixels"
    elif embedded is not None and model is not None:
        vectors = np.asarray(embedded, dtype=np.float32)
        scores = ridge(vectors, given, len(labels))
        method = f"ridge regression and nearest neighbours by {model.name}'s embeddings"
    else:
        vectors = _vectors(texts)
        scores = naive_bayes(vectors, given, len(labels))
        method = "naive Bayes and nearest neighbours by words and characters"
    if len(rows) >= FEWEST_TO_ASK:
        votes = neighbour_votes(vectors, given, len(labels), context.seed)
        scores = blend(scores, votes, given)
    return LeaveOneOut(rows, given, labels, scores, method)


def blend(one: Floats, other: Floats, given: Indices) -> Floats:
    """Return the weighted geometric mean of two predictors that makes the labels likeliest.

    A linear predictor knows which words count, its neighbours how a class falls into kinds; how
    much each is worth depends on the data.

    Parameters
    ----------
    one, other
        Rows × classes, neither from a predictor that has seen the row.
    given
        Each row's class.
    """
    everyone = np.arange(len(given))
    logs = [np.log(np.maximum(p, LEAST)).astype(np.float32) for p in (one, other)]
    best: tuple[float, Floats] | None = None
    for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
        mixed = weight * logs[0] + (1 - weight) * logs[1]
        for sharpness in (0.5, 0.7, 0.85, 1.0, 1.2, 1.5):
            found = _softmax(mixed * np.float32(sharpness))
            likely = float(np.mean(np.log(found[everyone, given] + 1e-12)))
            if best is None or likely > best[0]:
                best = (likely, found)
    if best is None:  # only for the type checker: both tuples above have members
        raise RuntimeError("no weight was tried")
    return best[1]


def _pixels(paths: list[str]) -> Floats:
    """Return images of 16 × 16 pixels as unit-length rows; zero for what cannot be read."""
    found = np.zeros((len(paths), 16 * 16 * 3), dtype=np.float32)
    for at, path in enumerate(paths):
        small = thumbnail(path)
        if small is not None:
            pixels = small.astype(np.float32).reshape(16, 2, 16, 2, 3).mean(axis=(1, 3)).ravel()
            pixels -= pixels.mean()
            found[at] = pixels / max(float(np.linalg.norm(pixels)), 1e-6)
    return found


def _vectors(texts: list[str]) -> Any:
    """Return TF-IDF of words, word pairs and characters within words (rows × features, CSR)."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 2 if len(texts) > 500 else 1
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=rare)
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2, max_features=100_000
    )
    parts = []
    for vectorizer in (words, characters):
        try:
            parts.append(vectorizer.fit_transform(texts))
        except ValueError:  # no word or no repeated n-gram in any text
            continue
    if not parts:
        return csr_matrix((len(texts), 1), dtype=np.float64)
    return csr_matrix(hstack(parts))


def word_vectors(context: Context) -> tuple[Any, Any]:
    """Return unit-length TF-IDF word vectors of the training and the test inputs (CSR, or None)."""
    return context.shared("word_vectors", lambda: _word_vectors(context))


def _word_vectors(context: Context) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [question(e) for e in context.data.examples]
    vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", dtype=np.float32)
    try:
        train = vectorizer.fit_transform(texts)
    except ValueError:  # nothing but stop words
        return None, None
    test = None
    if context.test is not None:
        test = vectorizer.transform([question(e) for e in context.test.examples])
    return train, test


def naive_bayes(vectors: Any, given: Indices, classes: int) -> Floats:
    """Return each row's class probabilities under naive Bayes fitted to all other rows.

    Leaving a row out of a multinomial naive Bayes takes its counts from its own class alone, so
    one pass gives all rows. Smoothing and sharpness are those under which the given labels are
    likeliest.

    Parameters
    ----------
    vectors
        Rows × features, CSR, not negative.
    given
        Each row's class.
    classes
        Number of classes.
    """
    from scipy.sparse import csr_matrix

    rows = len(given)
    everyone = np.arange(rows)
    one_hot = csr_matrix((np.ones(rows), (everyone, given)), shape=(rows, classes))
    mass = np.asarray((one_hot.T @ vectors).todense())
    prior = _prior(given, classes)
    best: tuple[float, Floats] | None = None
    for smoothing in SMOOTHINGS:
        scores = _left_out_scores(vectors, given, mass, smoothing)
        # Only differences within a row count, so little precision is lost, and half of the memory.
        scores = (scores - scores.max(axis=1, keepdims=True)).astype(np.float32)
        for sharpness in SHARPNESSES:
            probabilities = _softmax(scores * sharpness + prior)
            likely = float(np.mean(np.log(probabilities[everyone, given] + 1e-12)))
            if best is None or likely > best[0]:
                best = (likely, probabilities)
    if best is None:  # only for the type checker: both tuples above have members
        raise RuntimeError("no smoothing was tried")
    return best[1]


def _left_out_scores(vectors: Any, given: Indices, mass: Floats, smoothing: float) -> Floats:
    rows, features = vectors.shape
    total = mass.sum(axis=1)
    log_share = np.log(mass + smoothing) - np.log(total + smoothing * features)[:, None]
    scores: Floats = np.asarray(vectors @ log_share.T)
    row_of = np.repeat(np.arange(rows), np.diff(vectors.indptr))
    left = np.maximum(mass[given[row_of], vectors.indices] - vectors.data, 0.0)
    weight = np.asarray(vectors.sum(axis=1)).ravel()
    left_total = np.maximum(total[given] - weight, 0.0)
    own = np.bincount(row_of, vectors.data * np.log(left + smoothing), minlength=rows)
    scores[np.arange(rows), given] = own - weight * np.log(left_total + smoothing * features)
    return scores


def ridge(vectors: Any, given: Indices, classes: int, strength: float = 1.0) -> Floats:
    """Return each row's class probabilities under ridge regression fitted to all other rows.

    The residual of a row left out is its residual over one minus its leverage; the softmax is as
    sharp as makes the given labels likeliest.
    """
    rows, width = vectors.shape
    everyone = np.arange(rows)
    wanted = np.zeros((rows, classes))
    wanted[everyone, given] = 1.0
    gram = vectors.T @ vectors + strength * np.eye(width)
    projected = vectors @ np.linalg.inv(gram)
    leverage = np.einsum("ij,ij->i", projected, vectors)[:, None]
    fitted = projected @ (vectors.T @ wanted)
    left_out = (fitted - leverage * wanted) / np.maximum(1.0 - leverage, 1e-6)
    candidates = [_softmax(left_out * s) for s in (1, 2, 4, 6, 8, 12, 16, 24)]
    return max(candidates, key=lambda p: float(np.log(p[everyone, given] + 1e-12).sum()))


def _prior(given: Indices, classes: int) -> Floats:
    """Return the log frequency of each class among the other rows (rows × classes)."""
    frequency = np.bincount(given, minlength=classes).astype(np.float64)
    prior = np.tile(np.log(np.maximum(frequency, 0.5)).astype(np.float32), (len(given), 1))
    prior[np.arange(len(given)), given] = np.log(np.maximum(frequency[given] - 1, 0.5))
    return prior


def _softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
