"""Images are fitted like texts: same rows, batches and outcomes; statistics of batches rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import nn
from transformers import AutoModelForImageClassification

from fewtune.errors import DataError, ModelError
from fewtune.methods.full import Full
from fewtune.methods.head import Head, features
from fewtune.methods.lora import Lora
from fewtune.methods.partial import Partial
from fewtune.models import tiny
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.image_classification import ImageClassification

LABELS = ("dark", "light")


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return tiny.save_mobilenet(tmp_path_factory.mktemp("mobilenet"))


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return tiny.save_image_transformer(tmp_path_factory.mktemp("transformer"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Eight pictures of noise, four dark and four light."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(8):
        label = LABELS[number % 2]
        noise = np.random.default_rng(number).integers(0, 120, (40, 50, 3))
        path = folder / f"{number}.png"
        Image.fromarray((noise + 130 * (number % 2)).astype(np.uint8)).save(path)
        rows.append(Example(str(path), label, f"pictures/{number}.png"))
    return rows


def task_of(folder, **settings):
    source = Source(str(folder), str(folder))
    return ImageClassification(source, TaskSettings(**settings), labels=LABELS)


def test_states_are_what_the_models_own_head_is_given(mobilenet, examples):
    task = task_of(mobilenet)
    batch = task.collate(task.encode(examples))
    own = AutoModelForImageClassification.from_pretrained(mobilenet)
    given = []
    own.classifier.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    with torch.no_grad():
        own(**batch.inputs)
        states = task.hidden(task.load_model(), batch)
    assert states.shape == (8, own.classifier.in_features)
    torch.testing.assert_close(states, nn.functional.normalize(given[0], dim=-1))


def test_a_model_without_a_head_of_its_own_will_do(transformer, examples):
    task = task_of(transformer)
    assert task.hidden(task.load_model(), task.collate(task.encode(examples))).shape == (8, 16)


def test_a_row_costs_its_patches(mobilenet, transformer, examples):
    assert task_of(mobilenet).encode(examples)[0].length == 4  # 32 × 32 pixels
    assert task_of(transformer).encode(examples)[0].length == 1  # 16 × 16 pixels


class TestTrainingBatches:
    def test_are_the_images_themselves_without_settings(self, mobilenet, examples):
        task = task_of(mobilenet)
        rows = task.encode(examples)
        varied, plain = task.training_batch(rows, "0/3"), task.collate(rows)
        assert torch.equal(varied.inputs["pixel_values"], plain.inputs["pixel_values"])

    @pytest.mark.parametrize(
        "setting", [{"flip": True}, {"crop": 0.5}, {"rotation": 30}, {"color": 0.5}]
    )
    def test_vary_with_seed_and_row_alone_and_never_while_measuring(
        self, mobilenet, examples, setting
    ):
        task = task_of(mobilenet, **setting)
        rows = task.encode(examples)
        whole = task.training_batch(rows, "0/3").inputs["pixel_values"]
        halves = [task.training_batch(part, "0/3") for part in (rows[:4], rows[4:])]
        cut = torch.cat([half.inputs["pixel_values"] for half in halves])
        plain = task_of(mobilenet).collate(rows).inputs["pixel_values"]
        assert torch.equal(whole, cut)
        assert not torch.equal(whole, task.training_batch(rows, "0/4").inputs["pixel_values"])
        assert not torch.equal(whole, plain)
        assert torch.equal(task.collate(rows).inputs["pixel_values"], plain)


def test_batch_statistics_rest_while_training(mobilenet, examples):
    task = task_of(mobilenet)
    model = Full().prepare(task.load_model(), task).train()
    before = {n: b.clone() for n, b in model.named_buffers()}
    batch = task.collate(task.encode(examples))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(m.training for m in norms)
    assert model.training
    task.logits(model, batch)
    assert all(torch.equal(before[name], value) for name, value in model.named_buffers())
    # One image's answer must not depend on its company.
    alone = task.collate([batch.rows[0]])
    model.eval()
    torch.testing.assert_close(task.hidden(model, alone)[0], task.hidden(model, batch)[0])


def test_a_head_by_the_solver_tells_dark_from_light(mobilenet, examples):
    task = task_of(mobilenet)
    rows = task.encode(examples)
    model = task.load_model()
    states = features(model, task, rows)
    solver = LogisticRegression(C=100).fit(states, [row.label for row in rows])
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(np.concatenate([-solver.coef_, solver.coef_])))
        model.head.bias.copy_(
            torch.from_numpy(np.concatenate([-solver.intercept_, solver.intercept_]))
        )
    answers = task.predict(model, examples)
    assert [a["label"] for a in answers] == [e.target for e in examples]
    assert all(a["probability"] > 0.5 > a["second_probability"] for a in answers)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("mobilenet", Full()),
        ("mobilenet", Head()),
        ("mobilenet", Partial({"blocks": 2})),
        ("transformer", Partial({"layers": 4})),
        ("transformer", Lora({"rank": 2})),
        ("transformer", Lora({"rank": 2, "top": 1})),
    ],
)
def test_every_method_tunes_and_comes_back_from_its_folder(
    request, tmp_path, examples, method, kind
):
    task = task_of(request.getfixturevalue(kind))
    rows = task.encode(examples)
    torch.manual_seed(0)
    model = task.load_model()
    nn.init.normal_(model.head.weight)
    base = {n: v.clone() for n, v in model.state_dict().items()}
    model = method.prepare(model, task).train()
    trainable = {n for n, p in model.named_parameters() if p.requires_grad}
    batch = task.training_batch(rows, "0/0")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        task.losses(task.logits(model, batch), batch).mean().backward()
        optimizer.step()
    moved = {n for n, v in model.state_dict().items() if n in base and not torch.equal(v, base[n])}
    assert moved and moved <= trainable
    model.eval()
    method.save(model, task, tmp_path)
    task.save_processor(tmp_path)
    again = method.restore(task, tmp_path).eval()
    losses = task.outcomes(model, rows).losses
    np.testing.assert_allclose(task.outcomes(again, rows).losses, losses, rtol=1e-5)
    kept = ImageClassification(Source("run", str(tmp_path)), TaskSettings(), labels=LABELS)
    assert kept.processor.size == task.processor.size


def test_lora_refuses_a_model_of_convolutions(mobilenet):
    task = task_of(mobilenet)
    with pytest.raises(ModelError, match="linear layers that LoRA can adapt"):
        Lora().prepare(task.load_model(), task)


def test_a_broken_image_is_named_before_anything_is_trained(mobilenet, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 and then nothing")
    row = Example(str(tmp_path / "bad.jpg"), "dark", "rows.csv:3")
    with pytest.raises(DataError, match=r"rows\.csv:3"):
        task_of(mobilenet).encode([row])


def test_a_model_of_text_is_refused(tmp_path, mobilenet):
    folder = tiny.save_encoder(tmp_path / "text", ["a b"])
    processor = (mobilenet / "preprocessor_config.json").read_text()
    (folder / "preprocessor_config.json").write_text(processor)
    with pytest.raises(ModelError, match="an image model for image classification"):
        task_of(folder).load_model()
