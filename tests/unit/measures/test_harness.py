"""lm-evaluation-harness: what it is asked, and what is made of what it says."""

from __future__ import annotations

import math
import random
import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
import torch

from fewtune.errors import DataError, MissingExtra
from fewtune.measures.observe.lm_eval import HarnessResult, observe_lm_eval, require_lm_eval
from fewtune.models.load import resolve
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.verbs.asked import harness_scores


@pytest.fixture(scope="module")
def task(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")


@pytest.fixture(scope="module")
def models(task):
    base, tuned = task.load_model(), task.load_model()
    with torch.no_grad():
        tuned.get_output_embeddings().weight.mul_(0)
    return base, tuned


@pytest.fixture
def harness(monkeypatch):
    """A stand-in with the signatures and the keys of lm-evaluation-harness 0.4.8.

    Its one task asks the model that it is given: how likely is token 5 after token 7.
    """
    if find_spec("lm_eval") is not None:
        pytest.skip("lm-evaluation-harness is installed: no stand-in is needed")
    asked = []

    class HFLM:
        def __init__(self, pretrained="gpt2", *, tokenizer=None, batch_size=1):
            assert not isinstance(pretrained, str)
            assert callable(tokenizer)
            self.model, self.device, self.config = pretrained, pretrained.device, pretrained.config

    def simple_evaluate(model, *, tasks, limit=None, log_samples=True):
        asked.append((tuple(tasks), limit, log_samples))
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(1234)
        if tasks != ["five"]:
            raise KeyError("no such task")
        with torch.no_grad():
            logits = model.model(torch.tensor([[7]])).logits[0, -1]
        share = float(logits.softmax(-1)[5])
        figures = {"alias": "five", "acc,none": share, "acc_stderr,none": 0.1, "ppl,flexible": 2.0}
        return {
            "results": {"five": figures | {"ppl_stderr,flexible": "N/A"}},
            "higher_is_better": {"five": {"acc": True, "ppl": False}},
            "n-samples": {"five": {"original": 40, "effective": 30}},
        }

    parts = {
        "lm_eval": {"simple_evaluate": simple_evaluate, "__spec__": object()},
        "lm_eval.models": {},
        "lm_eval.models.huggingface": {"HFLM": HFLM},
    }
    for name, values in parts.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_base_and_tuned_are_asked_alike(task, models, harness):
    torch.manual_seed(5)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first, second = observe_lm_eval(task, *models, ["five"], most=30)
    assert harness == [(("five",), 30, False)] * 2
    uniform = 1 / models[0].get_output_embeddings().weight.shape[0]
    assert first.after == pytest.approx(uniform)
    assert abs(first.before - uniform) > 1e-6
    assert (first.task, first.metric, first.error_after, first.n) == ("five", "acc", 0.1, 30)
    assert first.higher
    assert (second.metric, second.higher) == ("ppl_flexible", False)
    assert math.isnan(second.error_before)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_all_items_are_asked_by_default(task, models, harness):
    observe_lm_eval(task, *models, ["five"])
    assert harness[0][1] is None


def test_a_task_that_is_not_there_is_told(task, models, harness):
    with pytest.raises(DataError, match="the tasks six with their data") as caught:
        observe_lm_eval(task, *models, ["six"])
    assert "no such task" in str(caught.value)


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm-evaluation-harness is installed")
def test_without_it_the_extra_is_named():
    with pytest.raises(MissingExtra, match=r"fewtune\[lm-eval\]"):
        require_lm_eval()


def test_scores_are_tuned_less_base():
    """√(0.03² + 0.04²) = 0.05, times 1.96."""
    found = harness_scores(
        [
            HarnessResult("arc", "acc", 0.5, 0.6, 0.03, 0.04, n=200),
            HarnessResult("wiki", "ppl", 20.0, 25.0, math.nan, math.nan, higher=False),
            HarnessResult("odd", "acc", 0.5, math.nan, 0.1, 0.1),
        ]
    )
    assert list(found) == ["harness_arc_acc", "harness_wiki_ppl"]
    arc, wiki = found.values()
    assert (arc.value, arc.n, arc.direction) == (pytest.approx(0.1), 200, "higher")
    assert (arc.low, arc.high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098))
    assert (wiki.value, wiki.direction) == (5.0, "lower")
    assert math.isnan(wiki.low)
