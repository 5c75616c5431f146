"""Every bad input: exit code 2, one short message with the place, nothing written over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import made_data
import pytest
import yaml

ROWS = made_data.labelled(10, seed=5)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def refused(fewtune, tmp_path):
    """Call the command line and return its message, having seen that nothing else happened."""

    def call(*arguments, code=2):
        before = tree(tmp_path)
        done = fewtune(*arguments)
        assert done.code == code, done.err
        assert done.out == ""
        assert "Traceback" not in done.err
        message = [line for line in done.err.splitlines() if line.startswith("fewtune: ")]
        assert len(message) == 1, done.err
        assert done.err.rstrip().endswith(message[0])
        assert message[0].startswith("fewtune: Expected ")
        assert " Got " in message[0]
        assert message[0].endswith(".")
        assert len(message[0]) < 600
        assert tree(tmp_path) == before
        return message[0]

    return call


@pytest.fixture
def refuse_data(refused, encoder, tmp_path):
    """Fit a file of the given name and content; return the message."""

    def call(name, content, model=encoder):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            made_data.write_labelled(path, content)
        return refused("fit", path, "--model", model, "-o", tmp_path / "run")

    return call


# Data


def test_missing_file(refused, encoder, tmp_path):
    (tmp_path / "intents.csv").write_text("text,label\n")
    said = refused("fit", tmp_path / "intent.csv", "--model", encoder, "-o", tmp_path / "run")
    assert str(tmp_path / "intent.csv") in said
    assert "Did you mean intents.csv" in said


@pytest.mark.parametrize("content", ["", "text,label\n", "\n\n"])
def test_empty_file(refuse_data, content):
    said = refuse_data("empty.csv", content)
    assert "at least one row" in said
    assert "empty.csv" in said


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "txt"])
def test_binary_file(refuse_data, suffix):
    said = refuse_data(f"photo.{suffix}", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(300))
    assert f"photo.{suffix}" in said
    assert "binary" in said


def test_broken_jsonl_names_the_line(refuse_data):
    said = refuse_data("b.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", \n{"text": "c"}\n')
    assert "b.jsonl:2" in said


def test_broken_json_names_the_line(refuse_data):
    said = refuse_data("b.json", '[\n{"text": "a", "label": "x"},\n{"text": "b" "label": "y"}\n]\n')
    assert "b.json:3" in said


def test_broken_csv_names_the_line(refuse_data):
    assert "b.csv:3" in refuse_data("b.csv", "text,label\na,x\nb,y,z\nc,x\n")
    assert "c.csv:3" in refuse_data("c.csv", 'text,label\na,x\n"b,y\nc,x\n')


def test_not_utf8_says_where(refuse_data):
    said = refuse_data(
        "u.jsonl", b'{"text": "a", "label": "x"}\n{"text": "\xc3\x28", "label": "y"}\n'
    )
    assert "u.jsonl" in said


def test_unknown_columns(refuse_data):
    said = refuse_data("k.csv", "foo,bar\n" + "".join(f"{t},{label}\n" for t, label in ROWS))
    assert "foo, bar" in said
    assert "--columns text=foo,label=bar" in said


def test_columns_that_are_not_there(refused, encoder, data_folder, tmp_path):
    said = refused(
        "fit", data_folder / "labelled.csv", "--model", encoder, "-o", tmp_path / "run",
        "--columns", "text=txt,label=label",
    )  # fmt: skip
    assert "txt" in said
    assert "labelled.csv" in said


def test_one_class_only(refuse_data):
    said = refuse_data("one.csv", [(text, "billing") for text, _ in ROWS])
    assert "two labels or more" in said
    assert "'billing'" in said


def test_a_class_with_one_row_is_named_with_its_line(refuse_data):
    said = refuse_data("single.csv", [*ROWS, ("where may I park my car", "parking")])
    assert "'parking'" in said
    assert f"single.csv:{len(ROWS) + 2}" in said


def test_measured_numbers_are_no_classes(refuse_data):
    rows = [(text, f"{1.5 + 0.01 * place:.2f}") for place, (text, _) in enumerate(ROWS)]
    said = refuse_data("scores.csv", rows)
    assert f"Got {len(ROWS)} different numbers in {len(ROWS)} rows" in said
    assert "scores.csv:2" in said
    assert "low, middle and high" in said


@pytest.mark.parametrize("joint", [";", "|", ", "])
def test_several_labels_in_one_cell_are_told_as_such(refuse_data, joint):
    kinds = ("billing", "booking", "hours")
    pairs = [(a, b) for a in kinds for b in kinds if a != b]
    extra = [
        (f"{text} too", joint.join(pair)) for (text, _), pair in zip(ROWS, pairs, strict=False)
    ]
    said = refuse_data("several.csv", [*ROWS, *extra])
    assert f"one label in a row. Got several with {joint.strip()!r} between them" in said
    assert f"several.csv:{len(ROWS) + 2}" in said


def test_a_label_with_a_comma_of_its_own_is_one(refuse_data):
    said = refuse_data("comma.csv", [*ROWS, ("where may I park", "parking, by car")])
    assert "Got 1 row of 'parking, by car'" in said


def test_plain_text_for_an_encoder_is_told_to_name_its_labels(refuse_data):
    lines = "".join(f"{text},{1 + 0.37 * place:.2f}\n" for place, (text, _) in enumerate(ROWS))
    said = refuse_data("plain.csv", f"text,price\n{lines}")
    assert "read as plain text" in said
    assert "--columns label=COLUMN" in said


def test_three_rows(refuse_data):
    said = refuse_data("three.csv", ROWS[:3])
    assert "at least 10 rows" in said
    assert "Got 3" in said


def test_all_rows_identical(refuse_data):
    assert "identical" in refuse_data("same.csv", [ROWS[0]] * 30)


def test_a_row_without_a_label_is_named(refuse_data):
    said = refuse_data("hole.csv", [*ROWS[:5], ("no label here", ""), *ROWS[5:]])
    assert "hole.csv:7" in said


def test_a_row_longer_than_the_context_is_named(refused, causal_lm, tmp_path):
    rows = [*made_data.prompts(20), ("again and " * 200, "yes")]
    data = made_data.write_prompts(tmp_path / "long.jsonl", rows)
    said = refused("fit", data, "--model", causal_lm, "-o", tmp_path / "run")
    assert "long.jsonl:21" in said
    assert "at most 128 tokens" in said
    assert "task.truncation=left" in said


def test_that_row_may_be_cut_when_asked(fewtune, causal_lm, tmp_path):
    rows = [*made_data.prompts(20), ("again and " * 200, "yes")]
    data = made_data.write_prompts(tmp_path / "long.jsonl", rows)
    done = fewtune(
        "fit", data, "--model", causal_lm, "-o", tmp_path / "run", "--json",
        "--set", "task.truncation=left", "--set", "training.updates=2",
        "--set", "training.evaluations=1", "--set", "select.samples=0",
    )  # fmt: skip
    assert done.code in (0, 1), done.err


def test_test_rows_of_unknown_shape(refused, encoder, data_folder, tmp_path):
    said = refused(
        "fit", data_folder / "labelled.csv", "--test", data_folder / "prompts.jsonl",
        "--model", encoder, "-o", tmp_path / "run",
    )  # fmt: skip
    assert "prompts" in said


# Models


@pytest.fixture
def refuse_model(refused, data_folder, tmp_path):
    def call(model, data="labelled.csv"):
        return refused("fit", data_folder / data, "--model", model, "-o", tmp_path / "run")

    return call


def copy_of(model: Path, to: Path) -> Path:
    shutil.copytree(model, to)
    return to


def test_no_model_is_named(refused, data_folder, tmp_path):
    said = refused("fit", data_folder / "labelled.csv", "-o", tmp_path / "run")
    assert "--model" in said


def test_model_path_missing(refuse_model, tmp_path):
    said = refuse_model(tmp_path / "nowhere")
    assert "nowhere" in said
    assert "does not exist" in said


def test_hub_model_without_network(refuse_model):
    said = refuse_model("nobody/nothing")
    assert "nobody/nothing" in said


def test_not_a_model(refuse_model, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    assert "no config.json" in refuse_model(tmp_path / "photos")


def test_only_pickles(refuse_model, encoder, tmp_path):
    model = copy_of(encoder, tmp_path / "pickled")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    said = refuse_model(model)
    assert "pytorch_model.bin" in said
    assert "safetensors" in said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{ not json"),
        ("config.json", b'{"model_type": "no_such_model"}'),
        ("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00not json"),
        ("model.safetensors", b"\xff" * 64),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_file_of_the_model(refuse_model, encoder, tmp_path, name, content):
    model = copy_of(encoder, tmp_path / "damaged")
    (model / name).write_bytes(content)
    assert "damaged" in refuse_model(model)


def test_half_a_weights_file(refuse_model, encoder, tmp_path):
    model = copy_of(encoder, tmp_path / "half")
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "half" in refuse_model(model)


def test_missing_weights_are_not_made_up(refuse_model, encoder, tmp_path):
    from safetensors.torch import load_file, save_file

    model = copy_of(encoder, tmp_path / "holes")
    state = load_file(model / "model.safetensors")
    del state["encoder.layer.1.attention.self.query.weight"]
    save_file(state, model / "model.safetensors", metadata={"format": "pt"})
    said = refuse_model(model)
    assert "encoder.layer.1.attention.self.query.weight" in said


def test_a_model_of_the_wrong_kind(refuse_model, encoder):
    said = refuse_model(encoder, data="prompts.jsonl")
    assert "a causal language model for generation" in said
    assert "a text encoder" in said


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("kind", ["encoder", "causal_lm"])
def test_a_base_with_weights_that_are_no_numbers(request, refuse_model, tmp_path, kind, value):
    from safetensors.torch import load_file, save_file

    model = copy_of(request.getfixturevalue(kind), tmp_path / "nan")
    state = load_file(model / "model.safetensors")
    name = sorted(state)[3]
    state[name].view(-1)[-1] = float(value)
    save_file(state, model / "model.safetensors", metadata={"format": "pt"})
    said = refuse_model(model, data="labelled.csv" if kind == "encoder" else "prompts.jsonl")
    assert "NaN or infinity" in said
    assert name.removeprefix("model.") in said


# Folders


@pytest.fixture
def stranger(tmp_path):
    """A folder of the user's that is no run."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    return folder


def test_a_folder_that_is_no_run(refused, stranger, encoder, data_folder):
    data = data_folder / "labelled.csv"
    for call in (
        ("report", stranger),
        ("predict", stranger, "--text", "hello"),
        ("fit", data, "--model", encoder, "--resume", "-o", stranger),
    ):
        assert "holiday" in refused(*call)


def test_no_folder_at_all(refused, tmp_path, encoder, data_folder):
    data = data_folder / "labelled.csv"
    for call in (
        ("report", tmp_path / "gone"),
        ("predict", tmp_path / "gone", "--text", "hello"),
        ("fit", data, "--model", encoder, "--resume", "-o", tmp_path / "gone"),
    ):
        assert "gone" in refused(*call)
    assert "-o RUN" in refused("fit", data, "--model", encoder, "--resume")


def test_a_folder_with_something_in_it(refused, stranger, encoder, data_folder):
    data = data_folder / "labelled.csv"
    said = refused("fit", data, "--model", encoder, "-o", stranger)
    assert "notes.txt" in said


def test_an_earlier_run_is_not_written_over(refused, tmp_path, probed, encoder, data_folder):
    run = tmp_path / "run"
    shutil.copytree(probed.path, run)
    data = data_folder / "labelled.csv"
    assert "an earlier run" in refused("fit", data, "--model", encoder, "-o", run)
    assert "finished" in refused("fit", data, "--model", encoder, "-o", run, "--resume")


def test_a_file_in_the_way_of_the_folder(refused, stranger, encoder, data_folder):
    """What a read-only place answers too; root, under which this may run, can write anywhere."""
    data = data_folder / "labelled.csv"
    call = ("fit", data, "--model", encoder, "-o")
    assert "a file" in refused(*call, stranger / "notes.txt")
    assert "Not a directory" in refused(*call, stranger / "notes.txt" / "run")


def test_a_read_only_place(refused, tmp_path, encoder, data_folder):
    place = tmp_path / "locked"
    place.mkdir()
    place.chmod(0o555)
    try:
        try:
            (place / "probe").touch()
        except OSError:
            pass
        else:
            (place / "probe").unlink()
            pytest.skip("this user (root) may write into read-only folders")
        said = refused("fit", data_folder / "labelled.csv", "--model", encoder, "-o", place / "run")
        assert "Permission denied" in said
    finally:
        place.chmod(0o755)


def test_answers_and_plans_are_not_written_over(refused, tmp_path, probed, encoder, data_folder):
    old = tmp_path / "mine.txt"
    old.write_text("mine")
    data = data_folder / "labelled.csv"
    assert "exists" in refused("predict", probed.path, "--data", data, "-o", old)
    assert "exists" in refused("plan", data, "--model", encoder, "-o", old)


def test_a_run_whose_base_was_changed_since(refused, tmp_path, encoder, data_folder):
    """An adapter on another base would give other answers without a word."""
    from safetensors.torch import load_file, save_file

    import fewtune

    base = copy_of(encoder, tmp_path / "base")
    run = fewtune.fit(
        data_folder / "labelled.csv",
        str(base),
        settings={"method.name": "head", "select.rungs": []},
        output=tmp_path / "run",
    )
    state = load_file(base / "model.safetensors")
    state["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(state, base / "model.safetensors", metadata={"format": "pt"})
    assert "base model" in refused("predict", run.path, "--text", "hello")


# Settings


@pytest.fixture
def refuse_settings(refused, encoder, data_folder, tmp_path):
    def call(*settings):
        sets = [part for setting in settings for part in ("--set", setting)]
        data = data_folder / "labelled.csv"
        return refused("fit", data, "--model", encoder, "-o", tmp_path / "run", *sets)

    return call


def test_all_unknown_settings_are_named_at_once(refuse_settings):
    said = refuse_settings(
        "training.learning_rat=1e-4", "trainig.updates=3", "training.batch_size=0", "updates=9"
    )
    assert "4 faults" in said
    assert "training.learning_rat is unknown (Did you mean training.learning_rate)" in said
    assert "trainig is unknown (Did you mean training)" in said
    assert "updates is unknown (Did you mean training.updates)" in said
    assert "training.batch_size=0: Input should be greater than or equal to 1" in said


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("method.name=lroa", "Did you mean lora"),
        ("method.name=nowhere:Nothing", "package.module:Class"),
        ("method.options.rnk=3", "rnk=3"),
        ("method.options.rank=0", "rank=0"),
        ("monitors=[{name: early_stoping}]", "Did you mean early_stopping"),
        ("select.rungs=[hed]", "Did you mean head"),
        ("controls=[tf_idf]", "Did you mean tfidf"),
        ("controls=[base]", "a control for text_classification"),
        ("task.name=generation", "labelled text"),
        ("training.evaluations=500", "at most one evaluation an update"),
        ("training.updates=1.5", "training.updates=1.5"),
        ("data.test_share=0.95", "data.test_share=0.95"),
        ("training", "key=value"),
        ("training.updates.more=3", "training.updates"),
    ],
)
def test_a_setting_that_cannot_be(refuse_settings, setting, words):
    assert words in refuse_settings(setting)


def test_all_faults_of_a_plan_file_are_named_at_once(refused, encoder, data_folder, tmp_path):
    plan = tmp_path / "plan.yaml"
    values = {"model": str(encoder), "sed": 1, "training": {"update": 3, "warmup": 2}}
    plan.write_text(yaml.safe_dump(values))
    data = data_folder / "labelled.csv"
    said = refused("fit", data, "--plan", plan, "-o", tmp_path / "run")
    assert "plan.yaml" in said
    assert "3 faults" in said
    assert "sed is unknown (Did you mean seed)" in said
    assert "training.update is unknown (Did you mean training.updates)" in said
    assert "training.warmup=2" in said


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [1,\n", "\x00\x01", "model: 3\n"])
def test_a_plan_file_that_is_none(refused, encoder, data_folder, tmp_path, text):
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    call = ("fit", data_folder / "labelled.csv", "--model", encoder, "--plan", plan)
    assert "plan.yaml" in refused(*call, "-o", tmp_path / "run")


def test_other_options_that_cannot_be(refused, encoder, data_folder, tmp_path, probed):
    data = data_folder / "labelled.csv"
    run = ("-o", tmp_path / "run")
    fit = ("fit", data, "--model", encoder)
    assert "Did you mean quick" in refused(*fit, *run, "--effort", "quik")
    assert "no such file" in refused(*fit, *run, "--plan", tmp_path / "no.yaml")
    assert "neither" in refused("predict", probed.path)
    assert "both" in refused("predict", probed.path, "--text", "a", "--data", data)
    assert "Did you mean chat" in refused("demo", "chatt")


def test_an_unknown_option_is_typers_own_message(fewtune, data_folder):
    done = fewtune("fit", data_folder / "labelled.csv", "--modle", "minilm")
    assert done.code == 2
    assert "--modle" in done.err
    assert "Traceback" not in done.err


# While training


def test_nan_while_training_stops_at_that_update_and_saves_nothing(
    fewtune, encoder, data_folder, tmp_path
):
    run = tmp_path / "run"
    done = fewtune(
        "fit", data_folder / "labelled.csv", "--model", encoder, "-o", run, "--json",
        "--set", "training.updates=12", "--set", "select.rungs=[]", "--set", "method.name=lora",
        "--set", "regularizers=[{name: 'poison:Poison', options: {update: 5}}]",
    )  # fmt: skip
    assert done.code == 1
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "the loss is nan at update 5" in done.err.splitlines()[-1]
    assert not (run / "model").exists()
    assert not (run / "scores.json").exists()
    assert list(run.rglob("*.safetensors")) == []
    journal = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    steps = [event for event in journal if event["kind"] == "step"]
    assert [event["update"] for event in steps] == [1, 2, 3, 4, 5]
    assert steps[-1]["values"]["loss"] == "nan"
    told = [event for event in journal if event["kind"] == "monitor"]
    assert [(e["values"]["monitor"], e["values"]["action"]) for e in told] == [
        ("nonfinite", "abort")
    ]
    # The report tells of it too, from the journal alone.
    assert fewtune("report", run).code in (0, 2)


def test_memory_that_runs_out_is_told_and_the_fit_goes_on_later(causal_lm, data_folder, tmp_path):
    """Memory is really asked for, from torch, and refused."""
    import torch

    import fewtune
    from fewtune.errors import OutOfMemory

    def greedy(event):
        if event.kind == "step" and event.update == 3:
            torch.empty(1 << 50)

    settings = {
        "training.updates": 5, "training.evaluations": 1, "training.checkpoint_seconds": 0,
        "select.samples": 2,
    }  # fmt: skip
    run = tmp_path / "run"
    with pytest.raises(OutOfMemory) as told:
        fewtune.fit(
            data_folder / "prompts.jsonl", str(causal_lm), settings=settings, output=run,
            listeners=[greedy],
        )  # fmt: skip
    said = str(told.value)
    assert said.startswith("Expected enough memory. Got no more of it, for another")
    assert "training.tokens_per_batch" in said and "--resume" in said
    assert told.value.exit_code == 2
    done = fewtune.fit(data_folder / "prompts.jsonl", str(causal_lm), output=run, resume=True)
    assert done.verdict.decision in ("ship", "hold")
