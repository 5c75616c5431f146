"""Suggestions and options; what families keep is in contract/test_families."""

from __future__ import annotations

import pytest
from pydantic import Field

from fewtune.errors import PlanError
from fewtune.family import Configured, Options, suggest


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora", "Did you mean lora"),
        ("Lora", "Did you mean lora"),
        ("hea", "Did you mean head"),
        ("xyz", "Choose one of full, head, lora"),
        ("", "Choose one of full, head, lora"),
    ],
)
def test_suggestions(name, said):
    assert suggest(name, ["lora", "head", "full"]) == said


class Thing(Configured):
    word = "thing"

    class Options(Options):
        size: int = Field(3, ge=1)
        name: str = "x"


def test_options_have_defaults_and_are_checked_all_at_once():
    assert Thing().options.size == 3
    assert Thing({"size": 5}).options.size == 5
    with pytest.raises(PlanError) as refused:
        Thing({"size": 0, "nmae": "y"})
    said = str(refused.value)
    assert "size=0" in said
    assert "nmae='y'" in said
    assert "the options size, name" in said
