"""Running the checks, their order and reasons; mending what is safe and nothing else."""

from __future__ import annotations

import pytest
from check_data import WordModel, chats, labelled, prompts, texts

from fewtune.checks import run as runner
from fewtune.checks.base import CHECKS, Check, Context
from fewtune.checks.clean import clean
from fewtune.checks.run import Report, describe, run
from fewtune.errors import PlanError
from fewtune.records import Dataset, Example, Finding, Message

DATA = labelled(
    ("one little thing", "a"),
    ("one little thing", "a"),
    ("", "b"),
    ("call 415-555-2671 ", "b"),
    ("another thing", "a"),
)


def test_errors_come_first_and_every_check_is_timed_or_skipped_with_a_reason():
    report = run(Context(DATA))
    severities = [runner.SEVERITIES.index(f.severity) for f in report.findings]
    assert severities == sorted(severities) and report.blocking
    assert set(report.seconds) | set(report.skipped) == set(CHECKS.names())
    assert not set(report.seconds) & set(report.skipped)
    assert report.skipped["leakage"] == "needs a test file"
    assert report.skipped["chat_template"] == "not for labelled text"
    assert run(Context(texts("a")), ["surprise"]).skipped == {"surprise": "needs a model"}


def test_slow_checks_can_be_left_out():
    context = Context(prompts(("q", "a")), model=WordModel())
    assert run(context, ["surprise"], include_slow=False).skipped == {"surprise": "slow"}
    assert "surprise" in run(context, ["surprise"]).seconds


class Shouting(Check):
    """A user's own check."""

    def findings(self, context):
        rows = tuple(e.source for e in context.data if e.input.isupper())
        if rows:
            yield Finding("shouting", "note", rows, "Loud.", "Lower it")


def test_a_users_own_check_runs_and_a_wrong_name_is_refused():
    report = run(Context(labelled(("HI", "a"))), [f"{__name__}:Shouting"])
    assert report.findings[0].rows == ("a.csv:2",)
    with pytest.raises(PlanError, match="Did you mean empty"):
        run(Context(DATA), ["emty"])


def test_shared_computations_run_once():
    context, calls = Context(DATA), []
    for _ in range(2):
        assert context.shared("key", lambda: calls.append(1) or 7) == 7
    assert calls == [1]


def test_describe():
    assert describe(DATA) == "a.csv: 5 rows of labelled text in 2 classes"
    assert describe(texts("a")) == "t.txt: 1 row of plain text"


def test_clean_drops_and_mends_and_leaves_every_other_row_the_same():
    report = run(Context(DATA), ["empty", "exact_duplicates", "format_consistency"])
    mended, done = clean(DATA, report.findings)
    assert [e.source for e in mended] == ["a.csv:2", "a.csv:5", "a.csv:6"]
    assert mended[0] is DATA[0] and mended[2] is DATA[4]
    assert mended[1].input == "call 415-555-2671"
    assert done == [
        "Left out 1 row (empty).",
        "Left out 1 row (exact_duplicates).",
        "Mended 1 row (format_consistency).",
    ]
    assert not run(Context(mended), ["empty", "exact_duplicates", "format_consistency"]).findings


def test_clean_redacts_only_when_asked_and_keeps_labels():
    data = labelled(("mail ann@example.org", "bob@example.org"))
    assert clean(data, ())[0][0] is data[0]
    mended, done = clean(data, (), redact=True)
    assert (mended[0].input, mended[0].target) == ("mail [EMAIL]", "bob@example.org")
    assert done == ["Replaced 1 piece of personal data."]


def test_clean_gives_groups_other_names_when_it_redacts():
    groups = ("ann@example.org", "", "bob", "ann@example.org")
    rows = [Example(f"text {i}", "x", f"a:{i}", group=name) for i, name in enumerate(groups)]
    mended, done = clean(Dataset(tuple(rows), "labelled_text", "a"), (), redact=True)
    assert [e.group for e in mended] == ["g1", "", "g2", "g1"]
    assert done[-1] == "Named 2 groups anew, as a name may tell who it is."


def test_clean_redacts_every_turn_of_a_chat_and_its_input_and_target():
    data = chats(
        [
            ("system", "be kind"),
            ("user", "I am ann@example.org"),
            ("assistant", "hello ann@example.org"),
        ]
    )
    mended, _ = clean(data, (), redact=True)
    assert mended[0].messages == (
        Message("system", "be kind"),
        Message("user", "I am [EMAIL]"),
        Message("assistant", "hello [EMAIL]"),
    )
    assert mended[0].input == "system: be kind\nuser: I am [EMAIL]"
    assert mended[0].target == "hello [EMAIL]"


def test_report_as_json_has_the_promised_fields():
    finding = Finding("empty", "error", ("a:1",), "Bad.", "Mend it", drop=("a:1",))
    assert Report((finding,), {"empty": 0.12345}, {"size": "slow"}).as_json() == {
        "findings": [
            {
                "check": "empty",
                "severity": "error",
                "rows": ["a:1"],
                "evidence": "Bad.",
                "cure": "Mend it",
            }
        ],
        "seconds": {"empty": 0.1235},
        "skipped": {"size": "slow"},
    }  # fmt: skip
