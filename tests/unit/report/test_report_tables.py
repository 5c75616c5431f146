from __future__ import annotations

import json

import pytest
import run_folders
from rich.console import Console

from fewtune.errors import RunError
from fewtune.report import html, tables


def screen(run, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))
    with console.file:
        console.print(tables.summary(run))
    return console.export_text()


def test_the_closing_screen(classification):
    html.write(classification)
    shown = screen(classification)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "SHIP" in lines[0]
    assert "→ More rows of cancel would help most" in shown
    assert "n = 160 Accuracy 95% interval tuned − control" in lines
    assert "Accuracy on 160 test rows, higher is better:" in lines
    assert "tuned model 86.9% 81.6–92.2%" in lines
    assert "frozen base 81.2% 75.2–87.2% +5.6 (+1.3 to +10.0) better" in lines
    assert "chosen LoRA, learning rate 0.0005, best after 100 updates, dial 0.75" in lines
    assert "time 47 s" in lines
    assert str(classification / "report.html") in shown.replace("\n", "")


def test_generation(generation):
    shown = " ".join(screen(generation).split())
    assert "HOLD" in shown and "Loss per byte in nats/byte on 48 test rows, lower" in shown
    assert "−1.912 (−1.962 to −1.862) better" in shown
    assert "report.html" not in shown  # not written yet


def test_a_killed_run(killed):
    shown = screen(killed)
    assert "UNFINISHED" in shown and "--resume" in shown and "journal.jsonl:100" in shown


def test_a_quoted_row_is_neither_markup_nor_a_terminal_command(classification):
    scores = json.loads((classification / "scores.json").read_text())
    scores["verdict"]["reasons"] = ["[bold]x[/bold] [/] \x1b[31mred\x07"]
    scores["controls"]["[red]odd[/red]"] = scores["controls"]["tfidf"]
    run_folders.write_json(classification / "scores.json", scores)
    shown = screen(classification)
    assert "[bold]x[/bold] [/] [31mred" in shown
    assert "[red]odd[/red]" in shown
    assert "\x07" not in shown


def test_it_fits_a_narrow_terminal(classification):
    assert max(len(line) for line in screen(classification, width=60).splitlines()) <= 60


def test_not_a_run(tmp_path):
    with pytest.raises(RunError):
        tables.summary(tmp_path)
