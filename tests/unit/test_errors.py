"""Every error says what was expected, what came, where, and what to do."""

from __future__ import annotations

import inspect
import pickle

import pytest

from fewtune import errors

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.FewtuneError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_sentence_and_its_parts(kind):
    error = kind("2 classes", "1 class", "calls.csv:3", "Add another class")
    assert str(error) == "Expected 2 classes. Got 1 class (calls.csv:3). Add another class."
    assert (error.expected, error.got) == ("2 classes", "1 class")
    assert (error.where, error.cure) == ("calls.csv:3", "Add another class")
    assert str(kind("a", "b")) == "Expected a. Got b."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_exit_codes():
    stopped = [kind for kind in KINDS if kind.exit_code != 2]
    assert stopped == [errors.TrainingStopped]
    assert errors.TrainingStopped.exit_code == 1
    assert set(errors.__all__) == {kind.__name__ for kind in KINDS}


def test_a_missing_package_says_how_to_get_it():
    error = errors.MissingExtra.named("pyarrow", "hub", "parquet")
    assert "pip install 'fewtune[hub]'" in str(error)
