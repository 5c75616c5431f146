"""A logistic regression on frozen states, its settings chosen out of fold.

The names of the classes can join the training rows: one more row a class, free, and true. On
Banking77 with 8 rows a class that is worth half a point (benchmarks/LOG.md); names that mean
nothing are found out by the folds and left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_FOR_CHOICE", "Fitted", "States", "fit", "refit", "without_names"]

STRENGTHS = (3.0, 10.0, 30.0, 100.0)
"""Inverse regularisation strengths tried, for unit-length states."""

NAME_WEIGHTS = (0.0, 1.0)
"""Weights tried for the names of the classes as training rows."""

MOST_FOR_CHOICE = 2000
"""Rows above which fewer folds choose the settings; more do not change them and cost minutes."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class States:
    """Frozen states of rows and what is to be learnt from them.

    Attributes
    ----------
    rows
        Of shape (rows, width).
    truth
        Class number of each row.
    weights
        Weight of each row.
    classes
        Number of classes; a class without rows keeps a bias that it never wins with.
    names
        States of the classes' names, of shape (classes, width); ``None`` where they have none.
    """

    rows: NDArray[np.float32]
    truth: NDArray[np.int64]
    weights: Floats
    classes: int
    names: NDArray[np.float32] | None = None

    def joined(self, other: States) -> States:
        """Return these rows and another's."""
        return replace(
            self,
            rows=np.concatenate([self.rows, other.rows]),
            truth=np.concatenate([self.truth, other.truth]),
            weights=np.concatenate([self.weights, other.weights]),
        )

    def take(self, at: NDArray[np.int64]) -> States:
        """Return the states of some rows only."""
        return replace(self, rows=self.rows[at], truth=self.truth[at], weights=self.weights[at])


@dataclass(frozen=True)
class Fitted:
    """A fitted head.

    Attributes
    ----------
    weight, bias
        Of shape (classes, width) and (classes,).
    strength, name_weight
        Inverse regularisation strength and weight of the classes' names that were chosen.
    out_of_fold
        Class probabilities of the rows from folds that did not hold them, NaN where none did.
    tried
        (strength, name weight, log loss, accuracy), both out of fold, of everything tried.
    """

    weight: Floats
    bias: Floats
    strength: float
    name_weight: float
    out_of_fold: Floats
    tried: tuple[tuple[float, float, float, float], ...]

    def probabilities(self, states: NDArray[np.float32]) -> Floats:
        """Return class probabilities of frozen states, of shape (rows, classes)."""
        return _shares(states, self.weight, self.bias)

    def tempered(self, temperature: float) -> Fitted:
        """Return the head with its logits divided by a temperature; answers stay, sureness not."""
        return replace(self, weight=self.weight / temperature, bias=self.bias / temperature)


def fit(
    states: States, folds: Sequence[Sequence[int]], judges: Sequence[bool] | None = None
) -> Fitted:
    """Return a head fitted on frozen states.

    Parameters
    ----------
    states
        What to fit.
    folds
        Disjoint parts of the rows. The settings with the best accuracy out of fold win, and of
        equals those with the lower loss. Without two folds that leave every class in the rest,
        the middle strength is taken, and no names.
    judges
        Whether each row may judge, where not all do: a variation leaves with its row and says
        nothing of its own.
    """
    truth = states.truth
    usable = [f for f in folds if len(f) and set(truth) == set(np.delete(truth, list(f)))]
    tried = []
    best = (-1.0, 0.0)
    chosen, kept = (10.0, 0.0), np.full((len(truth), states.classes), np.nan)
    for strength in STRENGTHS if len(usable) > 1 else ():
        for name_weight in NAME_WEIGHTS if states.names is not None else (0.0,):
            shares = _out_of_fold(states, usable, strength, name_weight)
            if judges is not None:
                shares[~np.asarray(judges, dtype=bool)] = np.nan
            seen = ~np.isnan(shares[:, 0])
            accuracy = float((shares[seen].argmax(axis=1) == truth[seen]).mean())
            right = np.maximum(shares[seen, truth[seen]], 1e-12)
            loss = float(-np.log(right).mean())
            tried.append((strength, name_weight, loss, accuracy))
            if (accuracy, -loss) > best:
                best, chosen, kept = (accuracy, -loss), (strength, name_weight), shares
    weight, bias = _solve(states, *chosen)
    return Fitted(weight, bias, *chosen, kept, tuple(tried))


def refit(states: States, like: Fitted) -> Fitted:
    """Return a head on other rows with the settings that were chosen before."""
    weight, bias = _solve(states, like.strength, like.name_weight)
    return replace(like, weight=weight, bias=bias)


def without_names(states: States, like: Fitted) -> Fitted:
    """Return a head with the best of the settings that were tried without the classes' names."""
    tried = [one for one in like.tried if not one[1]]
    best = max(tried, key=lambda one: (one[3], -one[2]), default=(like.strength, 0.0, 0.0, 0.0))
    return refit(states, replace(like, strength=best[0], name_weight=0.0))


def _out_of_fold(
    states: States, folds: Sequence[Sequence[int]], strength: float, name_weight: float
) -> Floats:
    shares = np.full((len(states.truth), states.classes), np.nan)
    for fold in folds:
        held = np.asarray(fold, dtype=np.int64)
        rest = np.setdiff1d(np.arange(len(states.truth)), held)
        shares[held] = _shares(states.rows[held], *_solve(states.take(rest), strength, name_weight))
    return shares


def _shares(rows: NDArray[np.float32], weight: Floats, bias: Floats) -> Floats:
    logits = rows @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    raised: Floats = np.exp(logits)
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


@lru_cache
def _threads() -> Any:
    """Return the thread pools of the libraries; looking for them takes as long as a small head."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _solve(states: States, strength: float, name_weight: float) -> tuple[Floats, Floats]:
    from sklearn.linear_model import LogisticRegression

    rows, truth, weights = states.rows, states.truth, states.weights
    if name_weight and states.names is not None:
        rows = np.concatenate([rows, states.names])
        truth = np.concatenate([truth, np.arange(states.classes)])
        weights = np.concatenate([weights, np.full(states.classes, name_weight)])
    weight = np.zeros((states.classes, rows.shape[1]))
    bias = np.full(states.classes, -1e4)
    present = np.unique(truth)
    if len(present) == 1:
        # Where a part of the rows is left with one class, that one is all there is to answer.
        bias[present] = 0.0
        return weight, bias
    solver = LogisticRegression(C=strength, max_iter=2000)
    # The products are small: on several threads they mostly wait for each other.
    with _threads().limit(limits=1), warnings.catch_warnings():
        # One row or two of many classes are what few-shot data are, and no regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        solver.fit(rows, truth, sample_weight=weights)
    if len(solver.classes_) == 2:
        # sklearn keeps one row for two classes; halves of it give the same probabilities.
        weight[solver.classes_] = np.concatenate([-solver.coef_, solver.coef_]) / 2
        bias[solver.classes_] = np.concatenate([-solver.intercept_, solver.intercept_]) / 2
    else:
        weight[solver.classes_] = solver.coef_
        bias[solver.classes_] = solver.intercept_
    return weight, bias
