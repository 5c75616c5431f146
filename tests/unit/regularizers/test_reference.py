"""The base as regularizers see it, through every method, and the pairs that are refused."""

from __future__ import annotations

import made_data
import pytest
import torch
from trainings import begun, training

from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.models.load import Source
from fewtune.plan.plan import Part, Plan
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.regularizers.reference import base_logits
from fewtune.select.unfit import refuse_unfit
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation

BY_THE_LOOP = [n for n in METHODS.names() if "generation" in METHODS.load(n).tasks]


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = made_data.prompts(4, seed=5)
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


@pytest.mark.parametrize("method", BY_THE_LOOP)
def test_the_base_is_the_bare_base_whatever_trains(generation, tmp_path, method):
    task, rows = generation
    run = begun(training(task, task.load_model(), rows, tmp_path, method=method))
    batch = task.collate(rows).to(run.device)
    with torch.no_grad():
        bare = task.logits(task.load_model().to(run.device).eval(), batch)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in run.model.named_parameters():
            if name in run.start:
                parameter.add_(0.3 * torch.randn_like(parameter))
        tuned = task.logits(run.model, batch)
        torch.testing.assert_close(base_logits(run, batch), bare, rtol=1e-5, atol=1e-5)
        assert (tuned - bare).abs().max() > 1e-3
        # And the model is as tuned as before.
        torch.testing.assert_close(task.logits(run.model, batch), tuned, rtol=0, atol=0)


def planned(*names, method="full", task="generation", options=()):
    plan = Plan(model="toy", method=Part(name=method))
    plan.task.name = task
    plan.regularizers = [Part(name=n, options=dict(options)) for n in names]
    return plan


def test_regularizers_go_together_unless_a_reason_is_given():
    refuse_unfit(planned(*REGULARIZERS.names()))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (planned("half", method="head"), ["head", "half", "one matrix"]),
        (planned("sam", "sam"), ["at most one", "sam and sam"]),
        (planned("token_mask", task="text_classification"), ["token_mask", "generation"]),
        (planned("replay", task="text_classification"), ["replay", "options.file"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_with_the_reason(plan, words):
    with pytest.raises(PlanError) as found:
        refuse_unfit(plan)
    for word in words:
        assert word in str(found.value)


@pytest.mark.parametrize("name", REGULARIZERS.names())
def test_every_refusal_names_something_and_says_why(name):
    known = {*METHODS.names(), *REGULARIZERS.names(), "prefix"}
    for other, why in REGULARIZERS.load(name).refuses.items():
        assert other in known
        assert len(why) > 20
