"""The live display: it shows a user's words as they are, whatever they hold."""

from __future__ import annotations

import re

import pytest
from rich.table import Table

from fewtune.cli.progress import Progress, console
from fewtune.records import Event

WORDS = "'ticket [/month]', 'a [clean] text', [bold] and :smile:"


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("stage", {"name": "check", "sentence": WORDS}, f"   1.5s  {WORDS}"),
        ("diagnosis", {"name": "leakage", "sentence": WORDS}, f"   1.5s  {WORDS}"),
        (
            "monitor",
            {"monitor": "m", "action": "warn", "sentence": WORDS},
            f"   1.5s  m (warn): {WORDS}",
        ),
    ],
)
def test_a_sentence_is_shown_as_it_is(capsys, kind, values, shown):
    with Progress() as progress:
        progress.tell(Event(kind, seconds=1.5, values=values))
    assert shown in capsys.readouterr().err


def test_the_bar_of_a_candidate_is_named_as_it_is(capsys, monkeypatch):
    """On a terminal; a candidate of the user's own may hold anything in its options."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    name = "mine(words=['[/x]', '[dim]'])"
    with Progress() as progress:
        stage = {"name": name, "sentence": "training", "updates": 3}
        progress.tell(Event("stage", values=stage))
        progress.tell(Event("evaluation", name, 1, values={"validation_loss": 0.25}))
        progress.tell(Event("step", name, 2, values={"loss": 0.5}))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert f"{name} " in plain and "2/3 loss 0.500, validation 0.250" in plain


def test_what_any_verb_prints_is_no_markup(capsys):
    table = Table("[bold]column :car:")
    table.add_row("[/x] :car:")
    console(stderr=False).print(table)
    console(stderr=True, wrap=False).print("[/x] :car:", "word " * 60)
    told = capsys.readouterr()
    assert "[bold]column :car:" in told.out and "[/x] :car:" in told.out
    assert told.err.count("\n") == 1 and told.err.startswith("[/x] :car: word")
