from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import time

import pytest
import run_folders
from page import Page

from fewtune.errors import RunError
from fewtune.report import html

SECTIONS = ["verdict", "better", "cost", "training", "choices", "rows", "data", "making"]


def page_of(run):
    path = html.write(run)
    assert path == run / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def change(run, file, /, **values):
    content = json.loads((run / file).read_text(encoding="utf-8"))
    content.update(values)
    run_folders.write_json(run / file, content)


def test_a_finished_run_fills_every_section_with_its_own_figures(classification):
    page = page_of(classification)
    assert [s for s in SECTIONS if not page.has(s)] == []
    assert page.unbalanced == [] and page.stack == []
    assert "SHIP" in page.text("verdict")
    assert "the hardest by 5.6 points (1.3 to 10.0)" in page.text("verdict")
    better = page.text("better")
    assert "Accuracy on 160 test rows: 86.9% (95% interval 81.6–92.2%)." in better
    assert "Frozen base + logistic regression 81.2% 75.2–87.2%" in better
    assert "Frozen base + logistic regression +5.6 +1.3 to +10.0 better" in better
    assert "Always the most frequent class +74.4 +67.4 to +81.4 better" in better
    cost = page.text("cost")
    assert "Calibration error (ECE)" in cost and "4.1% 2.3–5.9% 160" in cost
    assert "Not measured in this run: forgetting, memorization, robustness." in cost
    assert "304,128 of 22,713,216 (1.3%)" in cost
    assert "431 MB estimated 384 MB" in cost
    training = page.text("training")
    assert "The weights of update 100 were kept." in training
    assert "Trained on the training rows. 150 updates in 32 s." in training
    assert "Validation loss has not improved for 3 evaluations" in training
    assert "LoRA: α = 0.75 was best on validation rows: 88.8% (81.7–94.8%)" in training
    assert "against 87.5% for the tuned weights alone" in training
    choices = page.text("choices")
    assert "LoRA chosen 87.5% 79.0–94.0% 80 31 s" in choices
    assert "Full fine-tuning came next, 2.5 points behind; intervals overlap" in choices
    data = page.text("data")
    assert "Train 320" in data and "Test 160" in data and "utterance → text" in data
    assert data.index("Conflicting targets") < data.index("Exact duplicates")
    assert "intents.csv:14, intents.csv:88 and 4 more" in data and "intents.csv:371" in data
    making = page.text("making")
    assert "method.options.rank 16" in making and "regularizers token_mask quantile=0.2" in making
    assert "2.13.0+cpu" in making
    assert "Under 1,000 rows, LoRA and a frozen probe are tried." in making


def test_every_wrong_row_is_counted_and_the_surest_stands_first(classification):
    lines = (classification / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    wrong = [r for r in rows if r["target"] != r["output"]]
    surest = max(wrong, key=lambda r: r["probability"])
    shown = page_of(classification).text("rows")
    assert f"{len(wrong)} of 160 test rows are wrong." in shown
    first = (
        f"Where {surest['input']} {surest['target']} {surest['output']} "
        f"{100 * surest['probability']:.1f}% {surest['source']}"
    )
    assert first in shown


def test_a_hold_says_so_and_what_to_do(tmp_path):
    run = run_folders.write_classification_run(tmp_path / "run", decision="hold")
    page = page_of(run)
    assert "HOLD Do not put this model to use yet." in page.text("verdict")
    assert "About 420 test rows would be enough" in page.text("verdict")
    assert "these rows cannot tell them apart, +5.6 points" in page.text("better")
    assert "+5.6 −2.4 to +13.6 cannot tell" in page.text("better")


def test_generation_shows_samples_side_by_side_and_losses_per_byte(generation):
    page = page_of(generation)
    shown = page.text("rows")
    assert "The first 4 different prompts of the test rows, not picked. 3 of these 4 ended" in shown
    assert "did not end" in shown
    assert (
        "Wanted The Vaults is a cheap pub near Café Adriatic, rated 1 out of 5. "
        "Base Once upon a time, there was a little girl named Lily. "
        "Tuned The Vaults is a cheap pub near Café Adriatic."
    ) in shown
    assert "2.500" in shown  # 2.5 nats a byte, by hand: loss is written as size × 2.5
    better = page.text("better")
    assert "0.631 nats/byte (95% interval 0.603–0.659). Lower is better." in better
    assert "better by 1.912 nats/byte" in better
    assert "Further left is better" in better
    cost = page.text("cost")
    assert "Base Tuned n" in cost and "11.0% 9.0–13.0% 42.0% 37.0–47.0% 8" in cost
    assert "the base model's is 812.00 on the same rows" in better


def test_a_new_measure_joins_by_being_in_the_scores(generation):
    cost = page_of(generation).text("cost")
    assert "Brand new measure" in cost and "0.0042 0.0032–0.0052 48" in cost


def test_scores_of_a_generator_are_named_and_what_cannot_be_said_is_said(generation):
    path = generation / "scores.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    drift = {"value": 0.25, "low": 0.2, "high": 0.3, "n": 64, "direction": "lower", "unit": "nats"}
    kept["scores"] |= {
        "drift": {"name": "drift", **drift},
        "memorization_near": {"name": "memorization_near", **drift, "unit": "share"},
    }
    kept["silences"] = {"forgetting": "the base has 0 of 9 probes <right>"}
    path.write_text(json.dumps(kept), encoding="utf-8")
    cost = page_of(generation).text("cost")
    assert "Divergence from the base on new inputs" in cost and "In nats." in cost
    assert "Trained rows nearly written out" in cost and "25.0% 20.0–30.0% 64" in cost
    assert "Probes forgotten: The base has 0 of 9 probes <right>." in cost


def test_text_of_the_user_is_never_markup(classification):
    evil = "<script>alert('x')</script>&amp;\"'"
    rows = (classification / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    row = json.loads(rows[0])
    row.update(input=evil, target=evil, output="<img src=x onerror=y>", source=evil,
               probability=0.999, correct=False)  # fmt: skip
    run_folders.write_lines(classification / "predictions.jsonl", [row, *map(json.loads, rows[1:])])
    verdict = {"decision": "hold", "reasons": [evil], "cures": [evil]}
    change(classification, "scores.json", verdict=verdict)
    finding = {"check": evil, "severity": evil, "rows": [evil] * 9, "evidence": evil, "cure": evil}
    certificate = {"sentences": [evil]}
    change(classification, "data.json", name=evil, labels=[evil], notes=[evil], test_file=evil,
           columns={evil: evil}, findings=[finding], certificate=certificate)  # fmt: skip
    change(classification, "environment.json", command=evil, **{evil: evil})
    with (classification / "journal.jsonl").open("a", encoding="utf-8") as journal:
        for kind, stage in (("choice", ""), ("monitor", evil), ("stage", evil), ("step", evil)):
            line = run_folders.event(
                kind, 60.0, stage, 3, what=evil, chosen=evil, reason=evil, sentence=evil,
                monitor=evil, action=evil, loss=1.0, alternatives=[{"name": evil, "value": 0.5}],
            )  # fmt: skip
            journal.write(json.dumps(line) + "\n")
    (classification / "plan.yaml").write_text(json.dumps({evil: evil, "reasons": {evil: evil}}))

    page = page_of(classification)
    names = {tag for tag, _ in page.tags}
    assert names & {"script", "img", "iframe", "link", "object"} == set()
    assert [a for _, attributes in page.tags for a in attributes if a.startswith("on")] == []
    assert page.unbalanced == [] and page.stack == []
    for section in ("verdict", "training", "choices", "rows", "data", "making"):
        assert "<script>alert('x')</script>&amp;\"'" in page.text(section), section


def test_nothing_is_fetched_from_anywhere(classification, generation):
    for run in (classification, generation):
        source = html.write(run).read_text(encoding="utf-8")
        page = Page(source)
        links = [
            value
            for _, attributes in page.tags
            for name, value in attributes.items()
            if name in ("src", "href", "xlink:href", "data") and not str(value).startswith("#")
        ]
        assert links == []
        assert re.findall(r"url\((?!#)|@import|file:", source) == []
        # Namespaces are names, not addresses.
        addresses = set(re.findall(r"https?://[^\"' <]+", source))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_wrong_images_are_seen_and_those_that_are_gone_are_named(classification, tmp_path):
    from PIL import Image

    there, gone = tmp_path / "there.png", tmp_path / "gone.png"
    Image.new("RGB", (640, 320), (200, 30, 30)).save(there)
    path = classification / "predictions.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record, file in zip(records, (there, gone), strict=False):
        record.update(input=str(file), target="one", output="two", correct=False, probability=0.999)
    run_folders.write_lines(path, records)
    change(classification, "data.json", shape="labelled_image")
    page = page_of(classification)
    pictures = {a["src"] for tag, a in page.tags if tag == "img"}
    (address,) = pictures
    kind, _, held = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(held))) as shown:
        assert shown.size == (160, 80)
        assert shown.getpixel((80, 40)) == pytest.approx((200, 30, 30), abs=8)
    assert str(gone) in page.text("rows")


def test_ids_are_unique_and_every_reference_inside_the_page_resolves(classification):
    page = page_of(classification)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    used = {a["xlink:href"][1:] for _, a in page.tags if "xlink:href" in a}
    values = [value or "" for _, a in page.tags for value in a.values()]
    used |= {name for value in values for name in re.findall(r"url\(#(.*?)\)", value)}
    assert used and used <= set(ids)


def test_plots_take_the_colours_of_the_page(classification):
    source = html.write(classification).read_text(encoding="utf-8")
    plots = re.findall(r'<svg class="plot".*?</svg>', source, flags=re.S)
    assert len(plots) == 3  # loss, accuracy, dial
    assert all("var(--accent)" in plot for plot in plots)
    assert [c for plot in plots for c in re.findall(r"#[0-9a-f]{6}", plot)] == []


def test_a_training_that_was_not_chosen_shows_its_best_update_and_claims_no_more(killed):
    page = page_of(killed)
    assert "best update" in page.text("training")
    assert "were kept" not in page.text("training")


def test_a_loss_per_token_and_a_loss_per_byte_never_share_an_axis(classification, generation):
    shown = page_of(generation).text("training")
    assert "training loss per token" in shown and "validation loss " not in shown
    assert "loss per byte on validation rows kept" in shown
    assert "training loss validation loss" in page_of(classification).text("training")
    drawn = [
        re.search(r'<svg class="plot"[^>]*Loss over updates.*?</svg>', source, flags=re.S)[0]
        for source in ((run / "report.html").read_text() for run in (generation, classification))
    ]
    # The page's accent is the colour of validation, the second colour that of training.
    assert ["var(--accent)" in plot for plot in drawn] == [False, True]
    assert all("var(--second)" in plot for plot in drawn)


def test_only_what_was_scored_on_the_same_rows_is_drawn_beside_a_curve(classification):
    """Controls are scored on test rows; the candidates of the choice on validation rows."""
    shown = page_of(classification).text("training")
    assert "accuracy on validation rows kept another candidate, on the same rows" in shown
    source = (classification / "report.html").read_text()
    plot = re.search(r'<svg class="plot"[^>]*Headline score.*?</svg>', source, flags=re.S)[0]
    assert "Frozen base + logistic regression" in plot and "Full fine-tuning" in plot
    assert "TF-IDF" not in plot and "most frequent" not in plot


def test_places_lose_their_folders_unless_two_files_share_a_name(classification):
    path = classification / "predictions.jsonl"
    there = path.read_text().replace('"intents_test.csv', '"/home/ada/a/intents_test.csv')
    path.write_text(there)
    change(classification, "data.json", parts={})
    assert "/home/ada" not in page_of(classification).text("rows")
    path.write_text(there.replace("/home/ada/a/intents_test.csv:8", "b/intents_test.csv:8"))
    assert "/home/ada/a/intents_test.csv:" in page_of(classification).text("rows")


@pytest.mark.parametrize(("other", "shown"), [("3.jpg", "1.jpg"), ("1.jpg", "imgs/cat/1.jpg")])
def test_images_of_one_name_in_two_folders_keep_them(classification, other, shown):
    """The source of an image is its file, with no line."""
    rows = [{"source": source, "input": source, "target": "cat", "output": "dog",
             "probability": 0.9, "loss": 1.0, "correct": False}
            for source in ("imgs/cat/1.jpg", f"imgs/dog/{other}")]  # fmt: skip
    run_folders.write_lines(classification / "predictions.jsonl", rows)
    change(classification, "data.json", parts={}, shape="labelled_image")
    assert f"90.0% {shown}" in page_of(classification).text("rows")


def test_each_candidate_shows_its_own_dial(classification):
    with (classification / "journal.jsonl").open("a") as journal:
        for alpha, value in ((0.5, 0.70), (1.0, 0.65)):
            line = run_folders.event("dial", 44.0, "full", 90, alpha=alpha, value=value, low=0.6,
                                     high=0.75, loss=1.0, chosen=alpha == 0.5)  # fmt: skip
            journal.write(json.dumps(line) + "\n")
    shown = page_of(classification).text("training")
    assert "LoRA: α = 0.75 was best on validation rows: 88.8%" in shown
    assert "Full fine-tuning: α = 0.5 was best on validation rows: 70.0% (60.0–75.0%)" in shown
    assert "against 65.0% for the tuned weights alone" in shown


def test_a_killed_run_says_how_far_it_came_and_how_to_go_on(killed):
    page = page_of(killed)
    verdict = page.text("verdict")
    assert "Unfinished This run ended before its verdict." in verdict
    # 100 lines less the damaged last: stage, then 98 lines of which 8 are evaluations.
    assert "The last thing it wrote was update 90 of LoRA, 28 s in." in verdict
    told = "fewtune fit 'my intents.csv' --model minilm -o runs/front_desk --resume"
    assert told in verdict
    assert "journal.jsonl:100" in verdict
    assert not page.has("better") and not page.has("cost") and not page.has("rows")
    assert page.has("training") and page.has("data")


def test_a_killed_run_that_python_began_is_not_sent_to_a_command_that_is_none(killed):
    """Neither is one whose folder was given another name since."""
    change(killed, "environment.json", command="train.py --fast")
    assert "train.py --fast --resume" not in page_of(killed).text("verdict")
    assert "again with -o runs/front_desk --resume" in page_of(killed).text("verdict")
    moved = killed.rename(killed.with_name("moved"))
    assert f"again with -o {moved} --resume" in page_of(moved).text("verdict")


@pytest.mark.parametrize(
    "missing",
    ["environment.json", "data.json", "journal.jsonl", "scores.json", "predictions.jsonl"],
)
def test_a_missing_file_costs_its_section_and_nothing_else(classification, missing):
    (classification / missing).unlink()
    page = page_of(classification)
    assert page.unbalanced == [] and page.stack == []
    gone = {"data.json": ["data"], "journal.jsonl": ["training"], "environment.json": [],
            "scores.json": ["better", "cost"], "predictions.jsonl": ["rows"]}  # fmt: skip
    assert [s for s in SECTIONS if not page.has(s)] == gone[missing]


def test_a_run_with_a_plan_only_has_a_page(classification):
    for file in classification.iterdir():
        if file.name != "plan.yaml":
            file.unlink()
    assert "It ended before its first step." in page_of(classification).text("verdict")


@pytest.mark.parametrize("name", ["plan.yaml", "environment.json", "data.json", "scores.json"])
@pytest.mark.parametrize("content", ["{", "[1]", "null", "\x00\x01", '{"verdict": 3, "parts": 1}'])
def test_a_damaged_file_is_told_or_left_out_and_never_a_traceback(classification, name, content):
    (classification / name).write_text(content)
    page = page_of(classification)
    assert page.unbalanced == []
    if content == "{":
        assert f"{name} cannot be read" in page.text("verdict")


def test_figures_that_are_no_numbers_are_shown_as_missing(classification):
    nan = float("nan")
    scores = {"accuracy": dict(run_folders.score("accuracy", 0.5, 0.1, 9), low=nan, high=None)}
    paired = {"frozen": dict(run_folders.score("accuracy", 0.1, 0.1, 9), low=nan)}
    change(classification, "scores.json", scores=scores, paired=paired)
    better = page_of(classification).text("better")
    assert "Accuracy on 9 test rows: 50.0% (interval unknown)." in better
    assert re.findall(r"\bnan\b", better.lower()) == []


def test_scores_that_are_all_equal_have_an_axis(classification):
    same = run_folders.score("accuracy", 1.0, 0.0, 9)
    change(classification, "scores.json", scores={"accuracy": same},
           controls={"majority": {"accuracy": same}},
           paired={"majority": run_folders.score("accuracy", 0.0, 0.0, 9)})  # fmt: skip
    assert "100.0%" in page_of(classification).text("better")


def test_lone_surrogates_null_bytes_and_long_texts_do_no_harm(classification):
    row = {"source": "a.csv:1", "input": "\ud800 x\x00y\u2028" + "z" * 5000, "target": "billing",
           "output": "cancel", "probability": 0.5, "loss": 3.0}  # fmt: skip
    (classification / "predictions.jsonl").write_text(json.dumps(row) + "\n")
    shown = page_of(classification).text("rows")
    assert "1 of 1 test rows are wrong." in shown
    assert "? x␀y" in shown
    assert "zzz… [5,006 characters]" in shown and "z" * 500 not in shown


def test_not_a_run(tmp_path, classification):
    for wrong in (tmp_path / "absent", tmp_path, classification / "plan.yaml"):
        with pytest.raises(RunError) as caught:
            html.write(wrong)
        assert str(wrong) in str(caught.value)
        assert caught.value.cure


def test_a_failed_write_leaves_the_old_page_and_no_scraps(classification, monkeypatch):
    html.write(classification)
    before = (classification / "report.html").read_bytes()
    names = sorted(os.listdir(classification))

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(RunError, match="No space left on device"):
        html.write(classification)
    assert (classification / "report.html").read_bytes() == before
    assert sorted(os.listdir(classification)) == names


def test_the_same_run_gives_the_same_page(classification):
    first = html.write(classification).read_bytes()
    assert html.write(classification).read_bytes() == first


def test_a_large_run_takes_under_three_seconds_and_stays_small(classification):
    with (classification / "journal.jsonl").open("a") as journal:
        for event in run_folders.training_events("full", 20_000, 60.0, "accuracy", seed=5):
            journal.write(json.dumps(event) + "\n")
    lines = (classification / "predictions.jsonl").read_text(encoding="utf-8")
    (classification / "predictions.jsonl").write_text(lines * 60, encoding="utf-8")
    # Time of this process: a busy machine does not make the report slower.
    start = time.process_time()
    path = html.write(classification)
    assert time.process_time() - start < 3
    assert path.stat().st_size < 400_000


def test_reading_a_run_needs_no_torch(classification):
    code = (
        "import sys; from pathlib import Path; from fewtune.report import card, html, tables;"
        "run = Path(sys.argv[1]); html.write(run); card.write(run); tables.summary(run);"
        "print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(classification)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
