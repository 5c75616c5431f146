"""The verb ``check``: what it prints, writes, refuses, and its exit codes."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from fewtune.cli.check import check

app = typer.Typer()
app.command()(check)

GOOD = [
    (f"{verb} the {noun} on {day}", label)
    for verb, label in (("please book", "book"), ("please cancel", "cancel"))
    for noun in ("physio", "dentist", "blood test")
    for day in ("Monday", "Tuesday")
]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def csv(path, rows):
    path.write_text("text,label\n" + "".join(f'"{t}",{x}\n' for t, x in rows), encoding="utf-8")
    return path


def test_a_good_file_is_fit_and_ends_with_zero(tmp_path):
    result = run(csv(tmp_path / "good.csv", GOOD))
    assert result.exit_code == 0
    assert "12 rows of labelled text in 2 classes" in result.stdout
    assert "Fit to train on. " in result.stdout and "1 more with --test." in result.stdout
    assert "Warnings" not in result.stdout


def test_an_error_ends_with_one_and_shows_the_row(tmp_path):
    path = csv(tmp_path / "lonely.csv", [*GOOD, ("where are you", "place")])
    result = run(path)
    assert result.exit_code == 1
    assert "Not fit to train on yet: 1 error." in result.stdout
    assert f"{path}:14  “where are you” → place" in result.stdout


def test_rows_past_the_fifth_are_counted(tmp_path):
    result = run(csv(tmp_path / "copies.csv", [*GOOD, *GOOD[:4]]))
    assert result.exit_code == 0
    assert "4 rows are copies" in result.stdout and "and 3 more (--json names them all)" in (
        result.stdout
    )


def test_json_is_one_object_with_the_promised_fields(tmp_path):
    result = run(csv(tmp_path / "copies.csv", [*GOOD, GOOD[0]]), "--json")
    report = json.loads(result.stdout)
    assert set(report) == {"data", "findings", "seconds", "skipped", "written"}
    assert report["data"]["rows"] == 13 and report["data"]["shape"] == "labelled_text"
    copies = next(f for f in report["findings"] if f["check"] == "exact_duplicates")
    assert set(copies) == {"check", "severity", "rows", "evidence", "cure"}
    assert [r.rsplit(":", 1)[1] for r in copies["rows"]] == ["2", "14"]


def test_a_row_is_quoted_as_it_is(tmp_path):
    """Neither brackets nor names of emoji are markup."""
    odd = ("please move [/b] my :car: to [dim]", "book")
    result = run(csv(tmp_path / "a.csv", [*GOOD, odd, odd]))
    assert "“please move [/b] my :car: to [dim]”" in result.stdout.replace("\n", " ")


def test_write_mends_and_redacts_into_a_new_file(tmp_path):
    rows = [*GOOD, GOOD[0], ("call 415-555-2671 ", "book")]
    result = run(csv(tmp_path / "a.csv", rows), "--write", tmp_path / "clean.jsonl", "--redact")
    written = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert len(written) == 13
    assert written[-1] == {"text": "call [PHONE]", "label": "book"}
    assert f"Wrote 13 of 14 rows to {tmp_path / 'clean.jsonl'}." in result.stdout.replace("\n", "")
    assert "415" not in result.stdout


def test_write_keeps_columns_that_are_not_trained_on(tmp_path):
    lines = [{"ticket": i, "text": t, "label": x, "tags": ["a"]} for i, (t, x) in enumerate(GOOD)]
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run(source, "--write", tmp_path / "clean.jsonl")
    written = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert written == lines
    assert list(written[0])[:2] == ["text", "label"]
    assert "Unused columns were copied as they are: ticket, tags." in result.stdout
    run(source, "--write", tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_text().splitlines()[1].endswith('"0","[""a""]"')


def test_columns_that_nobody_searched_or_that_would_mislead_are_left_out_aloud(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("text,label,who\n" + "".join(f"{t},{x},a@b.com\n" for t, x in GOOD))
    result = run(source, "--write", tmp_path / "clean.csv", "--redact")
    assert "a@b.com" not in (tmp_path / "clean.csv").read_text()
    assert "not written, since nobody looked for personal data there: who." in result.stdout
    source.write_text(
        "text,label,a,b\n" + "".join(f"{t},{x},how {i},it is {t}\n" for i, (t, x) in
                                     enumerate(GOOD))
    )  # fmt: skip
    result = run(source, "--columns", "prompt=a,completion=b", "--write", tmp_path / "pairs.csv")
    assert "not written, since the file would be doubtful: text, label." in result.stdout
    assert (tmp_path / "pairs.csv").read_text().startswith('"prompt","completion"\n')


def test_a_chat_is_shown_by_the_turn_that_is_answered(tmp_path):
    turns = [("user", "May I come?"), ("assistant", ""), ("user", "Hello?"),
             ("assistant", "Yes, do."), ("user", "Thanks")]  # fmt: skip
    row = {"messages": [{"role": r, "content": c} for r, c in turns]}
    (tmp_path / "a.jsonl").write_text((json.dumps(row) + "\n") * 12)
    result = run(tmp_path / "a.jsonl")
    assert "a.jsonl:1  “Hello?” → Yes, do." in result.stdout


def test_a_document_is_sent_to_collect(tmp_path):
    (tmp_path / "price.pdf").write_bytes(b"%PDF-1.4")
    assert f"fewtune collect {tmp_path}/price.pdf -o" in run(tmp_path / "price.pdf").stderr
    assert f"fewtune collect {tmp_path} -o" in run(tmp_path).stderr


def test_write_never_takes_an_existing_file_without_force(tmp_path):
    path = csv(tmp_path / "a.csv", GOOD)
    other = tmp_path / "other.csv"
    other.write_text("precious")
    for target in (path, other):
        result = run(path, "--write", target)
        assert result.exit_code == 2 and "Expected a new file" in result.stderr
        assert not result.stdout
    assert other.read_text() == "precious"
    assert run(path, "--write", path, "--force").exit_code == 2
    assert run(path, "--write", other, "--force").exit_code == 0
    assert other.read_text().startswith('"text","label"')


def test_a_test_file_is_searched_for_leaks(tmp_path):
    path = csv(tmp_path / "a.csv", GOOD)
    result = run(path, "--test", csv(tmp_path / "b.csv", [GOOD[0], ("tie my shoes", "book")]))
    assert result.exit_code == 1 and "1 test input is a copy" in result.stdout
    assert f"{tmp_path / 'b.csv'}:2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{dir}/missing.csv"], "missing.csv"),
        (["{dir}/a.csv", "--redact"], "--write"),
        (["{dir}/a.csv", "--columns", "text=nowhere,label=label"], "nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(tmp_path, arguments, words):
    csv(tmp_path / "a.csv", GOOD)
    result = run(*[a.format(dir=tmp_path) for a in arguments])
    assert result.exit_code == 2 and not result.stdout
    assert result.stderr.startswith("Expected ") and words in result.stderr
    assert "Traceback" not in result.stderr


def test_markup_in_the_data_is_printed_as_it_is(tmp_path):
    rows = [("[bold]hi[/bold] [/nothing]", "a"), *GOOD]
    result = run(csv(tmp_path / "a.csv", rows))
    assert result.exit_code == 1 and "[/nothing]" in result.stdout
