"""Head: the model stays frozen and only its last layer is fitted; cheapest and hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fewtune.methods.base import Method, load_head, own_head, save_head
from fewtune.models.blocks import hold_frozen
from fewtune.tasks.base import Row, Task, inference

__all__ = ["Fitted", "Head", "features", "fit", "install"]

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse regularisation strengths tried, for unit-length states."""

MOST_FOR_CHOICE = 2000
"""Rows on which the strength is chosen; more do not change the choice and cost minutes."""


@dataclass(frozen=True)
class Fitted:
    """A solver-fitted head.

    Attributes
    ----------
    weight, bias
        Of shape (classes, width) and (classes,).
    strength
        Inverse regularisation strength that was chosen.
    out_of_fold
        Class probabilities of the rows from folds that did not hold them, NaN where none did.
    tried
        (strength, log loss out of fold, accuracy out of fold) of every strength.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float
    out_of_fold: NDArray[np.float64]
    tried: tuple[tuple[float, float, float], ...]

    def probabilities(self, states: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return class probabilities of frozen states, of shape (rows, classes)."""
        return _shares(states, self.weight, self.bias)


class Head(Method):
    """Only the last layer is fitted: by a solver for classification, by the loop for generation.

    A frozen probe is a legitimate winner: it forgets nothing and takes seconds.
    """

    solves = frozenset({"text_classification", "image_classification"})
    rate_factor = 10.0

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with its head alone trainable."""
        model.requires_grad_(False)
        own_head(model).requires_grad_(True)
        hold_frozen(model)
        return model

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the head alone (classification) or the whole language model."""
        if hasattr(model, "head"):
            save_head(model, folder)
        else:
            model.save_pretrained(folder)  # type: ignore[operator]

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the base with the head of ``folder``."""
        from fewtune.methods.full import Full

        if task.name == "generation":
            return Full().restore(task, folder)
        model = task.load_model()
        load_head(model, folder)
        return model


def features(model: nn.Module, task: Task, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Return the frozen state of each row, of shape (rows, width), in the order of the rows."""
    from fewtune.data.batches import chunks

    device = next(model.parameters()).device
    found: list[Any] = [None] * len(rows)
    lengths = [row.length for row in rows]
    with inference(model):
        for places in chunks(range(len(rows)), lengths, task.budget(model)):
            batch = task.collate([rows[i] for i in places]).to(device)
            with task.autocast():
                states = task.hidden(model, batch)
            for place, state in zip(places, states.float().cpu().numpy(), strict=True):
                found[place] = state
    return np.stack(found)


def _solver(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=2000)


def fit(
    states: NDArray[np.float32],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: Sequence[Sequence[int]],
    classes: int,
) -> Fitted:
    """Return a head fitted on frozen states, its strength chosen out of fold.

    Parameters
    ----------
    states
        Of shape (rows, width).
    truth
        Class number of each row.
    weights
        Weight of each row.
    folds
        Disjoint parts of the rows; the strength with the best accuracy out of fold wins, and of
        equals the one with the lower loss.
    classes
        Number of classes; a class without rows keeps a bias that it never wins with.
    """
    tried = []
    best: tuple[float, float] | None = None
    chosen, kept = STRENGTHS[len(STRENGTHS) // 2], np.full((len(truth), classes), np.nan)
    usable = [f for f in folds if len(set(truth) - set(np.delete(truth, list(f)))) == 0]
    for strength in STRENGTHS if len(usable) > 1 else ():
        shares = _out_of_fold(states, truth, weights, usable, classes, strength)
        seen = ~np.isnan(shares[:, 0])
        right = shares[seen].argmax(axis=1) == truth[seen]
        loss = -np.log(np.maximum(shares[seen, truth[seen]], 1e-12)).mean()
        accuracy = float(right.mean())
        tried.append((strength, float(loss), accuracy))
        if best is None or (accuracy, -loss) > best:
            best, chosen, kept = (accuracy, -float(loss)), strength, shares
    weight, bias = _fitted(states, truth, weights, classes, chosen)
    return Fitted(weight, bias, chosen, kept, tuple(tried))


def _out_of_fold(
    states: NDArray[np.float32],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: Sequence[Sequence[int]],
    classes: int,
    strength: float,
) -> NDArray[np.float64]:
    shares = np.full((len(truth), classes), np.nan)
    for fold in folds:
        held = np.asarray(fold, dtype=np.int64)
        train = np.setdiff1d(np.arange(len(truth)), held)
        weight, bias = _fitted(states[train], truth[train], weights[train], classes, strength)
        shares[held] = _shares(states[held], weight, bias)
    return shares


def _shares(
    states: NDArray[np.float32], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.float64]:
    logits = states @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    raised: NDArray[np.float64] = np.exp(logits)
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _fitted(
    states: NDArray[np.float32],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: int,
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    solver = _solver(strength).fit(states, truth, sample_weight=weights)
    weight = np.zeros((classes, states.shape[1]))
    bias = np.full(classes, -1e4)
    if len(solver.classes_) == 2:
        # sklearn keeps one row for two classes; halves of it give the same probabilities.
        weight[solver.classes_] = np.concatenate([-solver.coef_, solver.coef_]) / 2
        bias[solver.classes_] = np.concatenate([-solver.intercept_, solver.intercept_]) / 2
    else:
        weight[solver.classes_] = solver.coef_
        bias[solver.classes_] = solver.intercept_
    return weight, bias


def install(model: Any, fitted: Fitted) -> None:
    """Copy a fitted head into a classifier."""
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(fitted.weight))
        model.head.bias.copy_(torch.from_numpy(fitted.bias))
