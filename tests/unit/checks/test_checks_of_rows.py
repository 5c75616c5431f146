"""Checks that compare rows: empty, copies, near copies, conflicts, leaks, size, balance."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_data import chats, found, labelled, lines, prompts, texts
from PIL import Image

from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.errors import DataError
from fewtune.records import Dataset, Example

TEN = [(f"question number {word}", "a") for word in "one two three four five six".split()] + [
    (f"remark about {word}", "b") for word in "tea milk bread jam".split()
]


def test_empty_names_blank_inputs_and_missing_targets():
    data = labelled(("hello", "a"), ("  ", "a"), ("hi", None), ("ho", "b"), ("he", " "))
    (finding,) = found("empty", data)
    assert finding.severity == "error"
    assert lines(finding) == [3, 4, 6]
    assert finding.drop == finding.rows
    assert "3 rows of 5" in finding.evidence


def test_empty_in_plain_text_and_nothing_in_good_rows():
    (finding,) = found("empty", texts("one", " \t", "two"))
    assert lines(finding) == [2]
    assert not found("empty", texts("one", "two"))
    assert not found("empty", labelled(*TEN))


def test_empty_turn_inside_a_chat_warns_and_an_empty_answer_is_an_error():
    fine = [("user", "hi"), ("assistant", "hello")]
    silent = [("user", "hi"), ("assistant", ""), ("user", "so?"), ("assistant", "yes")]
    mute = [("user", "hi"), ("assistant", " ")]
    error, warning = found("empty", chats(fine, silent, mute))
    assert (error.severity, lines(error)) == ("error", [3])
    assert (warning.severity, lines(warning), warning.drop) == ("warning", [2], ())


def test_empty_names_an_image_that_cannot_be_read(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not an image")
    rows = tuple(
        Example(str(tmp_path / name), "a", f"{name}:1") for name in ("good.png", "bad.png")
    )
    (finding,) = found("empty", Dataset(rows, "labelled_image", "images"))
    assert finding.rows == ("bad.png:1",)


def test_exact_duplicates_names_all_and_drops_the_later_ones():
    data = labelled(("x", "a"), ("y", "a"), ("x ", "a"), ("x", "b"), ("y", "a"), ("x", "a"))
    (finding,) = found("exact_duplicates", data)
    assert finding.severity == "warning"
    assert lines(finding) == [2, 4, 7, 3, 6]  # set by set
    assert sorted(finding.drop) == ["a.csv:4", "a.csv:6", "a.csv:7"]
    assert "3 rows are copies" in finding.evidence and "stands 3 times" in finding.evidence


def test_exact_duplicates_leaves_case_and_other_labels_alone():
    assert not found("exact_duplicates", labelled(("x", "a"), ("X", "a"), ("x", "b")))


def test_exact_duplicates_of_images_are_told_by_their_bytes(tmp_path):
    for name, colour in (("1", "red"), ("2", "blue"), ("3", "red")):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(tmp_path / "a" / f"{name}.png")
    (finding,) = found("exact_duplicates", load(tmp_path))
    assert [Path(row).name for row in finding.rows] == ["1.png", "3.png"]
    assert [Path(row).name for row in finding.drop] == ["3.png"]


def test_near_duplicates_finds_edits_and_leaves_copies_to_the_other_check():
    data = labelled(
        ("When does my new debit card arrive?", "a"),
        ("when does my new debit card arrive", "a"),
        ("How do I close the account?", "b"),
        ("How do I close the account?", "b"),
        ("Can somebody water the plants on Sunday?", "c"),
    )
    (finding,) = found("near_duplicates", data)
    assert lines(finding) == [2, 3]
    assert finding.severity == "warning"  # one of five rows adds little
    assert not finding.drop


def test_near_duplicates_of_prompts_need_near_answers_too():
    far = prompts(
        ("name: Blue Spice, food: Thai", "Blue Spice is a place where Thai dishes are cooked."),
        ("name: Blue Spice, food: Thai", "For a curry from Bangkok try the Blue Spice, my friend!"),
    )
    assert not found("near_duplicates", far)
    near = prompts(
        ("name: Blue Spice, food: Thai", "Blue Spice is a place where Thai dishes are cooked."),
        ("name: Blue Spice, food: Thai", "blue spice is a place where thai dishes are cooked"),
    )
    (finding,) = found("near_duplicates", near)
    assert lines(finding) == [1, 2]


def test_conflicting_targets_names_every_row_of_a_torn_input():
    data = labelled(
        ("Has my top-up gone?", "pending"),
        ("unrelated thing", "x"),
        ("has my top up gone", "reverted"),
        ("Has my top-up gone?", "pending"),
    )
    (finding,) = found("conflicting_targets", data)
    assert (finding.severity, lines(finding)) == ("warning", [2, 4, 5])
    assert "1 input has different targets in 3 rows" in finding.evidence


def test_conflicting_targets_is_silent_on_agreeing_rows():
    assert not found("conflicting_targets", labelled(("x y", "a"), ("X, y!", "a"), ("z", "b")))


def test_several_references_are_noted_as_a_design_and_a_single_conflict_warns():
    design = prompts(("q one", "first"), ("q one", "second"), ("q two", "third"), ("q two", "fo"))
    (note,) = found("conflicting_targets", design)
    assert note.severity == "note" and "100% of the inputs" in note.evidence
    single = prompts(*[(f"question {w}", w) for w in "abcdefghij"], ("question a", "other"))
    (warning,) = found("conflicting_targets", single)
    assert (warning.severity, lines(warning)) == ("warning", [1, 11])


def test_leakage_counts_copies_and_near_copies():
    train = labelled(
        ("Where is the nearest cash machine?", "atm"),
        ("When does my new debit card arrive?", "card"),
        ("How do I close the account?", "close"),
    )
    test = labelled(
        ("where is the nearest cash machine", "atm"),
        ("When will the flowers bloom in Lisbon?", "other"),
        ("When does the my new debit card arrive?", "card"),
        ("Nothing like it stands anywhere", "other"),
        name="b.csv",
    )
    copies, near = found("leakage", train, test)
    assert copies.rows == ("b.csv:2", "a.csv:2")
    assert "1 test input is a copy" in copies.evidence and "25% of 4; 0 to the letter" in (
        copies.evidence
    )
    assert near.rows == ("b.csv:4", "a.csv:3")
    assert {copies.severity, near.severity} == {"warning"}


def test_a_test_file_that_is_half_copied_is_an_error_and_a_clean_one_is_nothing():
    train = labelled(("alpha beta gamma", "a"), ("delta epsilon zeta", "b"))
    (finding,) = found("leakage", train, labelled(("alpha beta gamma", "a"), ("eta theta", "b")))
    assert finding.severity == "error"
    assert not found("leakage", train, labelled(("iota kappa", "a"), ("eta theta", "b")))


@pytest.mark.parametrize("rows", [1, 3, 9])
def test_fewer_than_ten_rows_is_an_error(rows):
    (finding,) = found("size", labelled(*TEN[:rows]))
    assert finding.severity == "error" and len(finding.rows) == rows


def test_equal_rows_are_an_error_and_a_small_set_learns_its_interval():
    (finding,) = found("size", labelled(*[("same", "a")] * 12))
    assert finding.severity == "error" and len(finding.rows) == 12
    (note,) = found("size", labelled(*TEN))
    # 2 rows: 1.96 * sqrt(0.8 * 0.2 / 2) = 0.554
    assert note.severity == "note" and "2 rows, on which 80% means 80% ± 55 points" in note.evidence
    assert not found("size", labelled(*[(f"row {i}", "a") for i in range(200)]))


def test_variations_count_for_nothing_in_a_test_part():
    rows = [Example(f"row {i}", "a", f"a.csv:{i}") for i in range(40)]
    rows += [Example(f"rwo {i}", "a", f"a.csv:{i + 40}", parent=f"a.csv:{i}") for i in range(40)]
    (note,) = found("size", Dataset(tuple(rows), "labelled_text", "a.csv"))
    assert "40 rows (and 40 variations of them, which judge nothing)" in note.evidence
    assert "a test share of 20% is 8 rows" in note.evidence


def test_one_class_is_an_error():
    (finding,) = found("class_balance", labelled(("x", "a"), ("y", "a")))
    assert finding.severity == "error" and "nothing to tell apart" in finding.evidence


def test_a_class_of_one_row_is_an_error_that_names_it():
    (finding,) = found("class_balance", labelled(("x", "a"), ("y", "b"), ("z", "a")))
    assert (finding.severity, lines(finding)) == ("error", [3])
    assert "'b'" in finding.evidence


def test_uneven_classes_say_what_the_majority_scores():
    data = labelled(*[(f"x{i}", "a") for i in range(30)], *[(f"y{i}", "b") for i in range(3)])
    (finding,) = found("class_balance", data)
    assert finding.severity == "warning"
    assert lines(finding) == [32, 33, 34]
    # 30 of 33 = 90.9%; macro-F1 = 2 * 0.909 / 1.909 / 2 = 0.476
    assert "91% accuracy, 0.48 macro-F1" in finding.evidence
    assert not found("class_balance", labelled(*TEN))  # 6 to 4


def test_numbers_and_free_text_are_no_classes():
    numbers = labelled(*[(f"row {i}", f"{i * 0.37:.2f}") for i in range(40)])
    (finding,) = found("class_balance", numbers)
    assert finding.severity == "error" and "these are numbers" in finding.evidence
    answers = labelled(*[(f"row {i}", f"answer number {i}") for i in range(40)])
    (finding,) = found("class_balance", answers)
    assert "these are texts of their own" in finding.evidence
    stars = labelled(*[(f"row {i}", str(i % 5)) for i in range(40)])
    assert not found("class_balance", stars)


@pytest.mark.parametrize(
    ("rows", "evidence"),
    [
        ([Example(f"row {i}", "ab"[i % 2], f"a:{i}", group="all") for i in range(20)], "1 group"),
        ([Example("Tell a joke", f"joke {i}", f"a:{i}") for i in range(20)], "1 input"),
    ],
)
def test_rows_that_no_split_can_part_are_an_error_as_they_are_to_fit(rows, evidence):
    data = Dataset(tuple(rows), "labelled_text" if rows[0].group else "prompt", "a")
    (finding,) = found("size", data)
    assert finding.severity == "error"
    assert f"20 rows in {evidence}" in finding.evidence
    with pytest.raises(DataError, match=r"of other groups|with other inputs"):
        split(data)


def test_what_follows_the_last_answer_of_a_chat_is_not_before_it():
    rows = [[("assistant", f"Welcome {i}"), ("user", f"Thanks {i}")] for i in range(12)]
    data = chats(*rows)
    assert found("empty", data)[0].evidence.startswith("12 rows of 12 can teach nothing")
