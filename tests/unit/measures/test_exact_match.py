"""Exact match: whole answers that are right, against the base's on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from outcomes import generated
from scipy.stats import binomtest

from fewtune.measures.base import Evidence
from fewtune.measures.exact_match import ExactMatch
from fewtune.measures.observe.written import Written


def scores(targets, tuned, base, groups=None):
    rows = generated([1.0] * len(targets), [1] * len(targets))
    made = Written(np.arange(len(targets)) if groups is None else groups, targets, base, tuned)
    evidence = Evidence("generation", rows, written=made)
    measure = ExactMatch()
    return {"": measure.score(evidence), **measure.parts(evidence)}


def test_white_space_is_one_space_and_case_counts():
    """Right are the first three of eight answers; of the base's, the first."""
    targets = ("A 1", "B 2", "C\n3", "D", "E", "F", "G", "H")
    tuned = (" A  1 ", "B 2", "C 3", "d", "", "F.", "GG", "x")
    base = ("A 1", "", "", "", "", "", "", "")
    found = scores(targets, tuned, base)
    score = found[""]
    wilson = binomtest(3, 8).proportion_ci(method="wilson")
    assert (score.value, score.n) == (3 / 8, 8)
    assert (score.low, score.high) == pytest.approx((wilson.low, wilson.high))
    assert found["base"].value == 1 / 8
    assert found["gain"].value == pytest.approx(2 / 8)


def test_the_gain_is_paired_and_counts_groups():
    """Of thirty rows ten are won and none lost: surely more, but not as two groups."""
    targets, base = ("yes",) * 30, ("no",) * 30
    tuned = ("yes",) * 10 + ("no",) * 20
    assert scores(targets, tuned, base)["gain"].low > 0
    two = np.repeat([0, 1], [10, 20])
    assert not scores(targets, tuned, base, two)["gain"].low > 0


def test_nothing_is_said_where_nothing_was_written():
    evidence = Evidence("generation", generated([1.0], [1]))
    assert ExactMatch().score(evidence) is None
    assert ExactMatch().parts(evidence) == {}
