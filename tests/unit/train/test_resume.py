"""A checkpoint belongs to one training: another of the same name does not go on from it."""

from __future__ import annotations

import pytest
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.train.loop import train

POINTS = [(1, 0, 1), (0, 1, 0), (1, 1, 1), (-1, 1, 0), (2, 1, 1), (-2, 0, 0)]


def steps(folder, points, **settings):
    """Return the updates that a training took, with the weights that it came to."""
    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows(*points), folder, **{"checkpoint_seconds": 0, **settings}
    )
    seen = []
    run.journal.listeners.append(
        lambda event: seen.append(event.update) if event.kind == "step" else None
    )
    train(run)
    return seen, run.best["w"].tolist()


@pytest.mark.parametrize(
    "other",
    [
        {"points": [*POINTS[:4], (3, 1, 1), (-3, 0, 0)]},
        {"learning_rate": 0.5},
        {"seed": 1},
    ],
)
def test_another_training_of_the_same_name_begins_anew(tmp_path, other):
    steps(tmp_path / "one", POINTS)
    settings = {"points": POINTS, **other}
    seen, weights = steps(tmp_path / "one", **settings)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert (seen, weights) == steps(tmp_path / "alone", **settings)


def test_the_same_training_goes_on_where_it_was(tmp_path):
    _, weights = steps(tmp_path, POINTS)
    assert steps(tmp_path, POINTS) == ([], weights)
