"""Controls: what tuning has to beat, measured on the same rows with the same measure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.data.tokens import IGNORED
from fewtune.errors import PlanError
from fewtune.family import suggest
from fewtune.methods.probe import Fitted, fit
from fewtune.select.material import Material
from fewtune.tasks.base import Row
from fewtune.tasks.generation import Generation
from fewtune.tasks.outcomes import Outcomes, group_numbers

__all__ = ["CONTROLS", "from_shares", "from_states", "run"]

Floats = NDArray[np.float64]

CONTROLS = {
    "majority": "the commonest label for every row",
    "tfidf": "TF-IDF of words and letters with logistic regression",
    "frozen": "the base model's frozen states with logistic regression",
    "base": "the base model as it is",
    "few_shot": "the base model with a few training rows before each row",
}

SHOTS = 4
"""Training rows put before each row, as far as they fit the model's context."""


def run(material: Material, name: str) -> Outcomes:
    """Return what the control called ``name`` does on the test rows.

    Raises
    ------
    PlanError
        If there is no such control.
    """
    if name == "majority":
        return _majority(material)
    if name == "tfidf":
        return _tfidf(material)
    if name == "frozen":
        fitted = fit(material.known_states(names=False), material.folds(), material.judges())
        return from_states(material, fitted, material.states()[1], material.test)
    if name == "base":
        return material.task.outcomes(material.base(), material.test)
    if name == "few_shot":
        return material.task.outcomes(material.base(), _with_shots(material))
    raise PlanError("a control", f"{name!r}", "controls", suggest(name, CONTROLS))


def _with_shots(material: Material) -> list[Row]:
    """Return the test rows with training rows before them, of which nothing is supervised."""
    known = material.train
    picked = random.Random(f"{material.plan.seed}/shots").sample(
        range(len(known)), min(SHOTS, len(known))
    )
    most = material.task.max_length() if isinstance(material.task, Generation) else 0
    rows = []
    for row in material.test:
        before: list[int] = []
        for place in picked:
            ids = known[place].ids
            if len(before) + len(ids) + len(row.ids) <= most:
                before += ids
        labels = (*(IGNORED for _ in before), *row.labels)
        rows.append(replace(row, ids=(*before, *row.ids), labels=labels))
    return rows


def from_shares(material: Material, rows: Sequence[Row], shares: Floats) -> Outcomes:
    """Return class probabilities of rows as outcomes."""
    truth = np.asarray([row.label for row in rows], dtype=np.int64)
    right = shares[np.arange(len(rows)), truth]
    return Outcomes(
        sources=tuple(row.example.source for row in rows),
        groups=group_numbers([row.example.group for row in rows]),
        losses=-np.log(np.maximum(right, 1e-12)),
        units=np.ones(len(rows), dtype=np.int64),
        bytes=np.zeros(len(rows), dtype=np.int64),
        truth=truth,
        probabilities=shares,
        labels=material.task.labels,
    )


def _majority(material: Material) -> Outcomes:
    """Return the share of each label among the known rows, for every test row."""
    seen = Counter(row.label for row in material.known)
    counted = np.asarray([seen[label] for label in range(len(material.task.labels))], dtype=float)
    shares = np.tile(counted / counted.sum(), (len(material.test), 1))
    return from_shares(material, material.test, shares)


def _tfidf(material: Material) -> Outcomes:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    pipeline: Any = make_pipeline(
        make_union(
            TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2)),
            TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 4)),
        ),
        LogisticRegression(C=10.0, max_iter=500),
    )
    known = material.known
    pipeline.fit([row.example.input for row in known], [row.label for row in known])
    some = pipeline.predict_proba([row.example.input for row in material.test])
    shares = np.zeros((len(material.test), len(material.task.labels)))
    shares[:, pipeline.classes_] = some
    return from_shares(material, material.test, shares)


def from_states(
    material: Material, fitted: Fitted, states: NDArray[np.float32], rows: Sequence[Row]
) -> Outcomes:
    """Return what a fitted head does on rows whose frozen states are given."""
    return from_shares(material, rows, fitted.probabilities(states))
