"""What every family keeps, for each file of its folder: a new file is tested once it exists."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import subprocess
import sys

import pytest
import torch
from pydantic import BaseModel
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.checks.base import CHECKS
from fewtune.diagnoses.base import DIAGNOSES
from fewtune.errors import PlanError
from fewtune.family import Configured, Family
from fewtune.measures.base import MEASURES
from fewtune.methods.base import METHODS
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import TASKS
from fewtune.train.monitors.base import GO, MONITORS, Advice, Evaluation, Step

FAMILIES = {
    "checks": CHECKS,
    "diagnoses": DIAGNOSES,
    "measures": MEASURES,
    "methods": METHODS,
    "monitors": MONITORS,
    "regularizers": REGULARIZERS,
    "tasks": TASKS,
}
MEMBERS = [(name, member) for name, family in FAMILIES.items() for member in family.names()]


@pytest.mark.parametrize(("family", "name"), MEMBERS)
def test_a_member_is_what_its_file_says(family, name):
    known = FAMILIES[family]
    member = known.load(name)
    assert issubclass(member, known.base)
    assert not inspect.isabstract(member)
    help_line = known.help(name)
    assert help_line.endswith(".")
    assert 10 < len(help_line) <= 120
    assert help_line == (importlib.import_module(member.__module__).__doc__ or "").split("\n")[0]
    assert known.load(f"{member.__module__}:{member.__name__}") is member
    assert inspect.getdoc(member)


@pytest.mark.parametrize(
    ("family", "name"), [m for m in MEMBERS if m[0] in ("methods", "monitors", "regularizers")]
)
def test_options_are_documented_and_strangers_refused(family, name):
    member = FAMILIES[family].load(name)
    assert issubclass(member, Configured)
    assert issubclass(member.Options, BaseModel)
    for option, field in member.Options.model_fields.items():
        assert field.description, f"{option} has no description"
    with pytest.raises(PlanError, match="no_such_option"):
        member({"no_such_option": 1})
    required = [k for k, field in member.Options.model_fields.items() if field.is_required()]
    if not required:
        made = member()
        assert made.name == name
        json.dumps(made.options.model_dump(mode="json"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_name_has_the_nearest_told(family):
    known = FAMILIES[family]
    name = known.names()[0]
    with pytest.raises(PlanError, match=f"Did you mean {name}"):
        known.load(name[:-1] + "_")
    with pytest.raises(PlanError, match=r"package\.module:Class"):
        known.load("no_such_package:Thing")
    with pytest.raises(PlanError, match="derives from"):
        known.load("collections:OrderedDict")


def test_listing_and_help_import_nothing():
    code = (
        "from fewtune.family import Family\n"
        "import sys\n"
        "methods = Family('fewtune.methods', object, 'method')\n"
        "assert 'lora' in methods.names() and methods.help('lora')\n"
        "print(*[m for m in sys.modules if m in ('torch', 'fewtune.methods.lora')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_a_file_with_two_members_is_a_fault_of_ours(tmp_path, monkeypatch):
    folder = tmp_path / "made_family"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "twins.py").write_text("class A(dict): ...\nclass B(dict): ...\n")
    (folder / "_hidden.py").write_text("")
    (folder / "lone.py").write_text('"""A lone one."""\nclass C(dict): ...\nclass _D(dict): ...\n')
    monkeypatch.syspath_prepend(tmp_path)
    made = Family("made_family", dict, "thing")
    assert made.names() == ["lone", "twins"]
    assert made.help("lone") == "A lone one."
    assert made.load("lone").__name__ == "C"
    with pytest.raises(TypeError, match="must define one dict"):
        made.load("twins")


# Monitors


@pytest.mark.parametrize("name", MONITORS.names())
def test_a_monitor_keeps_plain_values_and_lets_a_healthy_training_go(name, tmp_path):
    """Its state goes through JSON and back in the middle, as in a resume, and changes nothing."""
    task = TwoParameterTask()
    rows = task.rows((1, 0, 1), (0, 1, 0), (1, 1, 1), (2, 1, 0))

    def watched(interrupted):
        monitor = MONITORS.load(name)()
        run = training(task, TwoParameters(), rows, tmp_path, monitors=[monitor], updates=60)
        getattr(monitor, "start", lambda run: None)(run)
        said = []
        for update in range(1, 61):
            run.update = update
            said.append(monitor.after_step(run, Step(update, 1 / update + 0.2, 1.0, 0.01)))
            if update % 6 == 0:
                loss = 0.9 / update + 0.3
                found = Evaluation(update, loss, 0.01, 1 - loss, 1)
                run.evaluations.append(found)
                said.append(monitor.after_evaluation(run, found))
            kept = json.loads(json.dumps(monitor.state))
            if interrupted:
                monitor = MONITORS.load(name)()
                getattr(monitor, "start", lambda run: None)(run)
                monitor.state = kept
        return said

    said = watched(False)
    assert all(isinstance(advice, Advice) for advice in said)
    assert [a for a in said if a.action in ("stop", "roll back", "abort")] == []
    if name != "time_budget":
        assert watched(True) == said


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nonfinite_aborts(value):
    monitor = MONITORS.load("nonfinite")()
    assert monitor.after_step(None, Step(1, 0.5, 1.0, 0.1)) == GO
    assert monitor.after_step(None, Step(2, value, 1.0, 0.1)).action == "abort"
    assert monitor.after_step(None, Step(3, 0.5, value, 0.1)).action == "abort"
    assert monitor.after_evaluation(None, Evaluation(4, value, 0.1, 0.5, 1)).action == "abort"


def test_divergence_by_hand():
    """Means of 2: 1.0 lowest; alarms above 2 × 1.0 + 0.5 = 2.5, so at (1 + 4.2) / 2 = 2.6."""
    monitor = MONITORS.load("divergence")({"window": 2})
    losses = [1.0, 1.0, 1.0, 3.8, 1.0, 1.0, 4.2]
    said = [monitor.after_step(None, Step(i, x, 1.0, 0.1)) for i, x in enumerate(losses)]
    assert [advice.action for advice in said] == ["go"] * 6 + ["roll back"]
    assert said[-1].figure == pytest.approx(2.6)


def test_early_stopping_by_hand():
    """Least improvement 0.1 × 0.05 = 0.005: 0.996 is none; a better headline is one."""
    monitor = MONITORS.load("early_stopping")({"patience": 2})
    script = [(1.0, 0.5), (0.996, 0.5), (0.99, 0.5), (1.0, 0.5), (1.1, 0.6), (1.1, 0.6), (1.1, 0.6)]
    said = [
        monitor.after_evaluation(None, Evaluation(i, loss, 0.05, headline, 1)).action
        for i, (loss, headline) in enumerate(script)
    ]
    assert said == ["go", "go", "go", "go", "go", "go", "stop"]


# Methods


@pytest.mark.parametrize("name", METHODS.names())
@pytest.mark.parametrize("kind", ["generation", "text_classification"])
def test_a_method_trains_some_parameters_and_brings_them_back(
    name, kind, causal_lm, encoder, tmp_path
):
    import made_data

    from fewtune.models.load import resolve
    from fewtune.records import Example
    from fewtune.tasks.base import TaskSettings
    from fewtune.train.loop import train

    if kind not in METHODS.load(name).tasks:
        pytest.skip(f"{name} is not for {kind}")
    if kind == "generation":
        task = TASKS.load(kind)(resolve(str(causal_lm)), TaskSettings(dropout=0.0), "prompt")
        made = [Example(a, b, f"m:{i}") for i, (a, b) in enumerate(made_data.prompts(6))]
    else:
        labels = ["billing", "booking", "results"]
        task = TASKS.load(kind)(resolve(str(encoder)), TaskSettings(dropout=0.0), labels=labels)
        made = [Example(t, y, f"m:{i}") for i, (t, y) in enumerate(made_data.labelled(2))]
    rows = task.encode(made)
    run = training(task, task.load_model(), rows, tmp_path, updates=3)
    run.method = METHODS.load(name)()
    run.model = run.method.prepare(task.load_model(), task)
    trainable = [p for p in run.model.parameters() if p.requires_grad]
    assert trainable
    if run.method.solves_after:
        # A head of zeros, which only a solver will change, hides what the states do.
        torch.nn.init.normal_(run.model.head.weight)
    low, usual, high = run.method.rates(20_000_000, "generation")
    assert 0 < low < usual < high <= 1
    before = task.outcomes(run.model, rows).losses
    train(run)
    after = task.outcomes(run.model, rows).losses
    assert abs(after - before).max() > 1e-6, "training changed nothing"
    folder = tmp_path / "model"
    folder.mkdir()
    run.method.save(run.model, task, folder)
    assert {p.suffix for p in folder.iterdir()} <= {".safetensors", ".json", ".md", ".jinja"}
    task.save_processor(folder)
    again = METHODS.load(name)(run.method.options.model_dump()).restore(task, folder)
    assert task.outcomes(again, rows).losses == pytest.approx(after, abs=1e-5)


# Measures


@pytest.mark.parametrize("name", MEASURES.names())
def test_a_measure_has_a_value_inside_its_interval(name):
    from outcomes import classified, generated

    from fewtune.measures.base import Evidence

    measure = MEASURES.load(name)()
    assert measure.direction in ("higher", "lower")
    assert measure.version >= 1
    assert measure.tasks <= set(TASKS.names())
    made = {
        "text_classification": classified([0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 2, 1]),
        "image_classification": classified([0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 2, 1]),
        "generation": generated([3.0, 5.0, 4.0, 8.0], [4, 5, 4, 6]),
    }
    for task in measure.tasks:
        score = measure.score(Evidence(task, made[task], made[task], made[task], (True, False)))
        if score is None:
            continue
        assert score.name == name
        assert score.low <= score.value <= score.high
        assert score.n > 0
        json.dumps(score.as_json())
        assert measure.score(Evidence(task, made[task], made[task], made[task], (True, False))) == (
            score
        )


# Regularizers


@pytest.mark.parametrize("name", REGULARIZERS.names())
def test_a_regularizer_is_made_and_speaks_of_its_tasks(name):
    made = REGULARIZERS.load(name)
    assert made.tasks
    assert made.tasks <= set(TASKS.names())
    required = [k for k, field in made.Options.model_fields.items() if field.is_required()]
    assert isinstance(made.owns_update, bool)
    if not required:
        assert made().name == name
    own = made.update is not REGULARIZERS.base.update
    assert own == made.owns_update, "owns_update and update must go together"


def test_torch_is_left_as_it_was():
    assert torch.is_grad_enabled()
