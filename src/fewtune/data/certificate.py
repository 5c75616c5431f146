"""How it is known that a split does not leak, and what a random one would have hidden."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fewtune.data.near_images import near_images
from fewtune.data.similarity import near_matches
from fewtune.data.thumbnails import thumbnail
from fewtune.data.units import Units, compared_texts
from fewtune.records import Certificate, Dataset

__all__ = ["certify_split"]

DRAWS = 5
PROBE_ROWS = 2_000
PROBE_FOLDS = 4


def certify_split(
    dataset: Dataset,
    units: Units,
    parts: Sequence[int],
    seed: int,
    given: Sequence[Dataset],
    probe: bool,
    more: Sequence[str] = (),
) -> Certificate:
    """Return the certificate of a split.

    Parameters
    ----------
    dataset, units
        The rows, and which of them belong together.
    parts
        The part of each row.
    seed
        For the random splits that it is compared with.
    given
        Rows to test or validate on from files of their own.
    probe
        Whether to measure what a random split would have claimed.
    more
        Sentences to add.
    """
    generator = random.Random(seed)
    drawn = []
    shuffled = list(parts)
    for _ in range(DRAWS):
        generator.shuffle(shuffled)
        drawn.append(_crossing(units, shuffled))
    crossing = _crossing(units, parts) + sum(_crossing_to(dataset, other) for other in given)
    at_random = sum(drawn) / DRAWS
    claimed = _claimed(dataset, units, seed) if probe and dataset.labels else None
    return Certificate(
        units.clusters,
        units.groups,
        crossing,
        at_random,
        claimed,
        (*_sentences(units, crossing, at_random, claimed, bool(given)), *more),
    )


def _crossing(units: Units, parts: Sequence[int]) -> int:
    """Return the number of pairs of rows that belong together and are in two parts."""
    crossing = 0
    for rows in units.members():
        if len(rows) > 1:
            counts = Counter(parts[row] for row in rows)
            crossing += (len(rows) ** 2 - sum(n * n for n in counts.values())) // 2
    return crossing


def _crossing_to(dataset: Dataset, other: Dataset) -> int:
    """Return the number of pairs of rows across two files that belong together."""
    pairs: set[tuple[int, int]]
    if dataset.shape == "labelled_image":
        found = near_images([e.input for e in other], [e.input for e in dataset])
        pairs = {(pair.first, pair.second) for pair in found}
    else:
        matches = near_matches(compared_texts(other), compared_texts(dataset))
        pairs = {(theirs, ours) for theirs, ours, _ in matches}
    groups: dict[str, list[int]] = {}
    for row, example in enumerate(dataset):
        if example.group:
            groups.setdefault(example.group, []).append(row)
    children: dict[str, list[int]] = {}
    for row, example in enumerate(dataset):
        if example.parent:
            children.setdefault(example.parent, []).append(row)
    for theirs, example in enumerate(other):
        pairs |= {(theirs, ours) for ours in groups.get(example.group, ())}
        pairs |= {(theirs, ours) for ours in children.get(example.source, ())}
    return len(pairs)


def _claimed(dataset: Dataset, units: Units, seed: int) -> float | None:
    """Return by how many points a random cross-validation of a fast probe beats this kind of split.

    Both score the same rows: whole units drawn until there are enough, folded by row and by unit.
    """
    generator = random.Random(seed)
    members = units.members()
    generator.shuffle(members)
    rows: list[int] = []
    unit_fold: list[int] = []
    for number, unit in enumerate(members):
        if len(rows) >= PROBE_ROWS:
            break
        rows += unit
        unit_fold += [number % PROBE_FOLDS] * len(unit)
    row_fold = list(unit_fold)
    generator.shuffle(row_fold)
    inputs = [dataset[row].input for row in rows]
    labels = [units.labels[row] for row in rows]
    looks = _pixels(inputs) if dataset.shape == "labelled_image" else None
    honest = _accuracy(inputs, looks, labels, unit_fold)
    naive = _accuracy(inputs, looks, labels, row_fold)
    if honest is None or naive is None:
        return None
    return 100 * (naive - honest)


def _pixels(paths: Sequence[str]) -> Any:
    """Return images of 16 × 16 pixels as rows from 0 to 1; zero for what cannot be read."""
    import numpy as np

    found = np.zeros((len(paths), 16 * 16 * 3))
    for at, path in enumerate(paths):
        small = thumbnail(path)
        if small is not None:
            found[at] = small.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3)).ravel() / 255
    return found


def _accuracy(
    texts: Sequence[str], looks: Any, labels: Sequence[str], fold_of: Sequence[int]
) -> float | None:
    """Return the cross-validated accuracy of logistic regression on TF-IDF or pixels, or ``None``.

    Pixels, where there are any, are ``looks``.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    right = 0
    for fold in range(PROBE_FOLDS):
        train = [i for i, f in enumerate(fold_of) if f != fold]
        held = [i for i, f in enumerate(fold_of) if f == fold]
        if not held or len({labels[i] for i in train}) < 2:
            return None
        if looks is not None:
            features, asked = looks[train], looks[held]
        else:
            try:
                vectorizer = TfidfVectorizer(sublinear_tf=True)
                features = vectorizer.fit_transform([texts[i] for i in train])
            except ValueError:  # no words at all
                return None
            asked = vectorizer.transform([texts[i] for i in held])
        model = LogisticRegression(C=10, solver="saga", tol=1e-3, max_iter=10, random_state=0)
        with warnings.catch_warnings():
            # A probe that is nearly fitted ranks two splits as well as one that is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, [labels[i] for i in train])
        predicted = model.predict(asked)
        right += sum(p == labels[i] for p, i in zip(predicted, held, strict=True))
    return right / len(texts)


def _sentences(
    units: Units, crossing: int, at_random: float, claimed: float | None, given: bool
) -> tuple[str, ...]:
    held = [_several(units.clusters, "cluster") + " of near-duplicates"] if units.clusters else []
    if units.groups:
        held.append(_several(units.groups, "group"))
    sentences = [f"Kept together: {' and '.join(held)}."] if held else []
    if crossing and given:
        cross = "pair of rows crosses" if crossing == 1 else "pairs of rows cross"
        sentences.append(f"{crossing:,} {cross} to the files given for test.")
    else:
        sentences.append("No pair of near-duplicates or of one group crosses.")
    if at_random:
        sentences.append(f"A random split would have let {_several(at_random, 'pair')} cross.")
    if claimed is not None:
        better = f"would have made a fast probe look {claimed:.1f} points of accuracy better"
        flat = f"would not have made a fast probe look better ({claimed:+.1f} points)"
        sentences.append(f"A random split {better if claimed >= 0.05 else flat}.")
    return tuple(sentences)


def _several(number: float, name: str) -> str:
    said = f"{number:,.0f}"
    return f"{said} {name}" if said == "1" else f"{said} {name}s"
