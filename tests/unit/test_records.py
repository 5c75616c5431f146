"""What the rooms hand to each other: frozen, and named by content."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewtune.records import Dataset, Example, Finding, Message, Score, Verdict

ROW = Example("hello", "greeting", "a.csv:2")


def test_a_fingerprint_is_of_the_content_not_of_the_place():
    moved = replace(ROW, source="b.csv:9", group="g", weight=2.0, time="2024", parent="x")
    assert moved.fingerprint == ROW.fingerprint
    assert len(ROW.fingerprint) == 16


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_other_content_has_another_fingerprint(a, b, c, d):
    first, second = Example(a, b, "x"), Example(c, d, "x")
    assert (first.fingerprint == second.fingerprint) == ((a, b) == (c, d))


def test_turns_and_missing_targets_count_too():
    chat = replace(ROW, messages=(Message("user", "hello"),))
    other = replace(ROW, messages=(Message("assistant", "hello"),))
    blind = replace(ROW, target=None)
    empty = replace(ROW, target="")
    assert len({e.fingerprint for e in (ROW, chat, other, blind, empty)}) == 5


def test_records_are_frozen():
    with pytest.raises(FrozenInstanceError):
        ROW.input = "x"


def test_a_data_set_is_a_sequence_with_sorted_labels():
    rows = Dataset(
        (ROW, replace(ROW, target="bye"), replace(ROW, target=None)), "labelled_text", "a"
    )
    assert rows.labels == ("bye", "greeting")
    assert (len(rows), rows[1].target, [r.target for r in rows]) == (
        3, "bye", ["greeting", "bye", None]
    )  # fmt: skip
    assert replace(rows, shape="prompt").labels == ()
    assert ROW.text() == "hello\ngreeting"


def test_what_json_shows():
    finding = Finding("empty", "error", ("a:1",), "One is empty.", "Remove it.", drop=("a:1",))
    assert set(finding.as_json()) == {"check", "severity", "rows", "evidence", "cure"}
    score = Score("accuracy", 0.5, 0.4, 0.6, 10, "higher", "share")
    assert Score(**json.loads(json.dumps(score.as_json()))) == score
    assert Score.from_json(score.as_json()) == score
    verdict = Verdict("hold", ("a",), ("b",))
    assert verdict.as_json() == {"decision": "hold", "reasons": ["a"], "cures": ["b"]}


@pytest.mark.parametrize("unknown", [math.nan, math.inf])
def test_a_figure_that_is_not_known_is_null_in_json(unknown):
    score = Score("accuracy", 0.5, unknown, unknown, 1, "higher", "share")
    told = json.loads(json.dumps(score.as_json(), allow_nan=False))
    assert told["value"] == 0.5
    assert (told["low"], told["high"]) == (None, None)
    again = Score.from_json(told)
    assert math.isnan(again.low) and math.isnan(again.high)
    assert replace(again, low=0, high=0) == replace(score, low=0, high=0)
    # Files of before hold NaN itself.
    assert math.isnan(Score.from_json(json.loads(json.dumps({**told, "low": math.nan}))).low)
