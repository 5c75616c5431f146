"""Controls: what tuning has to beat, measured on the same rows with the same measure."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewtune.data.tokens import IGNORED
from fewtune.errors import PlanError, TrainingStopped
from fewtune.family import suggest
from fewtune.measures.observe.divergence import observe_general
from fewtune.methods.base import METHODS
from fewtune.methods.probe import Fitted
from fewtune.plan.plan import Part
from fewtune.plan.rungs import rung_training
from fewtune.select.candidates import Candidate
from fewtune.select.fitting import prepared_model, training_of
from fewtune.select.heads import plain_head
from fewtune.select.material import Material
from fewtune.tasks.base import Row
from fewtune.tasks.generation import Generation
from fewtune.tasks.outcomes import Outcomes, group_numbers
from fewtune.train.loop import train
from fewtune.train.trunk import cached_trunk

__all__ = ["CONTROLS", "VANILLA", "from_shares", "from_states", "run", "run_all", "words"]

Floats = NDArray[np.float64]

CONTROLS = {
    "majority": "the commonest label for every row",
    "tfidf": "TF-IDF of words and letters with logistic regression",
    "frozen": "the base model's frozen states with logistic regression",
    "base": "the base model as it is",
    "few_shot": "the base model with a few training rows before each row",
    "vanilla": "plain fine-tuning by the common recipe",
}

PASSAGES = 32
"""Passages of general text on which is seen what plain fine-tuning costs the base."""

VANILLA = "vanilla"
"""The control that is tuned too."""

EPOCHS = 3
"""Of the common recipe: what trainers do where nobody says otherwise."""

SHOTS = 4
"""Training rows put before each row, as far as they fit the model's context."""


def run_all(material: Material) -> dict[str, Outcomes]:
    """Return what each control of the plan does on the test rows."""
    found = {}
    for name in material.plan.controls:
        try:
            found[name] = run(material, name)
        except TrainingStopped as error:
            # Plain fine-tuning may diverge where a guarded one does not; that says enough.
            material.journal.write("stage", name=name, sentence=f"{name} is left out: {error}")
            continue
        score = material.headline.of(found[name])
        material.journal.write(
            "control", name=name, value=score.value, low=score.low, high=score.high, n=score.n
        )
    return found


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
        return from_states(material, plain_head(material), material.states()[1], material.test)
    if name == "base":
        return material.task.outcomes(material.base(), material.test)
    if name == "few_shot":
        return material.task.outcomes(material.base(), _with_shots(material))
    if name == VANILLA:
        model = _vanilla(material)
        if isinstance(material.task, Generation):
            few = observe_general(material.task, material.base(), model, most=PASSAGES)
            material.once("general of vanilla", lambda: few)
        return material.task.outcomes(model, material.test)
    raise PlanError("a control", f"{name!r}", "controls", suggest(name, CONTROLS))


def _vanilla(material: Material) -> nn.Module:
    """Return the base after plain fine-tuning: what a trainer script gives who sets nothing else.

    The plan's method at its rate (in favour of the control: scripts have one rate for all models),
    three epochs over all known rows with linear decay, a new head, no guard, the last weights.
    """
    plan = material.plan
    name = plan.method.name
    plain = METHODS.load(name).solves & {material.task.name} or METHODS.load(name).compares
    part = Part(name="full") if plain else plan.method
    training = rung_training(plan, part.name)
    each = math.ceil(len(material.known) / min(training.batch_size, len(material.known)))
    changes = {"updates": EPOCHS * each, "evaluations": 1, "warmup": 0.0, "schedule": "linear"}
    training = training.model_copy(update={**changes, "averaged": 0.0, "head_first": False})
    candidate = Candidate("vanilla", part, training)
    method, model = prepared_model(material, candidate, None)
    run = training_of(material, candidate, method, model, material.known)
    with cached_trunk(
        model, material.task, material.known, material.journal, "vanilla", run.folder.parent
    ):
        train(run)
    return model


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


def words() -> Any:
    """Return TF-IDF of words and letters with a logistic regression, a scikit-learn pipeline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    return make_pipeline(
        make_union(
            TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2)),
            TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 4)),
        ),
        LogisticRegression(C=10.0, max_iter=500),
    )


def _tfidf(material: Material) -> Outcomes:
    pipeline = words()
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
