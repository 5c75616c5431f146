"""The section on the known rows: suspects, what is memorized, what is hard."""

from __future__ import annotations

import run_folders
from page import Page

from fewtune.report import html
from fewtune.report.folder import read
from fewtune.report.known import known

EVIL = "<script>alert('x')</script>&amp;\"'"


def record(line, out, own, label=None, probability=None, **more):
    return {
        "source": f"intents.csv:{line}", "input": f"text {line}", "target": "cancel",
        "out_of_fold": out, "in_fold": own, "memorized": None if own is None else out - own,
        "suspect": label is not None, "suspected_label": label,
        "suspected_probability": probability, **more,
    }  # fmt: skip


ROWS = [
    record(2, 0.5, 0.25),
    record(3, 4.0, 0.5, "billing", 0.6),
    record(4, 3.0, None, "change", 0.9),
    record(5, 2.0, 1.75),
    record(6, 0.125, 0.25),
]


def shown(run, rows):
    run_folders.write_lines(run / "crossfit.jsonl", rows)
    return Page(html.write(run).read_text(encoding="utf-8"))


def test_suspects_memorized_and_hard_rows_each_in_their_order(classification):
    run_folders.write_lines(classification / "crossfit.jsonl", ROWS)
    found = known(read(classification))
    assert (found.judged, found.asked, found.suspected) == (5, 4, 2)
    assert [row.source[-1] for row in found.suspects] == ["4", "3"]
    # Nobody was asked of row 4, and row 6 is no better known by those who saw it.
    assert [row.source[-1] for row in found.memorized] == ["3", "2", "5"]
    assert [row.source[-1] for row in found.hardest] == ["5", "2", "6"]
    assert [len(part) for part in (known(read(classification), 1).suspects, found.suspects)] == [
        2,
        2,
    ]
    text = shown(classification, ROWS).text("known")
    assert "5 known rows were predicted by models that had not seen them" in text
    assert "the labels of 2 of them look wrong." in text
    assert "(4 rows were asked of these)" in text
    assert "text 4 cancel change 90.0% 3.000 intents.csv:4" in text
    assert "text 3 cancel 4.000 0.500 3.500 intents.csv:3" in text
    assert "text 5 cancel 2.000 1.750 intents.csv:5" in text


def test_a_generator_has_losses_per_byte_and_no_labels(generation):
    rows = [record(2, 2.5, 0.5, suspect=True), record(3, 0.5, 0.25)]
    for row in rows:
        del row["suspected_label"], row["suspected_probability"]
    page = shown(generation, rows)
    text = page.text("known")
    assert "1 of them stands out." in text and "Losses in nats per byte" in text
    assert "Rows unlike all others" in text and "Looks like" not in text
    assert "text 2 cancel 2.500 intents.csv:2" in text
    assert page.unbalanced == [] and page.stack == []


def test_text_of_the_user_is_no_markup_there_and_without_a_cross_fit_nothing_is_said(
    classification,
):
    assert not Page(html.write(classification).read_text(encoding="utf-8")).has("known")
    evil = record(2, 1.0, 0.5, EVIL, 0.9, input=EVIL, target=EVIL, source=EVIL)
    page = shown(classification, [evil, {**evil, "suspect": False}, {"source": None}])
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text("known").count(EVIL) >= 9
    assert page.unbalanced == [] and page.stack == []


def test_a_damaged_line_is_told_and_why_each_was_tried_is_shown(classification):
    run_folders.write_lines(classification / "crossfit.jsonl", ROWS)
    with (classification / "crossfit.jsonl").open("a", encoding="utf-8") as file:
        file.write("{half\n")
    alternatives = [{"name": "lora", "value": 0.9, "reason": "the plan's <method>"}]
    choice = run_folders.event("choice", 60.0, what="method", chosen="lora", reason="best",
                               alternatives=alternatives)  # fmt: skip
    run_folders.write_lines(classification / "journal.jsonl", [choice])
    page = Page(html.write(classification).read_text(encoding="utf-8"))
    assert "crossfit.jsonl:6" in page.text("verdict")
    assert "LoRA chosen the plan's <method> 90.0%" in page.text("choices")
