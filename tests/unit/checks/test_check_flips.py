"""The mixture that says how many labels are wrong, on predictors whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fewtune.checks import _neighbours
from fewtune.checks._flips import estimate
from fewtune.checks._neighbours import neighbour_votes
from fewtune.checks._predictors import blend
from fewtune.checks.label_errors import SURE, suspects


def world(rows, classes, hard, flipped, seed=0):
    """Return probabilities that are right about the true labels, given labels, and who is wrong.

    ``hard`` is how much the classes overlap: 0.3 for about 95% accuracy, 1 for about 75%.
    """
    draw = np.random.default_rng(seed)
    centre = draw.integers(0, classes, rows)
    logits = draw.normal(0, 1, (rows, classes))
    logits[np.arange(rows), centre] += 3 / hard
    truth = np.exp(logits)
    truth /= truth.sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) > draw.random((rows, 1))).argmax(axis=1)
    wrong = draw.random(rows) < flipped
    labels[wrong] = (labels[wrong] + draw.integers(1, classes, wrong.sum())) % classes
    return truth, labels, wrong


@pytest.mark.parametrize("classes", [2, 5, 30])
@pytest.mark.parametrize("hard", [0.4, 0.8])
def test_a_tenth_of_wrong_labels_is_found_out(classes, hard):
    probabilities, given, wrong = world(4_000, classes, hard, 0.1)
    flips = estimate(probabilities, given)
    assert 0.06 <= flips.share <= flips.likeliest <= 0.15
    named = suspects(flips)
    assert len(named) > (3 if classes > 2 and hard == 0.8 else 50)
    assert wrong[named].mean() > SURE - 0.05
    assert abs(flips.wrong[named].mean() - wrong[named].mean()) < 0.12


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("hard", [0.4, 0.8, 1.2])
def test_a_hard_set_without_wrong_labels_has_hardly_any_named(classes, hard):
    probabilities, given, _ = world(4_000, classes, hard, 0.0)
    flips = estimate(probabilities, given)
    assert flips.share <= 0.005
    assert len(suspects(flips)) <= 4


@pytest.mark.parametrize("major", [0.5, 0.9])
def test_who_guesses_names_nobody(major):
    draw = np.random.default_rng(0)
    given = (draw.random(2_000) > major).astype(int)
    high = np.clip(major + draw.normal(0, 0.1, 2_000), 0.05, 0.95)
    flips = estimate(np.stack([high, 1 - high], axis=1), given)
    assert not flips.known.any()
    assert not len(suspects(flips))


def test_few_rows_prove_few_wrong_labels():
    small = estimate(*world(80, 2, 0.6, 0.1)[:2])
    large = estimate(*world(8_000, 2, 0.6, 0.1)[:2])
    assert small.share < small.likeliest or small.likeliest == 0
    assert large.likeliest - large.share <= 0.02


def test_the_nearest_are_those_of_a_plain_search_and_never_the_row_itself():
    draw = np.random.default_rng(3)
    vectors = draw.random((40, 7)) * (draw.random((40, 7)) < 0.5) + 0.01
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    for form in (csr_matrix(unit.astype(np.float32)), unit.astype(np.float32)):
        index, likeness = _neighbours._nearest(form, np.arange(40), 5)
        np.testing.assert_allclose(likeness, -np.sort(-cosines, axis=1)[:, :5], atol=1e-5)
        assert not np.any(index == np.arange(40)[:, None])


def test_votes_by_hand():
    # Four copies of one text, labelled 0 0 0 1: the odd one has three votes against it, each other
    # row two for and one against; a text alike to nothing has the frequencies alone.
    vectors = np.array([[1.0, 0, 0]] * 4 + [[0, 1.0, 0]] * 4 + [[0, 0, 1.0]])
    given = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0])
    votes = neighbour_votes(vectors, given, 2)
    assert votes[3, 0] > 0.7 > 0.5 < votes[0, 0] < votes[3, 0]
    np.testing.assert_allclose(votes[8], [4 / 9, 5 / 9], atol=1e-6)
    np.testing.assert_allclose(votes.sum(axis=1), 1, atol=1e-6)


def test_past_its_work_it_compares_with_rows_drawn_and_still_knows(monkeypatch):
    draw = np.random.default_rng(0)
    given = np.arange(3_000) % 3
    words = draw.integers(0, 40, (3_000, 6)) + 40 * given[:, None]
    vectors = csr_matrix(
        (np.ones(18_000), (np.repeat(np.arange(3_000), 6), words.ravel())), shape=(3_000, 120)
    )
    monkeypatch.setattr(_neighbours, "WORK", 300)
    compared = _neighbours._compared(_neighbours._unit(vectors), 3_000, 0)
    assert 1_000 <= len(compared) < 1_500
    votes = neighbour_votes(vectors, given, 3)
    assert np.mean(votes.argmax(axis=1) == given) > 0.95


def test_a_blend_is_no_worse_than_either():
    draw = np.random.default_rng(0)
    given = np.arange(600) % 3
    one, other = draw.dirichlet(np.ones(3), 600), draw.dirichlet(np.ones(3), 600)
    one[np.arange(300), given[:300]] += 2
    other[np.arange(300, 600), given[300:]] += 2
    one, other = (p / p.sum(axis=1, keepdims=True) for p in (one, other))

    def likely(p):
        return np.log(p[np.arange(600), given]).mean()

    assert likely(blend([one, other], given)) > max(likely(one), likely(other))
