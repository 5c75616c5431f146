"""Figures worked out by hand: rows, comparisons, choices, curves, words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import run_folders
from hypothesis import given
from hypothesis import strategies as st

from fewtune.records import Event, Score
from fewtune.report import comparison, plots, rows, rules, training, words
from fewtune.report.choices import choices
from fewtune.report.folder import RunContents, as_score, read


def folder(task="text_classification", events=(), predictions=(), data=None, **scores):
    return RunContents(
        path=Path("run"), plan={"task": task}, environment={}, data=data or {}, scores=scores,
        events=tuple(events), predictions=tuple(predictions), faults=(),
    )  # fmt: skip


def prediction(target, output, probability=0.5, **more):
    return {"source": "f:1", "input": "x", "target": target, "output": output,
            "probability": probability, "loss": 1.0, **more}  # fmt: skip


# Rows


def test_class_figures_by_hand():
    given_rows = [("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 6 + [("c", "b")] * 2
    run = folder(predictions=[prediction(t, o) for t, o in given_rows])
    c, a, b = rows.class_figures(run)
    assert (a.label, a.hits, a.n, a.given) == ("a", 3, 4, 3)
    assert a.recall.value == 0.75 and a.precision is not None and a.precision.value == 1
    # Wilson, 3 of 4: centre (0.75 + 1.92073/4) / (1 + 3.84146/4); from a printed table.
    assert a.recall.low == pytest.approx(0.30064, abs=1e-4)
    assert a.recall.high == pytest.approx(0.95441, abs=1e-4)
    assert (b.recall.value, b.precision.value, b.precision.n) == (1.0, pytest.approx(6 / 9), 9)
    assert c.recall.value == 0 and c.precision is None
    assert c.recall.low == 0 and c.recall.high < 1


def test_confusions_leave_out_pairs_seen_once_where_others_repeat():
    pairs = [("a", "b")] * 3 + [("b", "a")] * 2 + [("a", "c")] + [("a", "a")] * 4
    run = folder(predictions=[prediction(t, o) for t, o in pairs])
    found = [(c.target, c.output, c.count, c.of) for c in rows.confusions(run)]
    assert found == [("a", "b", 3, 8), ("b", "a", 2, 2)]
    once = folder(predictions=[prediction("a", "b"), prediction("c", "a")])
    assert len(rows.confusions(once)) == 2


def test_worst_rows_of_a_classifier_are_the_wrong_ones_surest_first():
    run = folder(predictions=[
        prediction("a", "a", 0.99, loss=9.0), prediction("a", "b", 0.6), prediction("a", "c", 0.9),
    ])  # fmt: skip
    assert [r.output for r in rows.worst(run)] == ["c", "b"]


def test_worst_rows_of_a_generator_are_judged_per_byte():
    def text(source, loss, size):
        return {"source": source, "target": "t", "output": None, "loss": loss, "bytes": size}

    run = folder("generation", predictions=[text("long", 60, 100), text("short", 9, 10)])
    assert [(r.source, r.loss) for r in rows.worst(run)] == [("short", 0.9), ("long", 0.6)]


def test_a_long_chat_is_shown_from_its_end():
    row = prediction("t", None, input="user: first\n" + "x" * 1000 + "\nuser: last?")
    assert rows.worst(folder("generation", predictions=[row], data={"shape": "chat"}))[
        0
    ].input.endswith("user: last?")
    assert "last?" not in rows.worst(folder("generation", predictions=[row]))[0].input


# Comparisons


def share(value, low, high, n=100, direction="higher"):
    return {"name": "accuracy", "value": value, "low": low, "high": high, "n": n,
            "direction": direction, "unit": "share"}  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "direction", "sense"),
    [
        (0.01, 0.2, "higher", "better"),
        (-0.2, -0.01, "higher", "worse"),
        (-0.1, 0.2, "higher", "unclear"),
        (0.0, 0.2, "higher", "unclear"),
        (0.01, 0.2, "lower", "worse"),
        (-0.2, -0.01, "lower", "better"),
        (math.nan, 0.2, "higher", "unclear"),
    ],
)
def test_a_difference_is_clear_only_where_its_interval_is_clear_of_zero(
    low, high, direction, sense
):
    run = folder(
        scores={"accuracy": share(0.8, 0.7, 0.9)}, paired={"x": share(0.1, low, high, 9, direction)}
    )
    assert comparison.differences(run)[0].sense == sense


def test_the_hardest_control_stands_first_whichever_way_is_better():
    paired = {"a": share(0.2, 0.1, 0.3), "b": share(0.05, 0.0, 0.1), "c": share(-0.1, -0.2, 0.0)}
    assert [d.control for d in comparison.differences(folder(paired=paired))] == ["C", "B", "A"]
    lower = {k: dict(v, direction="lower") for k, v in paired.items()}
    assert [d.control for d in comparison.differences(folder(paired=lower))] == ["A", "B", "C"]


def test_contestants_are_ordered_best_first_and_the_base_is_one():
    def loss(value):
        return {"loss_per_byte": share(value, value - 0.1, value + 0.1, direction="lower")}

    run = folder(
        "generation",
        headline="loss_per_byte",
        scores=loss(0.6),
        controls={"base": loss(2.5), "few_shot": loss(1.5)},
    )
    assert [b.score.value for b in comparison.contest(run, "loss_per_byte")] == [0.6, 1.5, 2.5]
    assert run.base()["loss_per_byte"].value == 2.5
    assert folder(controls={"frozen": {"accuracy": share(0.7, 0.6, 0.8)}}).base()


def test_an_axis_has_round_ticks_and_tells_far_controls_by_an_arrow():
    def score(value, half):
        return Score("accuracy", value, value - half, value + half, 9, "higher", "share")

    near, far = [score(0.87, 0.05), score(0.81, 0.06)], score(0.01, 0.01)
    made = comparison.axis([*near, far])
    assert (made.low, made.high) == (pytest.approx(0.75), pytest.approx(0.95))
    assert [label for _, label in made.ticks] == ["75", "80", "85", "90", "95"]
    assert [made.off(s) for s in (*near, far)] == ["", "", "left"]
    assert made.place(made.low) == 2 and made.place(made.high) == 98 and made.place(-5) == 2


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1))
def test_an_axis_holds_every_score_that_it_does_not_mark_as_off(triples):
    scores = []
    for triple in triples:
        low, value, high = sorted(triple)
        scores.append(Score("accuracy", value, low, high, 9, "higher", "share"))
    made = comparison.axis(scores)
    assert made.low < made.high and len(made.ticks) >= 2
    assert made.off(scores[0]) == ""
    for score in scores:
        if not made.off(score):
            assert made.low - 1e-9 <= score.value <= made.high + 1e-9


def test_other_scores_are_grouped_by_what_they_ask_and_before_stands_beside_after():
    names = ["accuracy", "kl_to_base", "forgetting_cloze", "ece", "extraction_verbatim", "novel"]
    run = folder(
        scores={n: dict(share(0.1, 0, 0.2), name=n) for n in names},
        controls={
            "majority": {"accuracy": share(0.1, 0, 0.2), "ece": share(0.9, 0.8, 1)},
            "frozen": {"accuracy": share(0.1, 0, 0.2), "ece": share(0.3, 0.2, 0.4)},
        },
    )
    found = [(m.group, m.after.name) for m in comparison.others(run)]
    assert found == [
        ("forgetting", "kl_to_base"), ("forgetting", "forgetting_cloze"),
        ("memorization", "extraction_verbatim"), ("calibration", "ece"), ("other", "novel"),
    ]  # fmt: skip
    before = {m.after.name: m.before.value for m in comparison.others(run) if m.before}
    assert before == {"ece": 0.3}
    assert comparison.unmeasured(run) == ["robustness", "generalization"]


def test_what_a_measure_says_of_the_base_stands_beside_the_tuned_model():
    run = folder(
        "generation",
        headline="loss_per_byte",
        scores={n: dict(share(v, 0, 1), name=n) for n, v in (("chrf", 0.4), ("chrf_base", 0.1))},
    )
    ((name, before),) = [(m.after.name, m.before) for m in comparison.others(run)]
    assert name == "chrf" and before is not None and before.value == 0.1


def test_the_rule_of_thumb_for_perplexity_names_the_bases():
    def perplexity(value):
        return {"perplexity": dict(share(value, 1, 99, direction="lower"), unit="per token")}

    run = folder("generation", scores=perplexity(4.4), controls={"base": perplexity(61.0)})
    ((rule, _),) = rules.beside_rules(run)
    assert rule.ours == "the base model's is 61.00 on the same rows"


@pytest.mark.parametrize(("value", "says"), [(0.86, "good"), (0.8, "in between"), (0.7, "inv")])
def test_the_rule_of_thumb_for_accuracy(value, says):
    ((rule, score),) = rules.beside_rules(folder(scores={"accuracy": share(value, 0, 1)}))
    assert rule.says.startswith(says) and score.value == value
    assert rule.ours == "means little without a control"


def trained_with(losses, per_epoch=4):
    said = {"name": "full", "sentence": "training full", "updates_per_epoch": per_epoch}
    steps = [Event("step", "full", at, values={"loss": y}) for at, y in enumerate(losses, 1)]
    return folder(
        task="generation",
        events=[Event("stage", values=said), *steps],
        chosen={"method": "full", "updates": len(losses)},
    )


def test_the_rule_of_thumb_for_a_loss_that_no_longer_changes():
    # 0.05 an update are 0.2 in an epoch of four; the first updates are long ago.
    falling = trained_with([9.0] * 5 + [3 - 0.05 * at for at in range(20)])
    ((rule, score),) = rules.beside_rules(falling)
    assert score.value == pytest.approx(-0.2) and score.n == 10
    assert score.high == pytest.approx(-0.2)
    assert rule.says == "not converged" and "surely falling" in rule.ours
    ((rule, score),) = rules.beside_rules(trained_with([1.0, 1.2, 1.2, 1.0] * 5))
    # Deviations −4.5 … 4.5 times 0.1, −0.1, then −0.1, 0.1, 0.1, −0.1 twice: −0.1 over 82.5.
    assert score.value == pytest.approx(4 * -0.1 / 82.5) and score.low < 0 < score.high
    assert rule.says == "converged" and "cannot be told" in rule.ours
    # 0.0004 in an epoch, of a loss of three: sure, and nothing.
    ((rule, score),) = rules.beside_rules(trained_with([3 - 0.0001 * at for at in range(20)]))
    assert score.high < 0 and rule.ours.startswith("flat")
    assert rules.beside_rules(trained_with([1.0] * 9)) == []
    assert rules.beside_rules(trained_with([1.0] * 20, per_epoch=0)) == []


def test_scores_that_hold_no_number_are_no_scores():
    assert as_score({"value": "high"}) is None and as_score(None) is None
    assert as_score({"value": True}) is None and as_score({"value": math.nan}) is None
    score = as_score({"value": 1, "low": math.inf}, "x")
    assert score is not None and score.name == "x" and math.isnan(score.low)


# Choices


def choice(chosen, *alternatives, **values):
    tried = [
        {"name": n, "value": v, "low": v - 0.05, "high": v + 0.05, "n": 80, "seconds": 1}
        for n, v in alternatives
    ]
    return Event("choice", values={"what": "w", "chosen": chosen, "alternatives": tried, **values})


@pytest.mark.parametrize(
    ("event", "flips"),
    [
        (choice("a", ("a", 0.9), ("b", 0.85)), "B came next, 5.0 points behind; intervals overlap"),
        (choice("a", ("a", 0.9), ("b", 0.5)), "do not overlap: the choice is firm"),
        (choice("a", ("a", 0.8), ("b", 0.83)), "B scored 3.0 points better, inside the noise"),
        (choice("a", ("a", 0.8), ("b", 0.8)), "B scored the same"),
        (choice("a", ("a", 0.4), ("b", 0.5), direction="lower"), "B came next, 10.0 points behind"),
        (choice("a", ("a", 0.9), ("b", 0.5), flips="Told."), "Told."),
        (choice(0.5, (0.5, 0.9), (1.0, 0.8), unit="nats"), "1 came next, 0.100 nats behind"),
    ],
)
def test_what_would_flip_a_choice(event, flips):
    (found,) = choices(folder(events=[event]))
    assert flips in found.flips
    assert sum(a.chosen for a in found.alternatives) == 1


def test_a_choice_without_rivals_or_values_stands_alone():
    lone, bare = choices(folder(events=[choice("a", ("a", 0.9)), Event("choice")]))
    assert lone.flips == "" and bare.alternatives == ()


# Training


def test_curves_are_read_by_stage_and_a_resumed_update_counts_once():
    def step(update, loss, stage="full"):
        return Event("step", stage, update, float(update), {"loss": loss})

    def evaluation(update, loss):
        return Event("evaluation", "full", update, float(update), {"validation_loss": loss})

    run = folder(
        events=[
            step(1, 5.0), step(2, 4.0), evaluation(2, 3.0), step(2, 4.5), step(3, math.nan),
            evaluation(4, 2.0), evaluation(6, 2.5), step(1, 1.0, "lora"),
        ],
    )  # fmt: skip
    full, lora = training.trainings(run)
    assert full.loss == ((1, 5.0), (2, 4.5))
    assert full.validation == ((2, 3.0), (4, 2.0), (6, 2.5))
    assert (full.kept, full.is_chosen, full.updates) == (4, False, 6)
    assert lora.kept is None and lora.validation == ()
    flagged = [Event("evaluation", "full", 2, 2.0, {"validation_loss": 3.0, "best": True})]
    assert training.trainings(folder(events=[*run.events, *flagged]))[0].kept == 2
    told = folder(events=run.events, chosen={"method": "lora", "updates": 1})
    assert [t.stage for t in training.trainings(told)] == ["lora", "full"]
    assert training.trainings(told)[0].is_chosen


def test_a_long_curve_is_thinned_to_means():
    long = tuple((float(i), float(i % 2)) for i in range(4800))
    thin = plots._thinned(long)
    assert len(thin) == 240 and {y for _, y in thin} == {0.5} and thin[0][0] == 9.5


# Words


def test_explanations_of_measures_are_their_files_own_first_lines(monkeypatch, tmp_path):
    package = tmp_path / "fake_measures"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "surprise.py").write_text(
        '"""Surprise: how surprised it is.\n\nMore."""\nraise SystemExit'
    )
    monkeypatch.syspath_prepend(tmp_path)

    class Fake(words.Family):
        def __init__(self, _, *rest):
            super().__init__("fake_measures", *rest)

    monkeypatch.setattr(words, "Family", Fake)
    assert words.explain("surprise") == words.explain("surprise_of_rows") == "How surprised it is."
    assert words.explain("unheard_of") == ""


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 5, "0%"), (5, 5, "100%"), (4999, 5000, "99.98%"), (10**6 - 1, 10**6, "99.99%"),
     (1, 3, "33%"), (1, 1000, "0.1%")],
)  # fmt: skip
def test_percent(part, whole, said):
    assert words.percent(part, whole) == said


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["share", "", "bits"]))
def test_any_figure_can_be_said(value, unit):
    assert words.figure(value, unit) and words.amount(value, unit) and words.difference(value, unit)


# The folder


def test_a_line_separator_in_a_users_text_does_not_end_a_line(classification):
    record = json.dumps({"input": "a\u2028b\x85c", "target": "t"}, ensure_ascii=False)
    (classification / "predictions.jsonl").write_text(f"{record}\n[1]\n\nnot json\n", "utf-8")
    run = read(classification)
    assert [r["input"] for r in run.predictions] == ["a\u2028b\x85c"]
    assert run.faults == ("Not readable and left out: predictions.jsonl:2, predictions.jsonl:4.",)


def test_names_of_folder_and_data(classification, monkeypatch):
    monkeypatch.chdir(classification)
    assert read(Path(".")).name == "front_desk"
    assert read(Path(".")).data_name == "examples/front_desk/intents.csv"
    content = json.loads(Path("data.json").read_text("utf-8"))
    run_folders.write_json(Path("data.json"), {**content, "name": "/home/ada/secret/intents.csv"})
    assert read(Path(".")).data_name == "intents.csv"
    Path("plan.yaml").write_text("model: /home/ada/models/stories260K/\n")
    assert read(Path(".")).model == "stories260K"


def test_an_early_end_still_knows_its_task(killed):
    (killed / "plan.yaml").write_text("model: minilm\n")
    run = read(killed)
    assert run.task == "text_classification" and run.headline == "accuracy"
    assert not run.finished and run.seconds == pytest.approx(27.9, abs=0.3)
