"""Suggestions and options; what families keep is in contract/test_families."""

from __future__ import annotations

import pytest
from pydantic import Field

from fewtune.errors import PlanError
from fewtune.family import Configured, Options, suggest
from fewtune.methods.base import METHODS


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (":Foo", "Write the name by which Python imports it"),
        (".x:Foo", "Write the name by which Python imports it"),
        ("fewtune..methods:Foo", "Write the name by which Python imports it"),
        ("fewtune.methods.head:", "Write the name by which Python imports it"),
        ("a:b:c", "Write the name by which Python imports it"),
        ("nowhere:Foo", "Install the package or mend the name"),
        ("fewtune.methods.head:Foo", "Install the package or mend the name"),
        ("fewtune.methods.base:trained_state", "Derive it from that class"),
        ("fewtune.family:Options", "Derive it from that class"),
        ("fewtune.methods.base:Method", "a method that defines prepare, restore, save. Got"),
    ],
)
def test_a_members_name_that_cannot_be_used_is_refused_with_the_cure(name, said):
    with pytest.raises(PlanError) as refused:
        METHODS.load(name)
    assert said in str(refused.value)
    assert repr(name) in str(refused.value)


def test_a_member_may_be_named_by_its_class():
    assert METHODS.load("fewtune.methods.head:Head").__name__ == "Head"
