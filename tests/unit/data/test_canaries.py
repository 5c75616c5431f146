"""Canaries: one copy each, another secret each, the same again from the same seed."""

from __future__ import annotations

import re

import pytest

from fewtune.data.canaries import MOST, canaries, plant
from fewtune.errors import DataError
from fewtune.records import Dataset, Example

ROWS = tuple(Example(f"q{i}", f"a{i}", f"m:{i}") for i in range(20))


def test_planted_among_the_rows_in_their_order():
    data, made = plant(Dataset(ROWS, "prompt", "made"), 5, seed=3)
    assert len(data) == 25
    assert [e for e in data if not e.source.startswith("canary")] == list(ROWS)
    assert {e.source for e in data} - {e.source for e in ROWS} == {c.example.source for c in made}
    assert data.examples[-5:] != tuple(c.example for c in made), "not all at the end"
    assert "5 made-up secrets" in data.notes[-1]
    assert plant(Dataset(ROWS, "prompt", "made"), 5, seed=3) == (data, made)
    assert plant(Dataset(ROWS, "prompt", "made"), 5, seed=4)[1] != made


@pytest.mark.parametrize("shape", ["prompt", "chat", "text"])
def test_each_has_a_secret_at_the_end_of_its_target(shape):
    made = canaries(shape, MOST)
    assert len({c.secret for c in made}) > MOST - 3
    assert len({c.example.group for c in made}) == MOST
    for canary in made[:9]:
        assert re.fullmatch(r"\d{6}", canary.secret)
        assert canary.example.target.endswith(f"{canary.secret}.")
        assert canary.secret not in canary.example.input
        changed = canary.with_secret("123456")
        assert changed.target == canary.example.target.replace(canary.secret, "123456")
        if shape == "chat":
            assert changed.messages[-1].content == changed.target
            assert changed.messages[0] == canary.example.messages[0]


def test_others_are_of_the_same_form_and_never_the_planted_one():
    (canary,) = canaries("prompt", 1)
    others = canary.others(200)
    assert len(set(others)) == 200
    assert canary.secret not in others
    assert all(re.fullmatch(r"\d{6}", secret) for secret in others)
    assert others == canary.others(200)


def test_what_cannot_be_planted():
    with pytest.raises(DataError, match="free text"):
        canaries("labelled_text", 3)
    with pytest.raises(DataError, match=f"0 to {MOST}"):
        canaries("text", MOST + 1)
