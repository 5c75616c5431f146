"""Label errors: the leave-one-out formulas against refitting, what is found, when it abstains."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from check_data import WordModel, found, labelled, lines
from scipy.sparse import csr_matrix
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import MultinomialNB

from fewtune.checks import _predictors
from fewtune.checks._flips import estimate
from fewtune.checks.base import Context
from fewtune.checks.label_errors import _untold, suspects

TOPICS = {
    "garden": "rose tulip spade soil water weed seed bloom lawn hedge".split(),
    "kitchen": "knife stove pan bake flour oven spice boil plate spoon".split(),
    "office": "desk printer chair stapler folder meeting email pen paper lamp".split(),
}


def rows(per_class, seed=0):
    draw = random.Random(seed)
    return [
        (" ".join(draw.sample(words, 5)), topic)
        for topic, words in TOPICS.items()
        for _ in range(per_class)
    ]


def test_left_out_naive_bayes_scores_equal_a_refit_without_the_row():
    draw = np.random.default_rng(0)
    vectors = draw.integers(0, 3, (12, 6)).astype(float)
    given = np.array([0, 1, 2] * 4)
    mass = np.array([vectors[given == c].sum(axis=0) for c in range(3)])
    scores = _predictors._left_out_scores(csr_matrix(vectors), given, mass, 0.1)
    for row in range(12):
        rest = np.arange(12) != row
        refit = MultinomialNB(alpha=0.1, fit_prior=False).fit(vectors[rest], given[rest])
        expected = vectors[row] @ refit.feature_log_prob_.T
        np.testing.assert_allclose(scores[row], expected)


def test_left_out_ridge_equals_a_refit_without_the_row():
    draw = np.random.default_rng(1)
    vectors, given = draw.normal(size=(15, 4)), np.arange(15) % 3
    wanted = np.eye(3)[given]
    probabilities = _predictors.ridge(vectors, given, 3, strength=1.0)
    for row in range(15):
        rest = np.arange(15) != row
        refit = Ridge(alpha=1.0, fit_intercept=False).fit(vectors[rest], wanted[rest])
        scores = refit.predict(vectors[row : row + 1])[0]
        # A softmax keeps differences up to its sharpness: compare their ratio.
        logs = np.log(probabilities[row])
        ratio = (scores[0] - scores[1]) / (scores[1] - scores[2])
        np.testing.assert_allclose((logs[0] - logs[1]) / (logs[1] - logs[2]), ratio, rtol=1e-6)


def test_left_out_kernel_ridge_equals_a_refit_without_the_row():
    # With as many landmarks as rows, Nyström's features give the kernel itself.
    draw = np.random.default_rng(2)
    vectors = draw.normal(size=(12, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = np.arange(12) % 3
    probabilities = _predictors.kernel_ridge(vectors, given, 3)
    apart = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    gamma = 3.0 / apart.mean()
    for row in range(12):
        rest = np.arange(12) != row
        refit = KernelRidge(alpha=0.3, kernel="rbf", gamma=gamma)
        refit.fit(vectors[rest], np.eye(3)[given[rest]])
        scores = refit.predict(vectors[row : row + 1])[0]
        logs = np.log(probabilities[row])
        ratio = (scores[0] - scores[1]) / (scores[1] - scores[2])
        np.testing.assert_allclose((logs[0] - logs[1]) / (logs[1] - logs[2]), ratio, rtol=1e-4)


def test_planted_wrong_labels_are_found_and_a_clean_set_is_silent():
    data = rows(40)
    assert not found("label_errors", labelled(*data))
    planted = [3, 50, 90]
    for row in planted:
        text, label = data[row]
        data[row] = (text, "office" if label != "office" else "garden")
    (finding,) = found("label_errors", labelled(*data))
    assert finding.severity == "warning"
    assert sorted(lines(finding)) == [row + 2 for row in planted]
    assert "3 labels are contradicted" in finding.evidence


def test_a_tenth_of_wrong_labels_is_named():
    data = rows(100)
    planted = random.Random(1).sample(range(300), 30)
    others = list(TOPICS)
    for row in planted:
        text, label = data[row]
        data[row] = (text, others[others.index(label) - 1])
    (finding,) = found("label_errors", labelled(*data))
    assert finding.severity == "warning"
    named = {line - 2 for line in lines(finding)}
    assert len(named & set(planted)) >= 15
    assert len(named - set(planted)) <= 2


def test_it_abstains_where_labels_are_noise():
    draw = random.Random(0)
    noise = [(text, draw.choice("ab")) for text, _ in rows(40)]
    (finding,) = found("label_errors", labelled(*noise))
    assert (finding.severity, finding.rows) == ("note", ())
    assert "Abstains" in finding.evidence and "hardly more than a guess" in finding.evidence


def test_it_says_so_where_labels_are_wrong_and_none_stands_out():
    # Two in ten labels of a predictable set are wrong, but no word is surer than another.
    draw = random.Random(3)
    given = np.array([draw.randrange(2) for _ in range(400)])
    right = np.array([g if draw.random() < 0.8 else 1 - g for g in given])
    shares = np.where(np.eye(2)[right] > 0, 0.8, 0.2)
    flips = estimate(shares, given)
    assert not len(suspects(flips))
    context = Context(labelled(*rows(20)))
    told = list(_untold(replace(flips, likeliest=0.2), context))
    assert [f.severity for f in told] == ["note"] and not told[0].rows
    assert "Abstains" in told[0].evidence and "about 80 labels of 400" in told[0].evidence
    assert not list(_untold(replace(flips, likeliest=0.01), context))


def test_it_abstains_on_few_rows_and_copies_do_not_count():
    few = rows(9)
    for data in (few, few * 4):
        (finding,) = found("label_errors", labelled(*data))
        assert "27 distinct rows, fewer than 30" in finding.evidence


def test_copies_do_not_teach_noise_to_look_known():
    draw = random.Random(0)
    noise = [(text, draw.choice("ab")) for text, _ in rows(40)]
    (finding,) = found("label_errors", labelled(*noise * 3))
    assert "Abstains" in finding.evidence


def test_a_model_that_embeds_is_asked_instead():
    # Texts say nothing; the embedding knows the class by the last word.
    data = [(f"utterance {i} {'xy'[i % 2]}", "ab"[i % 2]) for i in range(40)]
    data[5] = (data[5][0], "a")
    model = WordModel(vectors=lambda text: [1.0, 0.0] if text.endswith("x") else [0.0, 1.0])
    (finding,) = found("label_errors", labelled(*data), model=model)
    assert lines(finding) == [7] and "kernel ridge regression and" in finding.evidence
    assert "by words's embeddings" in finding.evidence
