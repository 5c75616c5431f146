"""The place of a cross-fit: one number of updates and one stand of the dial for all folds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from outcomes import classified, generated

from fewtune.plan.plan import Plan
from fewtune.records import Example
from fewtune.select import places
from fewtune.select.budget import Rise
from fewtune.select.material import Material
from fewtune.select.partitions import Fold
from fewtune.select.watched import Watched, general, learnt, rows_of, unknown


def material(headline, rows):
    """Material of so many known rows, none of which belong together."""
    heard = []
    made = Material(
        plan=Plan(model="none"),
        task=SimpleNamespace(
            headline=headline, name="generation" if headline == "loss_per_byte" else "text"
        ),
        data=None,
        train=[SimpleNamespace(example=Example("", "", f"made:{i}")) for i in range(rows)],
        validation=(),
        test=(),
        places=(),
        journal=SimpleNamespace(write=lambda kind, *a, **values: heard.append((kind, a, values))),
        folder=None,
        accelerator=SimpleNamespace(num_processes=1),
    )
    made.heard = heard
    return made


def told(headline, losses):
    """Outcomes of rows of class 0 that are right where the loss is 0; else of texts of 10 bytes."""
    if headline == "accuracy":
        return classified([0] * len(losses), [1 if loss else 0 for loss in losses])
    return generated([10 * loss for loss in losses], [10] * len(losses))


def watched(held, by_place, headline="accuracy", passages=None):
    """A fold of rows with their losses at each place, and general losses there."""
    found = Watched(Fold(tuple(held), (), ()))
    for place, losses in by_place.items():
        found.unknown[place] = told(headline, losses)
        found.learnt[place] = told(headline, [loss / 2 for loss in losses])
        asked = None if passages is None else np.asarray(passages[place], dtype=float)
        found.general[place] = asked
    return found


def test_the_place_is_the_best_of_all_folds_together():
    """Update 4 is best for the first fold, 2 for the second; together 2 has three right of four."""
    first = watched([0, 1], {(0, 1.0): [1, 1], (2, 1.0): [0, 1], (4, 1.0): [0, 0]})
    second = watched([2, 3], {(0, 1.0): [1, 1], (2, 1.0): [0, 0], (4, 1.0): [1, 1]})
    made = material("accuracy", 4)
    place = places.best_place(made, [[first, second]])
    assert place == (2, 1.0)
    curve = places.course(made, [[first, second]], place)
    assert [(e.update, e.headline, e.best) for e in curve] == [
        (0, 0.0, False), (2, 0.75, True), (4, 0.5, False),
    ]  # fmt: skip


def test_a_fold_that_ended_early_counts_with_its_end_and_every_blend_begins_at_the_start():
    early = watched([0], {(0, 1.0): [0], (2, 1.0): [1], (2, 0.5): [0]})
    assert early.reached((4, 0.5)) == (2, 0.5)
    assert early.reached((0, 0.5)) == early.reached((1, 0.5)) == (0, 1.0)


BASE = np.array([10.0, 10.0])


def budgeted(monkeypatch, losses, rises):
    """Choose among places of two folds of one row each, whose rise on general text is given."""

    class General:
        def __init__(self, *_):
            pass

        def rise(self, found):
            value = float(found.sum() / BASE.sum() - 1)
            return Rise(value, value > 0.05, 0.0)

    monkeypatch.setattr(places, "General", General)
    by_place = {place: [loss] for place, loss in losses.items()}
    # The folds cost as much more and less than is given: their mean is what counts.
    apart = {place: 0.0 if place == (0, 1.0) else 0.03 for place in rises}
    passages = [
        {place: BASE * (1 + rises[place] + sign * apart[place]) for place in rises}
        for sign in (1, -1)
    ]
    rounds = [
        [
            watched([row], by_place, "loss_per_byte", passages[row])
            for row in (0, 1)
        ]
    ]  # fmt: skip
    made = material("loss_per_byte", 2)
    return made, rounds, places.best_place(made, rounds)


LOSSES = {(0, 1.0): 2.0, (2, 0.5): 1.03, (2, 1.0): 1.1, (4, 0.5): 1.2, (4, 1.0): 1.0}


@pytest.mark.parametrize(
    ("changes", "rises", "expected"),
    [
        # Update 4 is best and breaks the budget; half of the dial at 2 keeps it for 3% of the loss.
        ({}, (0.0, 0.04, 0.06, 0.045, 0.09), (2, 0.5)),
        # It costs more than a twentieth of the target: the best stays, and the verdict tells.
        ({(2, 0.5): 1.06}, (0.0, 0.04, 0.06, 0.045, 0.09), (4, 1.0)),
        # None keeps it: of those within one percent the one that costs least.
        ({(2, 0.5): 1.009}, (0.0, 0.06, 0.07, 0.08, 0.09), (2, 0.5)),
        # All keep it: the best.
        ({}, (0.0, 0.01, 0.02, 0.03, 0.04), (4, 1.0)),
    ],
)
def test_the_place_keeps_the_budget_of_all_folds_together(monkeypatch, changes, rises, expected):
    rises = dict(zip(LOSSES, rises, strict=True))
    made, rounds, place = budgeted(monkeypatch, LOSSES | changes, rises)
    assert place == expected
    dialled = places.stands(made, rounds, place[0])
    assert [(one.alpha, round(one.rise.value, 3)) for one in dialled] == [
        (alpha, rises[place[0], alpha]) for alpha in (0.5, 1.0)
    ]
    course = places.course(made, rounds, place)
    places.tell_places(made, "full", place, course, dialled)
    curve = {v["alpha"]: v for kind, _, v in made.heard if kind == "dial"}
    assert {a: v["value"] for a, v in curve.items()} == pytest.approx(
        {a: (LOSSES | changes)[place[0], a] for a in (0.5, 1.0)}
    )
    assert [a for a, v in curve.items() if v["chosen"]] == [place[1]]
    assert curve[0.5]["beyond"] == (rises[place[0], 0.5] > 0.05)
    assert [a[1] for kind, a, _ in made.heard if kind == "crossfit"] == [0, 2, 4]


def test_seen_and_unseen_rows_are_read_at_one_place():
    """The first fold ended at update 2; what it had learnt by then is what counts at 4."""
    first = watched([0], {(0, 1.0): [9], (2, 0.5): [3], (2, 1.0): [4]}, "loss_per_byte")
    second = watched([1], {(0, 1.0): [9], (4, 0.5): [5], (4, 1.0): [6]}, "loss_per_byte")
    made, rounds = material("loss_per_byte", 2), [[first, second]]
    assert unknown(made, rounds, (4, 0.5)).losses.tolist() == [30, 50]
    assert learnt(rounds, (4, 0.5)).losses.tolist() == [15, 25]
    assert learnt(rounds, (4, 1.0)).losses.tolist() == [20, 30]


def test_a_row_that_judges_twice_has_one_group_and_makes_nothing_surer():
    """Two partitions of three rows: other folds, the same rows in one order."""
    first = [watched([0, 2], {(0, 1.0): [1.0, 3.0]}, "loss_per_byte"),
             watched([1], {(0, 1.0): [2.0]}, "loss_per_byte")]  # fmt: skip
    second = [watched([1, 2], {(0, 1.0): [2.2, 3.2]}, "loss_per_byte"),
              watched([0], {(0, 1.0): [1.2]}, "loss_per_byte")]  # fmt: skip
    made = material("loss_per_byte", 3)
    found = unknown(made, [first, second], (0, 1.0))
    assert found.losses.tolist() == [10, 20, 30, 12, 22, 32]
    assert found.groups.tolist() == [0, 1, 2, 0, 1, 2]
    assert rows_of([first, second]) == [0, 1, 2]
    assert learnt([first, second], (0, 1.0)).losses.tolist() == [5, 15, 10, 11, 16, 6]
    assert general([first, second], (0, 1.0)) is None
    once = places.course(made, [first], (0, 1.0))[0]
    again = places.course(made, [first, first], (0, 1.0))[0]
    assert again.loss == pytest.approx(once.loss) == 2.0
    assert again.error == pytest.approx(once.error)
    score = places.stands(made, [first, second], 0)[0].score
    assert (score.value, score.n) == (pytest.approx(2.1), 3)
