"""Plans: YAML both ways, all faults at once, counts told beforehand, every key at work."""

from __future__ import annotations

import made_data
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.environment import device_name
from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.plan.counts import counts
from fewtune.plan.plan import Part, Plan, TrainingPlan, known_keys, read
from fewtune.plan.rules import propose, task_for
from fewtune.records import Dataset, Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train
from fewtune.verbs.prepare import prepare

# YAML's own writer does not bring back the three rare line ends that are no "\n".
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20)


@given(
    st.floats(1e-7, 1), st.integers(1, 10**6), st.lists(st.sampled_from(["head", "full"])),
    st.dictionaries(st.sampled_from(["text", "label"]), WORDS),
    st.sampled_from(["linear", "cosine", "constant"]), WORDS,
)  # fmt: skip
def test_yaml_both_ways(rate, updates, rungs, columns, schedule, reason):
    plan = Plan(model="m", reasons={"method.name": reason})
    plan.training.learning_rate, plan.training.updates = rate, updates
    plan.training.schedule = schedule
    plan.select.rungs = rungs
    plan.data.columns = columns
    plan.regularizers = [Part(name="l1", options={"strength": rate})]
    assert Plan(**yaml.safe_load(plan.to_yaml())) == plan


def test_a_file_is_read_as_it_was_written(tmp_path):
    plan = Plan(model="a/b", method=Part(name="lora", options={"rank": 4}))
    (tmp_path / "plan.yaml").write_text(plan.to_yaml())
    assert read(tmp_path / "plan.yaml") == plan


def test_changes_say_who_made_them_and_leave_the_rest():
    plan = Plan(model="m", reasons={"training.updates": "a rule", "method.name": "a rule"})
    changed = plan.changed({"training.updates": 7, "method.options.rank": 3})
    assert (changed.training.updates, changed.method.options) == (7, {"rank": 3})
    assert changed.reasons == {
        "training.updates": "set by the user", "method.name": "a rule",
        "method.options.rank": "set by the user",
    }  # fmt: skip
    assert plan.training.updates == 200


def test_another_method_does_not_inherit_what_the_first_was_told():
    told = {"name": "contrastive", "options": {"share": 0.5}}
    plan = Plan(model="m", method=told, reasons={"method.options": "a rule"})
    other = plan.changed({"method.name": "head"})
    assert (other.method.options, other.reasons) == ({}, {"method.name": "set by the user"})
    own = plan.changed({"method.name": "lora", "method.options.rank": 3})
    assert own.method.options == {"rank": 3}
    # The same one keeps what it was told.
    same = plan.changed({"method.name": "contrastive", "training.updates": 7})
    assert same.method.options == {"share": 0.5}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("training.lerning_rate", "Did you mean training.learning_rate"),
        ("learning_rate", "Did you mean training.learning_rate"),
        ("trainig", "Did you mean training"),
        ("select.batch_size", "Did you mean training.batch_size"),
        ("max_lenght", "Did you mean task.max_length"),
        ("qqqq", "See fewtune plan for all settings"),
    ],
)
def test_an_unknown_key_has_its_nearest_told(key, said):
    with pytest.raises(PlanError) as refused:
        Plan(model="m").changed({key: {"x": 1} if key == "trainig" else 1})
    assert f"{key} is unknown ({said})" in str(refused.value)


# Counts


def test_counts_by_hand():
    """100 rows in updates of 8: 13 an epoch. 60 updates, 7 evaluations: every 9, so 7 of them."""
    plan = TrainingPlan(updates=60, batch_size=8, evaluations=7, warmup=0.1)
    found = counts(plan, 100)
    assert (found.updates_per_epoch, found.evaluate_every, found.evaluations) == (13, 9, 7)
    assert found.warmup_updates == 6
    assert found.epochs == pytest.approx(60 / 13)
    assert "60 updates (4.6 epochs), warm-up 6, 7 evaluations (every 9 updates)" in found.sentence()
    assert counts(TrainingPlan(updates=10, batch_size=64), 5).updates_per_epoch == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"updates": 9, "evaluations": 10}, "at most one evaluation an update"),
        ({"updates": 1, "evaluations": 1, "warmup": 0.9}, "a warm-up that ends"),
    ],
)
def test_a_plan_that_would_never_evaluate_or_never_warm_up_is_refused(settings, words):
    with pytest.raises(PlanError, match=words):
        counts(TrainingPlan(**settings), 50)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 64), st.floats(0, 0.9))
def test_counts_hold_for_any_plan_that_is_taken(rows, updates, size, warmup):
    for evaluations in {1, min(10, updates), updates}:
        plan = TrainingPlan(
            updates=updates, batch_size=size, evaluations=evaluations, warmup=warmup
        )
        try:
            found = counts(plan, rows)
        except PlanError:
            assert round(warmup * updates) >= updates
            continue
        done = [u for u in range(1, updates + 1) if u % found.evaluate_every == 0 or u == updates]
        assert len(done) == found.evaluations <= evaluations
        assert found.warmup_updates < updates


# Rules


def dataset(shape, count=200):
    if shape == "labelled_text":
        rows = [Example(t, label, f"r:{i}") for i, (t, label) in
                enumerate(made_data.labelled(count // 3))]  # fmt: skip
    else:
        rows = [Example(a, b, f"r:{i}") for i, (a, b) in enumerate(made_data.prompts(count))]
    return Dataset(tuple(rows), shape, "made")


@pytest.mark.parametrize("effort", ["quick", "normal", "thorough"])
@pytest.mark.parametrize("shape", ["labelled_text", "prompt"])
@pytest.mark.parametrize("parameters", [300_000, 22_000_000, 7_000_000_000])
@pytest.mark.parametrize("rows", [12, 300, 100_000])
def test_what_the_rules_propose_can_be_carried_out(shape, parameters, effort, rows):
    plan = propose(dataset(shape), rows, model="m", parameters=parameters, effort=effort, seed=4)
    assert plan.task.name == task_for(shape)
    assert counts(plan.training, rows).evaluations >= 1
    assert Plan(**yaml.safe_load(plan.to_yaml())) == plan
    assert {"task.name", "method.name", "training.learning_rate", "training.updates"} <= set(
        plan.reasons
    )
    assert set(plan.reasons) <= set(known_keys())
    assert plan.seed == 4
    method = METHODS.load(plan.method.name)()
    low, usual, high = method.rates(parameters, plan.task.name)
    assert plan.training.learning_rate == usual
    # A lower rate learns less of a language model in any short trial; where a solver fits the head
    # after training, or `quick` asks for one rate, none is tried.
    tried = [high] if plan.task.name == "generation" else [low, high]
    assert plan.select.rates == ([] if effort == "quick" or method.solves_after else tried)


@pytest.mark.parametrize(("rows", "tried"), [(159, 0), (160, 2)])
def test_other_rates_are_tried_where_forty_images_are_left_to_judge(rows, tried):
    images = tuple(Example(f"{i}.png", "ab"[i % 2], f"{i}.png") for i in range(200))
    plan = propose(
        Dataset(images, "labelled_image", "made"), rows, model="m", parameters=4_000_000,
        effort="normal",
    )  # fmt: skip
    assert len(plan.select.rates) == tried
    assert plan.reasons["select.rates"].startswith("none" if not tried else "the learning rate")


@pytest.mark.parametrize("effort", ["quick", "normal"])
@pytest.mark.parametrize(
    ("budget", "weight", "last"),
    [(0.05, 2, False), (0.02, 2, False), (0.019, 4, True), (0.0, 2, False)],
)
def test_a_language_model_is_held_as_hard_as_its_budget_asks(budget, weight, last, effort):
    def proposed(**more):
        data = dataset("prompt")
        return propose(data, 120, model="m", parameters=300_000, effort=effort, **more)

    usual, plan = proposed(), proposed(general_loss=budget)
    hold = plan.regularizers[0]
    assert hold.name == "kl_to_base"
    # On what the base writes, and on passages of general text beside it.
    assert hold.options == {"weight": weight, "samples": 96, "passages": 120}
    # Kept are the last weights, and no mean of them, where there is one evaluation.
    assert (plan.training.evaluations, plan.training.averaged) == ((1, 0.0) if last else (10, 0.7))
    assert plan.training.updates == usual.training.updates
    # Its refit may be held less, and short trials do not try how hard to hold.
    assert plan.select.ease == 4
    tried = [guard.name for guard in plan.select.guards]
    assert tried == ([] if effort == "quick" else ["token_weight", "replay"])
    if tried:
        # Replay is of the rows that the plan's own guard holds on.
        assert plan.select.guards[1].options == {"samples": 96, "passages": 120}


def test_the_budget_that_is_set_is_the_one_that_the_hold_follows(tmp_path, causal_lm):
    path = tmp_path / "pairs.csv"
    pairs = "".join(f"what is {i},{i} of them\n" for i in range(30))
    path.write_text("prompt,completion\n" + pairs)
    found = prepare(path, str(causal_lm), settings={"budget.general_loss": 0.01})
    assert found.plan.regularizers[0].options["weight"] == 4.0
    own = {"budget.general_loss": 0.01, "regularizers": []}
    assert prepare(path, str(causal_lm), settings=own).plan.training.evaluations == 10
    with pytest.raises(PlanError, match=r"budget\.general_loss"):
        prepare(path, str(causal_lm), settings={"budget.general_loss": "little"})


# Every key changes behaviour: here, or in the test that is named.

ELSEWHERE = {
    "version": "refused when unknown: test_the_version_is_the_one_known",
    "model": "end_to_end/test_verbs: a plan is carried out without --model",
    "effort": "test_what_the_rules_propose_can_be_carried_out; a record once a plan is made",
    "seed": "trajectory: dropout; split and order below",
    "data.columns": "end_to_end/test_verbs: columns given by name",
    "data.test": "test_keys_of_data",
    "data.test_share": "test_keys_of_data",
    "data.validation_share": "test_keys_of_data",
    "data.by_time": "test_keys_of_data",
    "data.rotations": "end_to_end/test_rotations",
    "training.averaged": "trajectory: where nothing is evaluated the mean of the last is kept",
    "task.name": "end_to_end/test_bad_input: a task for other rows",
    "task.keep_classes": "unit/tasks/test_kept_classes",
    "task.old_rows": "unit/tasks/test_kept_classes",
    "task.flip": "unit/tasks/test_image_classification",
    "task.crop": "unit/tasks/test_image_classification",
    "task.rotation": "unit/tasks/test_image_classification",
    "task.color": "unit/tasks/test_image_classification",
    "select.guards": "unit/select/test_race",
    "select.folds": "unit/select/test_crossfit",
    "select.repeats": "unit/select/test_crossfit_repeated",
    "select.ease": "unit/select/test_ease",
    "select.refit": "unit/select/test_race: the winner is trained again on all known rows",
    "select.search": "unit/select/test_search",
    "select.seeds": "unit/select/test_thorough",
    "select.value_curve": "unit/select/test_thorough",
    "measure.probes": "end_to_end/test_measure_compare",
    "measure.earlier": "end_to_end/test_asked",
    "measure.canaries": "end_to_end/test_asked",
    "measure.harness": "unit/measures/test_harness; end_to_end/test_asked: refused",
    "budget.forgetting": "unit/select/test_guards",
    "budget.general_loss": "unit/select/test_guards",
    "training.head_first": "unit/select/test_head_and_rest",
    "method.name": "end_to_end/test_fit_folder: head, lora, full",
    "method.options": "unit/methods/test_saving: rank, rslora, dora",
    "regularizers": "end_to_end/test_bad_input: NaN while training",
    "augmentations": "unit/select/test_varied",
    "monitors": "test_keys_of_selection_and_monitors",
    "select.rungs": "end_to_end/test_fit_folder: a lone candidate",
    "select.rates": "test_keys_of_selection_and_monitors",
    "select.dial": "unit/select/test_choice; end_to_end/test_verbs",
    "select.samples": "end_to_end/test_fit_folder: 4 rows answered",
    "controls": "test_keys_of_selection_and_monitors",
    "reasons": "end_to_end/test_fit_folder: kept in plan.yaml and read by the report",
}
POINTS = [(1, 2, 1), (2, -1, 0), (-1, 1, 1), (3, 1, 1), (-2, -2, 0), (4, 1, 0)]


def trained(tmp_path, **settings):
    """Return what a training shows: weights, updates told, evaluations, and what it left."""
    task, heard = TwoParameterTask(), []
    tmp_path.mkdir(exist_ok=True)
    run = training(
        task, TwoParameters(0.5, 0.5), task.rows(*POINTS), tmp_path,
        **{"updates": 8, "batch_size": 4, "evaluations": 2, "learning_rate": 0.05, **settings},
    )  # fmt: skip
    run.journal.listeners.append(heard.append)
    batches = []
    collate = task.collate
    task.collate = lambda rows: batches.append(len(rows)) or collate(rows)
    train(run)
    return {
        "weights": run.model.w.tolist(),
        "steps": sum(event.kind == "step" for event in heard),
        "evaluations": sum(event.kind == "evaluation" for event in heard),
        "batches": batches,
        "checkpoint": run.folder.exists(),
    }


LOOP = {
    "training.learning_rate": (0.1, "weights"),
    "training.updates": (9, "steps"),
    "training.batch_size": (3, "batches"),
    "training.tokens_per_batch": (4, "batches"),
    "training.warmup": (0.5, "weights"),
    "training.schedule": ("constant", "weights"),
    "training.clip": (0.01, "weights"),
    "training.evaluations": (8, "evaluations"),
    "training.checkpoint_seconds": (0, "checkpoint"),
}


@pytest.mark.parametrize("key", LOOP)
def test_keys_of_the_loop(tmp_path, key):
    value, shown = LOOP[key]
    usual = trained(tmp_path / "usual")
    assert usual == trained(tmp_path / "again"), "two equal trainings differ"
    changed = trained(tmp_path / "changed", **{key.split(".")[1]: value})
    assert changed[shown] != usual[shown]


ROW = Example("name: Cotto, food: thai", "Cotto serves thai food.", "made:1")


def test_keys_of_the_task(causal_lm, encoder):
    def generation(**settings):
        return Generation(resolve(str(causal_lm)), TaskSettings(**settings), "prompt")

    def classification(**settings):
        task = TextClassification(resolve(str(encoder)), TaskSettings(**settings), labels=["a"])
        return task, task.load_model()

    assert generation().max_length() == 128
    assert generation(max_length=20).max_length() == 20
    cut = generation(max_length=20, truncation="left").encode([ROW])[0]
    assert cut.length == 20
    assert generation(max_length=20, truncation="right").encode([ROW])[0].ids != cut.ids
    assert generation(max_new_tokens=3).max_new_tokens == 3
    assert classification()[0].pooling == "mean"
    assert classification(pooling="first")[1].pooling == "first"
    rates = {m.p for m in classification(dropout=0.3)[1].modules() if type(m).__name__ == "Dropout"}
    assert rates == {0.3}


def test_label_smoothing_and_weight_decay_act_in_training(tmp_path, causal_lm):
    """On one model: the loss told grows by smoothing, matrices shrink by decay."""

    def first_loss_and_norm(smoothing, decay):
        task = Generation(
            resolve(str(causal_lm)), TaskSettings(label_smoothing=smoothing), "prompt"
        )
        heard = []
        run = training(
            task, task.load_model(), task.encode([ROW]), tmp_path, updates=2, batch_size=1,
            weight_decay=decay, learning_rate=0.05,
        )  # fmt: skip
        run.journal.listeners.append(heard.append)
        train(run)
        norm = sum(float(p.detach().norm()) for p in run.model.parameters() if p.ndim > 1)
        return [e.values["loss"] for e in heard if e.kind == "step"][1], norm

    loss, norm = first_loss_and_norm(0.0, 0.0)
    assert first_loss_and_norm(0.2, 0.0)[0] != pytest.approx(loss, rel=1e-4)
    assert first_loss_and_norm(0.0, 0.5)[1] < norm


def test_keys_of_data(data_folder, encoder, tmp_path):
    import fewtune

    def rows(**settings):
        test = settings.pop("data.test", None)
        made = fewtune.prepare(
            data_folder / "labelled.csv", str(encoder), test=test, settings=settings
        )
        judged = made.test if made.test is not None else made.split.test
        return len(made.split.train), len(made.split.validation), len(judged)

    usual = rows()
    assert rows(**{"data.test_share": 0.4})[2] > usual[2]
    assert rows(**{"data.rotations": 2})[2] > usual[2], "a half of the rows is each one's part"
    assert rows(**{"data.validation_share": 0.5})[1] > usual[1]
    assert rows(**{"data.test": data_folder / "labelled_test.csv"})[2] == 30
    dated = made_data.write_csv(
        tmp_path / "dated.csv",
        [(t, label, f"2024-01-{1 + i % 28:02}") for i, (t, label) in
         enumerate(made_data.labelled(20, seed=1))],
        ("text", "label", "time"),
    )  # fmt: skip
    made = fewtune.prepare(dated, str(encoder), settings={"data.by_time": True})
    newest = max(made.data[i].time for i in made.split.train)
    assert all(made.data[i].time >= newest for i in made.split.test)
    made = fewtune.prepare(dated, str(encoder))
    newest = max(made.data[i].time for i in made.split.train)
    assert not all(made.data[i].time >= newest for i in made.split.test)
    assert fewtune.prepare(dated, str(encoder), seed=1).split != made.split


def test_keys_of_selection_and_monitors(data_folder, causal_lm, tmp_path):
    """Rates make further candidates, a monitor stops them, and without a control nothing ships."""
    import json

    import fewtune

    run = fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        settings={
            "select.rates": [1e-3], "select.samples": 0, "training.updates": 8,
            "training.evaluations": 8, "monitors": [{"name": "early_stopping",
            "options": {"patience": 1, "least": 1e6}}], "controls": [],
            "training.learning_rate": 0.5,
            "training.precision": "float32", "regularizers": [],
        },
        output=tmp_path / "run",
    )  # fmt: skip
    journal = [json.loads(line) for line in (run.path / "journal.jsonl").read_text().splitlines()]
    stages = {event["stage"] for event in journal if event["kind"] == "step"}
    # Both race in trials of eight updates, the winner is trained in full.
    assert {"full~8", "full@0.001~8"} < stages
    assert len({"full", "full@0.001"} & stages) == 1
    assert {e["values"]["action"] for e in journal if e["kind"] == "monitor"} == {"stop"}
    # A short trial is evaluated so rarely that it may stop at its end; the full one is cut short.
    steps = [event["stage"] for event in journal if event["kind"] == "step"]
    assert len([stage for stage in steps if stage in {"full", "full@0.001"}]) < 8
    assert run.verdict.decision == "hold"
    assert run.controls == {}
    assert "ends_by_itself" not in run.scores


def test_precision_decides_what_the_forward_pass_computes_in(data_folder, causal_lm, tmp_path):
    import fewtune
    from fewtune.verbs.foreseen import task_of

    def kind(precision):
        made = fewtune.prepare(
            data_folder / "prompts.jsonl", str(causal_lm),
            settings={"training.precision": precision},
        )  # fmt: skip
        task = task_of(made)
        with task.autocast():
            ones = torch.ones(2, 2, device=device_name())
            return (ones @ ones).dtype

    assert kind("bf16") == torch.bfloat16
    assert kind("float32") == torch.float32
    assert kind("auto") == torch.float32, "a tiny model gains nothing from bfloat16"


def test_the_version_is_the_one_known():
    with pytest.raises(PlanError, match="version=2"):
        Plan(model="m").changed({"version": 2})


def test_no_key_is_without_a_test():
    """A new key needs a test that shows what it does, and its name in one of these lists."""
    here = set(LOOP) | set(ELSEWHERE) | {
        "task.max_length", "task.truncation", "task.pooling", "task.max_new_tokens",
        "task.dropout", "task.label_smoothing", "training.weight_decay", "training.precision",
    }  # fmt: skip
    assert set(known_keys()) == here


@pytest.mark.parametrize(
    ("rows", "effort", "keeps", "method"),
    [
        (15, "quick", False, "contrastive"),
        (15, "normal", False, "contrastive"),
        (60, "quick", False, "contrastive"),
        (60, "normal", False, "lora"),
        (100, "quick", False, "lora"),
        (15, "quick", True, "lora"),
    ],
)
def test_few_rows_a_class_are_compared_with_each_other(rows, effort, keeps, method):
    """Below 16 a class always, below 100 where time is short, never where classes are kept."""
    data = dataset("labelled_text")
    count = rows * len(data.labels)
    plan = propose(data, count, model="m", parameters=22_000_000, effort=effort, keeps=keeps)
    assert plan.method.name == method
    assert plan.select.rungs[0] == Part(name="head")
    assert plan.reasons["method.name"]
    tuned_here = method == "contrastive"
    assert (plan.select.dial == [0.5, 1.0]) == tuned_here
    assert (plan.training.batch_size == 48) == tuned_here


DEEPER = Part(name="contrastive", options={"share": 0.5})


def of_classes(count):
    """Return labelled texts of so many classes."""
    rows = [Example(f"text {i}", f"class {i}", f"r:{i}") for i in range(count)]
    return Dataset(tuple(rows), "labelled_text", "made")


@pytest.mark.parametrize(
    ("rows", "classes", "effort", "options", "updates"),
    [
        # Rows enough, and too few a class; both; enough a class, and too few in all.
        (360, 40, "quick", {}, 60),
        (360, 36, "quick", {"share": 0.5}, 90),
        (2000, 36, "quick", {"share": 0.5}, 90),
        (359, 7, "quick", {}, 60),
        (360, 7, "quick", {"share": 0.5}, 90),
        (359, 35, "normal", {}, 120),
        # More effort trains longer than that as it is.
        (432, 36, "normal", {"share": 0.5}, 120),
    ],
)
def test_more_rows_teach_more_of_an_encoder(rows, classes, effort, options, updates):
    """From 360 and ten a class half of the blocks train, where time is short half as long again."""
    data = of_classes(classes)
    plan = propose(data, rows, model="m", parameters=22_000_000, effort=effort)
    assert (plan.method.options, plan.training.updates) == (options, updates)
    assert ("method.options" in plan.reasons) == bool(options)


@pytest.mark.parametrize(
    ("rows", "effort", "keeps", "rungs"),
    [
        (9, "quick", False, [Part(name="head")]),
        (60, "quick", False, [Part(name="head")]),
        # From 16 rows a class on more effort tunes with the head, and tries this beside it.
        (60, "normal", False, [Part(name="head"), DEEPER]),
        (20, "normal", False, [Part(name="head"), Part(name="contrastive")]),
        (100, "normal", False, [Part(name="head")]),
        # Answers of old classes cannot be held while rows are compared.
        (60, "normal", True, [Part(name="head")]),
    ],
)
def test_the_cheaper_methods_of_a_text_classifier(rows, effort, keeps, rungs):
    data = of_classes(8)
    plan = propose(data, 8 * rows, model="m", parameters=22_000_000, effort=effort, keeps=keeps)
    assert plan.select.rungs == rungs
    assert ("half of the blocks" in plan.reasons["select.rungs"]) == (DEEPER in rungs)


def test_a_name_alone_is_a_part_without_options():
    plan = Plan(model="m").changed({"select.rungs": ["head"], "regularizers": ["sam"]})
    assert plan.select.rungs == [Part(name="head")]
    assert plan.regularizers == [Part(name="sam")]
    assert Plan(model="m", method="head").method == Part(name="head")
    with pytest.raises(PlanError, match=r"select\.rungs\.0"):
        Plan(model="m").changed({"select.rungs": [3]})


def test_a_method_set_by_its_name_alone_leaves_the_others_options_and_their_reason():
    plan = Plan(
        model="m",
        method=Part(name="contrastive", options={"share": 0.5}),
        reasons={"method.options": "a rule"},
    )
    changed = plan.changed({"method": "head"})
    assert changed.method == Part(name="head")
    assert changed.reasons == {"method": "set by the user"}


def test_a_method_that_trains_with_its_head_has_no_such_options():
    data = dataset("labelled_text")
    plan = propose(data, 60 * len(data.labels), model="m", parameters=22_000_000, method="lora")
    assert plan.method.options == {}
