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


def test_what_says_that_memory_ran_out_is_known_and_nothing_else():
    """By what torch, numpy and Python really raise, and a GPU's own words."""
    import numpy as np
    import torch

    def caught(action):
        try:
            action()
        except Exception as error:
            return error

    real = [
        caught(lambda: torch.empty(1 << 50)),
        caught(lambda: np.empty(1 << 50)),
        caught(lambda: bytearray(1 << 50)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ]
    told = [str(errors.OutOfMemory.of(error, "Free some")) for error in real]
    asked = (1 << 50) * 4
    assert told[0].startswith(f"Expected enough memory. Got no more of it, for another {asked} b")
    assert "8.00 PiB" in told[1]
    assert told[2] == told[4] == "Expected enough memory. Got no more of it. Free some."
    assert "2.50 GiB" in told[3]
    for other in (RuntimeError("shape mismatch"), ValueError("allocate"), KeyError("x")):
        assert errors.OutOfMemory.of(other, "Free some") is None
