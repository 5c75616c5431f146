"""What the report and the card say of the model that was kept: on what it was trained, how long."""

from __future__ import annotations

import json

import pytest
import run_folders
from page import Page

from fewtune.report import card, html


def refitted(run, updates=170, end="all"):
    """Add the training on all known rows that follows a trial where ``select.refit`` is on."""
    name, said = f"lora+{end}", "training lora again"
    events = [run_folders.event("stage", 45.0, name=name, sentence=said, updates=updates)]
    events += [
        run_folders.event("step", 45 + at / 10, name, at, loss=1 / at, rate=1e-4)
        for at in range(1, updates + 1)
    ]
    with (run / "journal.jsonl").open("a") as journal:
        journal.writelines(json.dumps(event) + "\n" for event in events)
    return run


def journal_of(run):
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().split("\n") if line]


def told(run):
    html.write(run)
    card.write(run)
    page = Page((run / "report.html").read_text("utf-8"))
    return page, (run / "README.md").read_text("utf-8")


def test_without_a_refit_the_weights_of_the_trial_were_kept(classification):
    page, body = told(classification)
    assert "The weights of update 100 were kept." in page.text("training")
    assert "Updates 100 Trained on 320 rows Dial" in page.text("choices")
    assert "It was tuned on 320 rows; texts unlike them" in body
    assert "100 updates, blended" in body and "Trained on 320 rows." in body


def test_a_refit_is_told_and_its_rows_and_updates(classification):
    page, body = told(refitted(classification))
    training = page.text("training")
    assert "were kept" not in training
    assert (
        "Update 100 was best; the model that was kept was trained again on all 400 known rows"
        in (training)
    )
    assert "rows, for 170 updates." in training
    # The one that was chosen stands first, then what was kept of it, then its rivals.
    assert training.index("LoRA chosen") < training.index("LoRA, on all known rows kept")
    assert "Best update 100 Trained again on all 400 known rows 170 updates" in page.text("choices")
    assert "It was tuned on all 400 known rows; texts unlike them" in body
    assert "best after 100 updates" in body
    assert "trained again on all 400 known rows, for 170 updates." in body


def test_a_run_killed_in_its_refit_says_what_it_was_about_to_keep(classification):
    (classification / "scores.json").unlink()
    page, _ = told(refitted(classification))
    assert "were kept" not in page.text("training")
    assert "for 170 updates" in page.text("training")


def test_a_solved_head_was_fitted_on_all_known_rows(classification):
    scores = json.loads((classification / "scores.json").read_text())
    scores["chosen"] = {"method": "head", "updates": 0, "alpha": 1.0, "reason": "cheapest"}
    run_folders.write_json(classification / "scores.json", scores)
    journal = journal_of(classification)
    for event in journal:
        if event["kind"] == "choice":
            event["values"]["chosen"] = "head"
    run_folders.write_lines(classification / "journal.jsonl", journal)
    page, body = told(classification)
    assert "were kept" not in page.text("training")
    assert "Trained on all 400 known rows" in page.text("choices")
    assert "It was tuned on all 400 known rows" in body


@pytest.mark.parametrize(("end", "rows"), [("all", "all 400 known rows"), ("train", "320 rows")])
def test_after_a_cross_fit_a_model_of_its_own_is_kept(classification, end, rows):
    """No fold's. The parts of a cross-fit are its folds; ``crossfit`` is what they said together.

    Where ``select.refit`` is off it is trained on the training rows alone.
    """
    journal = journal_of(classification)
    folds = [
        {**event, "stage": f"lora#{number}"}
        for number in (1, 2)
        for event in journal
        if event["stage"] == "lora" and event["kind"] in ("step", "evaluation")
    ]
    both = [run_folders.event("crossfit", 40, "lora", 100, value=0.8, alpha=0.75)]
    rest = [event for event in journal if event["kind"] in ("choice", "dial")]
    run_folders.write_lines(classification / "journal.jsonl", [*folds, *both, *rest])
    page, body = told(refitted(classification, 130, end))
    shown = page.text("training")
    assert "Over all folds update 100 was best; the model that was kept was trained again" in shown
    assert f"again on {rows}, for 130 updates." in shown
    assert f"on {'all known rows' if end == 'all' else 'the training rows'} kept" in shown
    assert f"It was tuned on {rows}; texts" in body
