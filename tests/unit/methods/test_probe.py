"""The solver-fitted head against scikit-learn, and the choice of its settings out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewtune.methods.probe import NAME_WEIGHTS, STRENGTHS, States, fit, refit, without_names

WIDTH = 6


def states_of(classes, each, noise=0.6, seed=0, names=False, weights=None):
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(classes, WIDTH))
    truth = np.repeat(np.arange(classes), each)
    rows = centres[truth] + noise * draw.normal(size=(len(truth), WIDTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return States(
        rows.astype(np.float32),
        truth.astype(np.int64),
        np.ones(len(truth)) if weights is None else weights,
        classes,
        centres.astype(np.float32) if names else None,
    )


def thirds(count):
    return [tuple(range(part, count, 3)) for part in range(3)]


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_scikit_learns(classes):
    count = 12 * classes
    weights = np.random.default_rng(1).integers(1, 4, size=count).astype(float)
    made = states_of(classes, 12, weights=weights)
    fitted = fit(made, thirds(count))
    reference = LogisticRegression(C=fitted.strength, max_iter=2000)
    reference.fit(made.rows, made.truth, sample_weight=weights)
    assert fitted.probabilities(made.rows) == pytest.approx(
        reference.predict_proba(made.rows), abs=1e-5
    )


def test_the_settings_are_the_best_out_of_fold():
    """Recomputed: accuracy first, then the lower loss; no row is judged by a head that saw it."""
    made, folds = states_of(3, 15, noise=1.2, names=True), thirds(45)
    fitted = fit(made, folds)
    figures = {}
    for strength in STRENGTHS:
        for weight in NAME_WEIGHTS:
            shares = np.zeros((45, 3))
            for fold in folds:
                rest = np.setdiff1d(np.arange(45), fold)
                rows, truth = made.rows[rest], made.truth[rest]
                weights = np.ones(len(rest))
                if weight:
                    rows = np.concatenate([rows, made.names])
                    truth = np.concatenate([truth, np.arange(3)])
                    weights = np.concatenate([weights, np.full(3, weight)])
                model = LogisticRegression(C=strength, max_iter=2000)
                model.fit(rows, truth, sample_weight=weights)
                shares[list(fold)] = model.predict_proba(made.rows[list(fold)])
            loss = -np.log(shares[np.arange(45), made.truth]).mean()
            accuracy = (shares.argmax(axis=1) == made.truth).mean()
            figures[strength, weight] = (float(accuracy), -float(loss), shares)
    best = max(figures, key=lambda key: figures[key][:2])
    assert (fitted.strength, fitted.name_weight) == best
    assert fitted.out_of_fold == pytest.approx(figures[best][2], abs=1e-5)
    assert len(fitted.tried) == len(figures)
    for strength, weight, loss, accuracy in fitted.tried:
        assert (accuracy, -loss) == pytest.approx(figures[strength, weight][:2], abs=1e-5)


def test_names_that_mean_nothing_are_left_out():
    """Names that stand where another class does mislead; names at their class help."""
    good = states_of(4, 4, noise=0.9, seed=3, names=True)
    folds = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    bad = States(good.rows, good.truth, good.weights, 4, np.roll(good.names, 1, axis=0))
    assert fit(good, folds).name_weight == 1.0
    assert fit(bad, folds).name_weight == 0.0


def test_a_class_without_rows_never_wins():
    made = states_of(2, 10)
    lone = States(made.rows, made.truth * 2, made.weights, classes=4)
    unseen = np.random.default_rng(5).normal(size=(50, WIDTH)).astype(np.float32)
    shares = fit(lone, thirds(20)).probabilities(unseen)
    assert shares[:, [1, 3]].max() < 1e-6
    assert shares.sum(axis=1) == pytest.approx(np.ones(50))


def test_where_one_class_is_left_it_is_all_that_is_answered():
    made = states_of(2, 10)
    settings = fit(made, thirds(20))
    rest = refit(made.take(np.flatnonzero(made.truth == 1)), settings)
    assert rest.probabilities(made.rows) == pytest.approx(np.tile([0.0, 1.0], (20, 1)))


def test_folds_that_would_lose_a_class_are_not_used():
    fitted = fit(states_of(2, 6), [tuple(range(6)), tuple(range(6, 12)), ()])
    assert fitted.tried == ()
    assert np.isnan(fitted.out_of_fold).all()
    assert fitted.strength in STRENGTHS


def test_weights_of_rows_count():
    made = states_of(2, 10, noise=1.5)
    heavy = States(made.rows, made.truth, np.where(made.truth == 0, 50.0, 1.0), 2)
    light = fit(made, []).probabilities(made.rows)
    assert fit(heavy, []).probabilities(made.rows)[:, 0].mean() > light[:, 0].mean()


def test_an_installed_head_gives_the_fitted_probabilities():
    import torch
    from torch import nn

    from fewtune.methods.head import install

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(WIDTH, 3)

    made = states_of(3, 10)
    fitted, model = fit(made, []), Model()
    install(model, fitted)
    shares = model.head(torch.from_numpy(made.rows)).softmax(dim=1).detach().numpy()
    assert shares == pytest.approx(fitted.probabilities(made.rows), abs=1e-5)


def test_without_names_is_what_a_choice_without_them_comes_to():
    """The frozen control is read off what was tried, not fitted anew."""
    named, folds = states_of(3, 15, noise=1.2, names=True), thirds(45)
    bare = states_of(3, 15, noise=1.2)
    found, apart = without_names(bare, fit(named, folds)), fit(bare, folds)
    assert (found.strength, found.name_weight) == (apart.strength, 0.0)
    assert found.weight == pytest.approx(apart.weight, abs=1e-6)
