"""The verbs as a user calls them, and the same from Python."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import made_data
import pytest
import yaml

SMALL = ("--set", "training.updates=6", "--set", "training.evaluations=3", "--set")
HEAD = ("--set", "method.name=head", "--set", "select.rungs=[]")


@pytest.fixture
def labelled_csv(data_folder):
    return data_folder / "labelled.csv"


def test_fit_prints_one_json_object_of_the_promised_form(fewtune, causal_lm, data_folder, tmp_path):
    done = fewtune(
        "fit", data_folder / "prompts.jsonl", "--model", causal_lm, "-o", tmp_path / "run",
        "--json", *SMALL, "select.samples=2",
    )  # fmt: skip
    told = json.loads(done.out)
    assert set(told) == {
        "run", "verdict", "scores", "controls", "chosen", "seconds", "diagnosis"
    }  # fmt: skip
    assert told["run"] == str(tmp_path / "run")
    assert done.code == {"ship": 0, "hold": 1}[told["verdict"]["decision"]]
    assert set(told["verdict"]) == {"decision", "reasons"}
    assert {"method", "learning_rate", "regularizers", "alpha"} <= set(told["chosen"])
    assert set(told["controls"]) == {"base", "few_shot"}
    for scores in (told["scores"], told["controls"]["base"]):
        for score in scores.values():
            assert set(score) == {"value", "low", "high", "n"}
        assert "loss_per_byte" in scores
    assert done.err == ""


def test_fit_on_chats(fewtune, causal_lm, data_folder, tmp_path):
    run = tmp_path / "run"
    done = fewtune(
        "fit", data_folder / "chats.jsonl", "--model", causal_lm, "-o", run, *SMALL,
        "select.samples=2",
    )  # fmt: skip
    assert done.code in (0, 1), done.err
    # Rows read as something else would train something else: it is the first thing that is said.
    assert "checking 30 rows. Read as chats (messages from column 'messages')" in done.err
    assert ("SHIP" if done.code == 0 else "HOLD") in done.out
    assert "updates" in done.err
    assert json.loads((run / "data.json").read_text())["shape"] == "chat"
    said = fewtune("predict", run, "--text", "name: Cotto, food: thai")
    assert said.code == 0


def test_hold_is_exit_code_1(fewtune, encoder, tmp_path):
    """Labels drawn at random cannot be learned: nothing may be shipped."""
    rows = made_data.labelled(16, seed=8)
    shuffled = [(text, rows[(i * 7) % len(rows)][1]) for i, (text, _) in enumerate(rows)]
    data = made_data.write_labelled(tmp_path / "noise.csv", shuffled)
    done = fewtune("fit", data, "--model", encoder, "-o", tmp_path / "run", "--json", *HEAD)
    assert done.code == 1, done.err
    assert json.loads(done.out)["verdict"]["decision"] == "hold"


def test_a_plan_is_written_edited_and_carried_out(fewtune, encoder, labelled_csv, tmp_path):
    plan = tmp_path / "plan.yaml"
    done = fewtune("plan", labelled_csv, "--model", encoder, "-o", plan, "--effort", "normal")
    assert done.code == 0, done.err
    assert "learning_rate" in done.out
    assert not (tmp_path / "runs").exists()
    values = yaml.safe_load(plan.read_text())
    assert values["effort"] == "normal"
    # So few rows a class are compared, by a method whose rate the dial mends.
    assert values["method"]["name"] == "contrastive" and not values["select"]["rates"]
    values["training"]["updates"] = 4
    values["training"]["evaluations"] = 2
    values["select"] |= {"rates": [], "rungs": [], "dial": [0.5]}
    values["seed"] = 3
    plan.write_text(yaml.safe_dump(values))
    run = tmp_path / "run"
    done = fewtune("fit", labelled_csv, "--plan", plan, "-o", run, "--json")
    assert done.code in (0, 1), done.err
    kept = yaml.safe_load((run / "plan.yaml").read_text())
    assert kept == values
    journal = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    # Plain fine-tuning, a control, has a length of its own.
    assert max(event["update"] for event in journal if event["stage"] != "vanilla") == 4
    assert {e["values"]["alpha"] for e in journal if e["kind"] == "dial"} == {0.5, 1.0}


def test_normal_effort_plans_a_higher_rate_for_a_generator(
    fewtune, causal_lm, data_folder, tmp_path
):
    """A lower one learns less in a short trial, so that it could not be ahead after one."""
    plan = tmp_path / "plan.yaml"
    rows = data_folder / "prompts.jsonl"
    done = fewtune("plan", rows, "--model", causal_lm, "-o", plan, "--effort", "normal")
    assert done.code == 0, done.err
    values = yaml.safe_load(plan.read_text())
    (high,) = values["select"]["rates"]
    assert values["training"]["learning_rate"] < high


def test_what_is_set_on_the_command_line_outranks_the_plan(
    fewtune, encoder, labelled_csv, tmp_path
):
    plan = tmp_path / "plan.yaml"
    fewtune("plan", labelled_csv, "--model", encoder, "-o", plan)
    run = tmp_path / "run"
    done = fewtune(
        "fit", labelled_csv, "--plan", plan, "-o", run, "--seed", "5", "--json", *HEAD
    )  # fmt: skip
    assert done.code in (0, 1), done.err
    kept = yaml.safe_load((run / "plan.yaml").read_text())
    assert kept["method"]["name"] == "head"
    assert kept["seed"] == 5
    assert kept["reasons"]["method.name"] == "set by the user"


def test_plan_as_json_counts_before_anything_runs(fewtune, encoder, labelled_csv, data_folder):
    done = fewtune(
        "plan", labelled_csv, "--test", data_folder / "labelled_test.csv", "--model", encoder,
        "--json",
    )  # fmt: skip
    told = json.loads(done.out)
    assert set(told) == {"plan", "counts", "rows", "memory", "time"}
    # Beside the parts stands what telling itself takes, which a fit spends as well.
    own = told["time"]["seconds"] - sum(told["time"]["parts"].values())
    assert 0 < own < told["time"]["seconds"]
    assert {"controls", "observe"} <= set(told["time"]["parts"])
    assert told["rows"]["test"] == 30
    assert told["rows"]["train"] + told["rows"]["validation"] == 60
    assert told["counts"]["rows"] == told["rows"]["train"]
    assert told["counts"]["updates"] == told["plan"]["training"]["updates"]


def test_predict_answers_a_text_and_a_file(fewtune, probed, data_folder, tmp_path):
    one = fewtune("predict", probed.path, "--text", "send my invoice and the receipt please")
    label, probability = one.out.strip().split("\t")
    assert label in {"billing", "booking", "results"}
    assert 1 / 3 <= float(probability) <= 1
    test = data_folder / "labelled_test.csv"
    many = fewtune("predict", probed.path, "--data", test)
    records = [json.loads(line) for line in many.out.splitlines()]
    assert len(records) == 30
    assert records[0]["source"] == f"{test}:2"
    assert set(records[0]) >= {"input", "label", "probability"}
    out = tmp_path / "answers.jsonl"
    assert fewtune("predict", probed.path, "--data", test, "-o", out).code == 0
    assert out.read_text() == many.out


def test_predict_needs_no_labels(fewtune, probed, generated, tmp_path):
    blind = made_data.write_csv(tmp_path / "blind.csv", [("refund my bill",)], ("text",))
    done = fewtune("predict", probed.path, "--data", blind)
    assert done.code == 0, done.err
    assert json.loads(done.out)["label"]
    asked = made_data.write_jsonl(tmp_path / "ask.jsonl", [{"prompt": "name: Cotto, food: thai"}])
    done = fewtune("predict", generated.path, "--data", asked)
    assert done.code == 0, done.err
    assert set(json.loads(done.out)) == {"source", "input", "text", "ended"}


def test_report_is_written_anew(fewtune, probed):
    page = probed.path / "report.html"
    page.unlink()
    done = fewtune("report", probed.path)
    assert done.code == 0
    assert done.out.strip() == str(page)
    assert "</html>" in page.read_text()


def test_check_finds_what_was_put_in(fewtune, tmp_path):
    rows = made_data.labelled(20, seed=6)
    data = made_data.write_labelled(tmp_path / "d.csv", [*rows, rows[4]])
    done = fewtune("check", data, "--json")
    findings = json.loads(done.out)["findings"]
    assert {key for f in findings for key in f} == {"check", "severity", "rows", "evidence", "cure"}
    twins = [f for f in findings if f["check"] == "exact_duplicates"]
    assert len(twins) == 1
    assert {f"{data}:6", f"{data}:{len(rows) + 2}"} & set(twins[0]["rows"])
    assert done.code == (1 if any(f["severity"] == "error" for f in findings) else 0)


def test_doctor_tells_what_is_here(fewtune):
    done = fewtune("doctor", "--json")
    facts = json.loads(done.out)
    assert set(facts) == {
        "environment", "memory_gib", "disk_gib", "extras", "models", "problems"
    }  # fmt: skip
    assert facts["memory_gib"] > 0
    assert done.code == (1 if facts["problems"] else 0)
    assert "torch" in fewtune("doctor").out


def test_version_and_help(fewtune):
    import fewtune as package

    assert fewtune("--version").out.strip() == f"fewtune {package.__version__}"
    for verb in ("check", "plan", "fit", "predict", "report", "demo", "doctor"):
        assert verb in fewtune("--help").out
        assert fewtune(verb, "--help").code == 0
    assert fewtune().code == 2 or "Usage" in fewtune().out


def test_the_python_way(encoder, labelled_csv, tmp_path):
    import fewtune

    findings = fewtune.check(labelled_csv)
    assert all(finding.severity != "error" for finding in findings)
    prepared = fewtune.prepare(labelled_csv, str(encoder))
    assert prepared.plan.task.name == "text_classification"
    heard = []
    run = fewtune.fit(
        labelled_csv,
        model=str(encoder),
        settings={"method.name": "head", "select.rungs": []},
        output=tmp_path / "run",
        listeners=[heard.append],
    )
    assert run.verdict.decision in ("ship", "hold")
    assert 0 <= run.scores["accuracy"].low <= run.scores["accuracy"].high <= 1
    assert run.predict("an invoice and a refund")["label"] in {"billing", "booking", "results"}
    assert len(run.predict(["one text", "two texts"])) == 2
    assert run.report() == run.path / "report.html"
    assert {event.kind for event in heard} >= {"stage", "control", "choice"}
    assert run.plan.method.name == "head"
    again = fewtune.open(run.path)
    assert again.scores == run.scores
    assert again.verdict == run.verdict


def test_runs_find_a_place_of_their_own(encoder, labelled_csv, tmp_path, monkeypatch):
    import fewtune

    monkeypatch.chdir(tmp_path)
    settings = {"method.name": "head", "select.rungs": []}
    first = fewtune.fit(labelled_csv, str(encoder), settings=settings)
    second = fewtune.fit(labelled_csv, str(encoder), settings=settings)
    assert str(first.path) == "runs/labelled-1"
    assert str(second.path) == "runs/labelled-2"
    told = [json.loads((run.path / "scores.json").read_text()) for run in (first, second)]
    for one in told:
        for key in ("seconds", "stages", "memory", "time"):
            one.pop(key)
    assert told[0] == told[1], "the same seed must give the same scores"


def test_columns_given_by_name_serve_predict_too(fewtune, encoder, labelled_csv, tmp_path):
    with labelled_csv.open(newline="") as file:
        rows = [(row["label"], row["text"]) for row in csv.DictReader(file)]
    data = made_data.write_csv(tmp_path / "odd.csv", rows, ("topic", "said"))
    run = tmp_path / "run"
    done = fewtune(
        "fit", data, "--columns", "text=said,label=topic", "--model", encoder, "-o", run,
        "--json", *HEAD,
    )  # fmt: skip
    assert done.code in (0, 1), done.err
    assert len(fewtune("predict", run, "--data", data).out.splitlines()) == 60


def test_the_installed_command_is_the_same_program(data_folder):
    call = [sys.executable, "-m", "fewtune.cli.main", "check", str(data_folder / "no.csv")]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
