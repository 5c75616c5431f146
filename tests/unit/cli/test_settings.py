"""What ``--set key=value`` is read as."""

from __future__ import annotations

import pytest

from fewtune.cli.settings import parse_settings
from fewtune.errors import PlanError


def test_settings_are_read_as_yaml():
    pairs = ["training.learning_rate=1e-4", "a=true", "b=[1, 2]", "c=", "d=5", "e=west=east",
             "f=1.0", "g={name: sam}", "h=one", "i='3'"]  # fmt: skip
    assert parse_settings(pairs) == {
        "training.learning_rate": 1e-4, "a": True, "b": [1, 2], "c": None, "d": 5,
        "e": "west=east", "f": 1.0, "g": {"name": "sam"}, "h": "one", "i": "3",
    }  # fmt: skip
    for wrong in ("training", "=3", " =3"):
        with pytest.raises(PlanError, match="key=value"):
            parse_settings([wrong])
