"""Several runs on one loaded base answer as each does alone, and no weight is held twice."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import made_data
import pytest
import torch

from fewtune.environment import device_name
from fewtune.errors import ModelError, RunError
from fewtune.methods.base import METHODS
from fewtune.models.load import fingerprint, resolve
from fewtune.models.tiny import save_encoder, save_image_transformer
from fewtune.models.twin import twin
from fewtune.plan.plan import Part, Plan, TaskPlan
from fewtune.tasks.base import TASKS
from fewtune.verbs.kept import write_model
from fewtune.verbs.result import open_run
from fewtune.verbs.served import Served

LABELS = {"lora": ("a", "b", "c"), "prefix": ("yes", "no"), "adapter": ("a", "b"), "head": "abcd"}
TEXTS = [text for text, _ in made_data.labelled(3, seed=8)]


def written(folder, base, method, kind="text_classification", **options):
    """Write a run as ``fit`` does, whose trained parameters are drawn at random; return it."""
    settings = TaskPlan(name=kind)
    shape = {"generation": "prompt", "image_classification": "labelled_image"}.get(
        kind, "labelled_text"
    )
    labels = () if kind == "generation" else LABELS[method]
    task = TASKS.load(kind)(resolve(str(base)), settings, shape, labels)
    made = METHODS.load(method)(options)
    model = made.prepare(task.load_model(), task)
    torch.manual_seed(sum(map(ord, method)))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    (folder / "model").mkdir(parents=True)
    plan = Plan(model=str(base), task=settings, method=Part(name=method, options=options))
    (folder / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    scores = {
        "verdict": {"decision": "hold", "reasons": [], "cures": []},
        "scores": {}, "controls": {}, "chosen": {}, "seconds": 0,
    }  # fmt: skip
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    write_model(
        folder / "model",
        SimpleNamespace(task=task),
        SimpleNamespace(method=made, model=model.eval(), alpha=1.0),
    )
    return folder


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("served")
    return [written(folder / name, encoder, name) for name in LABELS]


@pytest.fixture(scope="module")
def generators(tmp_path_factory, causal_lm):
    folder = tmp_path_factory.mktemp("served")
    dora = {"lora": {"dora": True, "rank": 4}}
    return [
        written(folder / name, causal_lm, name, "generation", **dora.get(name, {}))
        for name in ("lora", "prefix", "adapter")
    ]


def test_each_answers_as_it_does_alone_in_any_order(classifiers):
    alone = {path.name: open_run(path).predict(TEXTS) for path in classifiers}
    assert len({json.dumps(answers) for answers in alone.values()}) == len(alone)
    served = Served(classifiers)
    for name in [*served, *reversed(list(served))]:
        assert served.predict(name, TEXTS) == alone[name], name


def test_so_do_generators(generators):
    prompts = [prompt for prompt, _ in made_data.prompts(4, seed=8)]
    alone = {path.name: open_run(path) for path in generators}
    served = Served(generators)
    ids = torch.tensor([[5, 9, 13, 2, 40]], device=device_name())
    for name in [*served, "lora"]:
        assert served[name].predict(prompts) == alone[name].predict(prompts), name
        with torch.no_grad():
            ours, theirs = (run[name]._model[1](input_ids=ids).logits for run in (served, alone))
        assert torch.equal(ours, theirs), name


def test_no_weight_of_the_base_is_held_twice(classifiers):
    served = Served(classifiers)
    held = {}
    for run in served.values():
        for name, value in run._model[1].encoder.named_parameters():
            plain = name.replace(".base_layer", "")
            if not any(part in name for part in ("lora_", "prefix", "bottleneck")):
                held.setdefault(plain, set()).add(value.data_ptr())
    assert len(held) > 20
    assert all(len(places) == 1 for places in held.values())
    heads = {run._model[1].head.weight.data_ptr() for run in served.values()}
    assert len(heads) == len(served)


def test_answers_asked_for_at_once_are_not_mixed_up(classifiers):
    served = Served(classifiers)
    alone = {name: served.predict(name, TEXTS) for name in served}
    wrong = []

    def ask(name):
        for _ in range(3):
            wrong.extend([name] if served.predict(name, TEXTS) != alone[name] else [])

    threads = [threading.Thread(target=ask, args=(name,)) for name in served]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_another_base_is_told_with_both_fingerprints(classifiers, tmp_path):
    other = save_encoder(tmp_path / "other", made_data.every_text(), width=16)
    stranger = written(tmp_path / "stranger", other, "lora")
    served = Served(classifiers[:1])
    with pytest.raises(ModelError) as told:
        served.add("stranger", stranger)
    first = json.loads((classifiers[0] / "model" / "fewtune.json").read_text())["base"]
    assert first["fingerprint"] in str(told.value)
    assert fingerprint(resolve(str(other))) in str(told.value)
    assert list(served) == [classifiers[0].name]


def test_a_whole_model_shares_nothing(classifiers, tmp_path, encoder, monkeypatch):
    monkeypatch.setitem(LABELS, "full", ("a", "b"))
    with pytest.raises(ModelError, match="a whole model of its own, which method full keeps"):
        Served([*classifiers, written(tmp_path / "whole", encoder, "full")])


def test_names(classifiers):
    served = Served({"first": classifiers[0], "second": classifiers[1]})
    assert list(served) == ["first", "second"]
    with pytest.raises(RunError, match="Did you mean second"):
        served.predict("secnod", TEXTS)
    served.remove("second")
    assert "second" not in served
    assert len(served) == 1
    with pytest.raises(RunError, match=f"several called {classifiers[0].name}"):
        Served([classifiers[0], classifiers[0]])


def test_a_twin_has_the_weights_and_not_the_additions():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    other = twin(model)
    assert all(a is b for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert other[1].running_mean is model[1].running_mean
    other[0].add_module("more", torch.nn.Linear(2, 2))
    other[0].register_forward_hook(lambda *given: given[-1] + 1)
    x = torch.ones(1, 2)
    assert len(list(model.parameters())) == 4
    assert not torch.equal(model(x), other(x))


def test_image_models_share_a_base_and_have_heads_of_their_own(tmp_path):
    from PIL import Image

    base = save_image_transformer(tmp_path / "vit")
    Image.new("RGB", (20, 20), (200, 30, 90)).save(tmp_path / "one.png")
    runs = [written(tmp_path / m, base, m, "image_classification") for m in ("head", "lora")]
    alone = {path.name: open_run(path).predict(str(tmp_path / "one.png")) for path in runs}
    served = Served(runs)
    for name in served:
        assert served.predict(name, str(tmp_path / "one.png")) == alone[name]
    assert served["head"].predict(str(tmp_path / "one.png"))["label"] in LABELS["head"]
    held = {
        run._model[1].encoder.get_parameter("vit.layernorm.weight").data_ptr()
        for run in served.values()
    }
    assert len(held) == 1
