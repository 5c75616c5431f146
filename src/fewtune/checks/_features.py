"""Vectors of the inputs and leave-one-out label probabilities, computed once for all checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fewtune.checks._neighbours import neighbour_votes
from fewtune.checks._predictors import blend, kernel_ridge, naive_bayes
from fewtune.checks._rows import question
from fewtune.checks.base import Context
from fewtune.data.thumbnails import thumbnail
from fewtune.data.variations import may_judge
from fewtune.records import Dataset

__all__ = [
    "LeaveOneOut",
    "distinct",
    "image_vectors",
    "leave_one_out",
    "word_vectors",
]

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

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

    Multinomial naive Bayes on TF-IDF of words and characters, and a vote of the nearest neighbours;
    with a model that embeds also kernel ridge regression and neighbours by its embeddings. All
    leave a row out in closed form and refit nothing, and are blended.
    ``python -m benchmarks.data.check_labels`` measures them; five-fold logistic regression on words
    and characters, tried once (Banking77, one seed), found no more flips and took 43 s, not 0.1 s.
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
    predictors, method = _predictors(context, rows, given)
    return LeaveOneOut(rows, given, labels, blend(predictors, given), method)


def _predictors(context: Context, rows: Indices, given: Indices) -> tuple[list[Floats], str]:
    """Return label probabilities by each predictor, and in words what they are."""
    classes, seed = len(context.data.labels), context.seed
    texts = [context.data.examples[i].input for i in rows]
    found: list[Floats] = []
    ways = []
    vectors: Any
    if context.data.shape == "labelled_image":
        vectors, _, way = image_vectors(context)
        found += _by_likeness(vectors[rows], given, classes, seed)
        return found, f"kernel ridge regression and nearest neighbours by {way}"
    embedded = None if context.model is None else context.model.embed(texts)
    if embedded is not None and context.model is not None:
        vectors = np.asarray(embedded, dtype=np.float32)
        found += _by_likeness(vectors, given, classes, seed)
        ways.append(
            f"kernel ridge regression and nearest neighbours by {context.model.name}'s embeddings"
        )
    vectors = _vectors(texts)
    found.append(naive_bayes(vectors, given, classes))
    if len(rows) >= FEWEST_TO_ASK:
        found.append(neighbour_votes(vectors, given, classes, seed))
    ways.append("naive Bayes and nearest neighbours by words and characters")
    return found, ", ".join(ways)


def _by_likeness(vectors: Floats, given: Indices, classes: int, seed: int) -> list[Floats]:
    found = [kernel_ridge(vectors, given, classes, seed)]
    if len(given) >= FEWEST_TO_ASK:
        found.append(neighbour_votes(vectors, given, classes, seed))
    return found


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


def image_vectors(context: Context) -> tuple[Floats, Floats | None, str]:
    """Return unit-length vectors of training and test images, and by what they are.

    The model's embeddings, else pixels; zero for what cannot be read.
    """
    return context.shared("image_vectors", lambda: _image_vectors(context))


def _image_vectors(context: Context) -> tuple[Floats, Floats | None, str]:
    model = context.model

    def vectors(data: Dataset) -> Floats:
        paths = [example.input for example in data.examples]
        embedded = None if model is None else model.embed(paths)
        return _pixels(paths) if embedded is None else np.asarray(embedded, dtype=np.float32)

    test = None if context.test is None else vectors(context.test)
    way = "16 × 16 pixels" if model is None else f"{model.name}'s embeddings"
    return vectors(context.data), test, way


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
