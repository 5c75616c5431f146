"""What a cross-fit says of each row: memorized, suspected, hard."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from outcomes import classified, generated

from fewtune.records import Example
from fewtune.select.by_row import ByRow, by_row, records, strange
from fewtune.select.partitions import Fold
from fewtune.select.watched import Watched

PLACE = (4, 0.5)


def known(count):
    examples = [Example(f"text {i}", f"target {i}", f"made:{i}") for i in range(count)]
    return SimpleNamespace(known=[SimpleNamespace(example=example) for example in examples])


def fold(held, learnt, unknown, own):
    """A fold of texts of ten bytes, with its losses per byte at one place and others elsewhere."""
    found = Watched(Fold(tuple(held), (), tuple(learnt)))
    for place, factor in ((PLACE, 1.0), ((4, 1.0), 7.0), ((2, 0.5), 9.0)):
        found.unknown[place] = generated([10 * factor * x for x in unknown], [10] * len(held))
        found.learnt[place] = generated([10 * factor * x for x in own], [10] * len(learnt))
    return found


def test_losses_of_partitions_are_averaged_and_rows_that_none_knew_have_none():
    """Row 1 is asked of no model that knew it; row 0 of two, row 2 of one."""
    first = [fold([0, 2], [1], [1.0, 3.0], [0.5]), fold([1], [0], [2.0], [0.25])]
    second = [fold([1, 2], [0], [2.5, 3.5], [0.75]), fold([0], [2], [1.5], [1.0])]
    first[0].fold = replace(first[0].fold, learnt=())
    first[0].learnt = {place: generated([], []) for place in first[0].learnt}
    made = known(3)
    found = records(made, by_row(made, [first, second], PLACE))
    assert [r["source"] for r in found] == ["made:0", "made:1", "made:2"]
    assert [r["input"] for r in found] == ["text 0", "text 1", "text 2"]
    assert [r["out_of_fold"] for r in found] == [1.25, 2.25, 3.25]
    assert [r["in_fold"] for r in found] == [0.5, None, 1.0]
    assert [r["memorized"] for r in found] == [0.75, None, 2.25]
    assert "suspected_label" not in found[0]


def planted(rows, wrong, least, most):
    """Two classes; models say of row i, ever less surely, its class; ``wrong`` have the other."""
    truth = np.arange(rows) % 2
    given = np.where(np.arange(rows) < wrong, 1 - truth, truth)
    sure = np.linspace(most, least, rows)
    shares = np.empty((rows, 2))
    shares[np.arange(rows), truth], shares[np.arange(rows), 1 - truth] = sure, 1 - sure
    outcomes = replace(classified(given, truth, classes=2), probabilities=shares)
    found = ByRow(tuple(range(rows)), outcomes, np.full(rows, 0.1))
    return records(known(rows), found)


def test_labels_that_models_surely_contradict_are_suspected():
    found = planted(200, 6, 0.6, 0.999)
    assert [r["source"] for r in found if r["suspect"]] == [f"made:{i}" for i in range(6)]
    # Every second row is of class a by what the models say.
    assert [r["suspected_label"] for r in found[:2]] == ["a", "b"]
    assert all(0.5 < r["suspected_probability"] <= 1 for r in found[:6])
    assert {r["suspected_label"] for r in found[6:]} == {None}


@pytest.mark.parametrize(
    ("rows", "wrong", "least", "most"), [(29, 3, 0.6, 0.999), (200, 60, 0.7, 0.7), (200, 0, 0.6, 1)]
)
def test_nothing_is_suspected_of_few_rows_or_by_models_that_guess(rows, wrong, least, most):
    """Three in ten wrong at a sureness of seven in ten is what such models are worth."""
    assert not any(r["suspect"] for r in planted(rows, wrong, least, most))


def test_outliers_among_losses_by_hand():
    """Logs of the quartiles are 0 and log 2: from 2 · 2^1.5 = 5.66 on a loss stands apart."""
    losses = np.array([1.0] * 12 + [2.0] * 12)
    assert strange(losses) == set()
    assert strange(np.append(losses, 5.6)) == set()
    assert strange(np.append(losses, 5.7)) == {24}
    assert strange(np.array([1.0] * 18 + [50.0])) == set(), "too few to tell"
