"""Rows that were rendered by hand: chat markers written out."""

from __future__ import annotations

import pytest
from check_data import found, lines, prompts, texts

CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>"


def test_rendered_rows_are_named_with_their_template():
    data = texts("A plain line.", CHATML.format("Hi", "Hello"), CHATML.format("Who", "Me"))
    (finding,) = found("chat_markers", data)
    assert lines(finding) == [2, 3]
    assert "2 rows hold markers of the ChatML chat template (67%)" in finding.evidence


def test_markers_are_seen_in_prompt_and_completion_together():
    data = prompts(("[INST] Who is it? [/INST]", "Me."), ("Who is it?", "Me."))
    (finding,) = found("chat_markers", data)
    assert lines(finding) == [1]
    assert "Llama 2" in finding.evidence


@pytest.mark.parametrize(
    "text",
    [
        "See [INST] in the manual.",
        "<b>bold</b> and [1]",
        "if a <|b then",
        "the <start_of_turn> sign",
    ],
)
def test_one_marker_alone_or_other_brackets_are_no_template(text):
    assert found("chat_markers", texts(text, text + " Again.")) == []
