"""The command that goes on with a run: what began it, its folder named, quoted for a shell."""

from __future__ import annotations

import shlex

import pytest

from fewtune.store.resuming import resume_command


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (["tr ain.csv", "-m", "m"], ["-o", "runs/a b", "--resume"]),
        (["a.csv", "-o", "elsewhere"], ["--resume"]),
        (["a.csv", "--output", "elsewhere"], ["--resume"]),
        (["a.csv", "--output=elsewhere"], ["--resume"]),
        (["a.csv", "-oelsewhere"], ["--resume"]),
        (["a.csv", "--resume", "-o", "r"], []),
        (["a.csv", "--set", 'regularizers=[{name: l1, options: {"a": 1}}]'], None),
    ],
)
def test_what_is_missing_is_added(words, more):
    began = ["fewtune", "fit", *words]
    added = ["-o", "runs/a b", "--resume"] if more is None else more
    assert shlex.split(resume_command(shlex.join(began), "runs/a b")) == [*began, *added]


@pytest.mark.parametrize(
    "command",
    ["", "fewtune", "fewtune demo text", "fit.py fit a.csv", "/a/__main__.py fit a.csv", "it's"],
)
def test_what_was_no_fit_of_the_command_line_has_none(command):
    assert resume_command(command, "runs/a-1") == ""
