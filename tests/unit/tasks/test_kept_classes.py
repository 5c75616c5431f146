"""Classes that the base knew answer on: exactly where nothing below them trains, held elsewhere."""

from __future__ import annotations

import json
from types import SimpleNamespace

import made_data
import numpy as np
import pytest
import torch
from PIL import Image
from trainings import training
from transformers import AutoModelForImageClassification

from fewtune.errors import DataError, ModelError, PlanError
from fewtune.methods.base import METHODS
from fewtune.models import tiny
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.image_classification import ImageClassification
from fewtune.tasks.keeping import _best, _flips
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train
from fewtune.verbs.kept import write_model

KEEP = {"keep_classes": True}
NEW = ("billing", "booking", "results")


def rows_of(task, each=3, seed=4):
    made = made_data.labelled(each, seed=seed)
    return task.encode([Example(text, label, f"made:{i}") for i, (text, label) in enumerate(made)])


def text(folder, labels=NEW, **settings):
    source = Source(str(folder), str(folder))
    return TextClassification(source, TaskSettings(dropout=0.0, **settings), labels=labels)


def tuned(task, rows, folder, method="full", regularizers=(), **settings):
    """Return a finished training, its head drawn at random to have something to lose."""
    model = task.load_model()
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.weight)
    run = training(
        task, model, rows, folder, method=method, regularizers=regularizers, updates=4, **settings
    )
    train(run)
    return run


def kept_in(run, folder):
    """Write the model of a run as ``fit`` does; return its folder."""
    folder.mkdir(parents=True)
    trial = SimpleNamespace(method=run.method, model=run.model, alpha=1.0)
    write_model(folder, SimpleNamespace(task=run.task), trial)
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory, encoder):
    """A finished model of three classes, in the folder that fit leaves."""
    folder = tmp_path_factory.mktemp("first")
    task = text(encoder, labels=("a", "b", "c"))
    rows = [r for r in rows_of(text(encoder))]
    return kept_in(tuned(task, rows, folder), folder / "model")


def old_logits(task, model, rows):
    with torch.inference_mode():
        return task.protected(model.eval(), task.collate(rows))


class TestOfARun:
    def test_the_old_outputs_are_those_of_the_run(self, first):
        before = text(first, labels=("a", "b", "c"))
        model = METHODS.load("full")().restore(before, first)
        task = text(first, **KEEP)
        rows = rows_of(task)
        with torch.inference_mode():
            expected = before.logits(model, task.collate(rows))
        torch.testing.assert_close(old_logits(task, task.load_model(), rows), expected)
        assert task.old_labels == ("a", "b", "c")

    @pytest.mark.parametrize("method", ["head", "lora", "full"])
    def test_old_rows_never_train_and_are_exact_where_the_encoder_rests(
        self, first, tmp_path, method
    ):
        task = text(first, **KEEP)
        rows = rows_of(task)
        before = old_logits(task, task.load_model(), rows)
        run = tuned(task, rows, tmp_path, method)
        fresh = task.load_model()
        assert torch.equal(run.model.old.heads[0].weight, fresh.old.heads[0].weight)
        assert not any(".old." in f".{name}" for name, _ in run.model.named_parameters())
        same = torch.allclose(old_logits(task, run.model, rows), before, atol=1e-6)
        assert same == (method == "head")

    @pytest.mark.parametrize("method", ["head", "lora", "full", "prefix", "adapter"])
    def test_saved_and_restored_it_gives_equal_answers(self, first, tmp_path, method):
        task = text(first, **KEEP)
        run = tuned(task, rows_of(task), tmp_path, method)
        folder = kept_in(run, tmp_path / "model")
        about = json.loads((folder / "fewtune.json").read_text())["about"]
        again = text(first, **KEEP)
        again.restore(about)
        model = METHODS.load(method)(run.method.options.model_dump()).restore(again, folder).eval()
        examples = [Example(t, None, f"x:{i}") for i, (t, _) in enumerate(made_data.labelled(4))]
        answers = task.predict(run.model, examples)
        assert again.predict(model, examples) == answers
        known = {answer["label"] for answer in answers if answer["known_before"]}
        new = {answer["label"] for answer in answers if not answer["known_before"]}
        assert known <= {"a", "b", "c"} and new <= set(NEW)
        assert model.old.gate == run.model.old.gate != 0

    def test_a_third_tuning_keeps_the_classes_of_the_first_two(self, first, tmp_path):
        task = text(first, **KEEP)
        second = kept_in(tuned(task, rows_of(task), tmp_path), tmp_path / "model")
        third = text(second, labels=("x", "y"), **KEEP)
        model = third.load_model()
        assert third.old_labels == ("a", "b", "c", *NEW)
        assert old_logits(third, model, rows_of(task)).shape[1] == 6

    def test_the_gate_lets_one_in_twenty_go(self, first, tmp_path):
        task = text(first, **KEEP)
        run = tuned(task, rows_of(task, each=20), tmp_path)
        task.settle(run.model)
        _, margins = task.old_answers(run.model, task._rows)
        assert task.kept["new_rows"] == 60
        assert (margins > float(run.model.old.gate)).sum() == 3
        assert "3 classes that the base knew are kept" in task.kept["sentence"]
        assert "5.0% would be answered" in task.kept["sentence"]
        assert "was not measured" in task.kept["sentence"]

    def test_rows_of_old_classes_tell_what_became_of_them(self, first, tmp_path):
        path = tmp_path / "old.csv"
        rows = [(t, {"billing": "a", "booking": "b", "results": "c"}[y])
                for t, y in made_data.labelled(6, seed=9)]  # fmt: skip
        made_data.write_labelled(path, rows)
        task = text(first, **KEEP, old_rows=str(path))
        run = tuned(task, rows_of(task), tmp_path, learning_rate=0.05)
        base = text(first, **KEEP).load_model()
        task.settle(run.model)
        encoded = text(first, **KEEP).encode([Example(t, None, "o") for t, _ in rows])
        truth = np.asarray(["abc".index(label) for _, label in rows])
        before, after = (
            old_logits(task, model, encoded).argmax(dim=1).numpy() == truth
            for model in (base, run.model)
        )
        assert task.kept["old_rows"] == 18
        assert task.kept["right_before"] == before.sum()
        assert task.kept["flipped"] == (before & ~after).sum()
        assert f"of {before.sum()} that were right" in task.kept["sentence"]

    def test_rows_of_a_class_that_the_base_does_not_know(self, first, tmp_path):
        path = tmp_path / "old.csv"
        made_data.write_labelled(path, [("hello there", "aa"), ("good day", "b")])
        task = text(first, **KEEP, old_rows=str(path))
        run = tuned(task, rows_of(task), tmp_path)
        with pytest.raises(DataError, match="classes that the base knows"):
            task.settle(run.model)

    def test_kl_to_base_holds_the_old_answers(self, first, tmp_path):
        def moved(*regularizers):
            task = text(first, **KEEP)
            rows = rows_of(task)
            before = old_logits(task, task.load_model(), rows).log_softmax(dim=1)
            run = tuned(task, rows, tmp_path, regularizers=regularizers, learning_rate=0.02)
            after = old_logits(task, run.model, rows).log_softmax(dim=1)
            return float((before.exp() * (before - after)).sum(dim=1).mean())

        held = moved(REGULARIZERS.load("kl_to_base")({"weight": 20.0, "dose": 1.0}))
        assert held < 0.5 * moved()

    def test_a_name_that_is_old_and_new_is_refused(self, first):
        with pytest.raises(PlanError, match="old and new: b"):
            text(first, labels=("b", "z"), **KEEP).load_model()


def test_a_base_without_classes_is_refused(encoder):
    with pytest.raises(ModelError, match="without a head of its own"):
        text(encoder, **KEEP).load_model()


def test_settings_that_say_nothing_are_refused(encoder, causal_lm):
    with pytest.raises(PlanError, match="none are kept"):
        text(encoder, old_rows="old.csv")
    source = Source(str(causal_lm), str(causal_lm))
    with pytest.raises(PlanError, match="generation, which has no classes"):
        Generation(source, TaskSettings(**KEEP), "prompt")


def test_the_gate_with_the_fewest_mistakes_by_hand():
    # New rows at 0, 1 and 5, old ones at 2, 3 and 4: between 1 and 2 one new row of three is lost.
    assert _best(np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 4.0])) == pytest.approx(1.5)


def test_flips_by_hand():
    # Four rows of class 0, of which three were right: one stays right, two are wrong now. The
    # second and fourth row judge the gate: one of the two is answered with a new class.
    base = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    after = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.9, 0.1]])
    found = _flips([0, 0, 0, 0], base, after, np.array([True, False, True, True]))
    assert (found["right_before"], found["right_after"], found["flipped"]) == (3, 2, 2)
    assert found["flips"] == pytest.approx(2 / 3)
    # Wilson's interval of 2 of 3.
    assert (found["flips_low"], found["flips_high"]) == pytest.approx((0.2077, 0.9385), abs=1e-3)
    assert found["old_answered_new"] == 0.5


def pictures(folder, labels):
    rows = []
    for number in range(6):
        # Blocks of colour: noise alone is the same to a model of random weights.
        blocks = np.random.default_rng(number).integers(0, 255, (4, 5, 3)).astype(np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(blocks.repeat(10, axis=0).repeat(10, axis=1)).save(path)
        rows.append(Example(str(path), labels[number % 2], f"pictures/{number}.png"))
    return rows


def images(folder, labels=("dark", "light"), **settings):
    source = Source(str(folder), str(folder))
    return ImageClassification(source, TaskSettings(**settings), labels=labels)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return tiny.save_mobilenet(tmp_path_factory.mktemp("mobilenet"))


class TestOfAnImageModel:
    def test_the_old_outputs_are_those_of_its_own_head(self, mobilenet, tmp_path):
        task = images(mobilenet, **KEEP)
        rows = task.encode(pictures(tmp_path, task.labels))
        own = AutoModelForImageClassification.from_pretrained(mobilenet)
        with torch.no_grad():
            expected = own(**task.collate(rows).inputs).logits
        torch.testing.assert_close(old_logits(task, task.load_model(), rows), expected)
        assert task.old_labels == tuple(f"LABEL_{i}" for i in range(5))

    @pytest.mark.parametrize("method", ["partial", "head"])
    def test_saved_and_restored_and_tuned_again(self, mobilenet, tmp_path, method):
        task = images(mobilenet, **KEEP)
        examples = pictures(tmp_path, task.labels)
        run = tuned(task, task.encode(examples), tmp_path, method)
        folder = kept_in(run, tmp_path / "model")
        again = images(mobilenet, **KEEP)
        again.restore(json.loads((folder / "fewtune.json").read_text())["about"])
        model = METHODS.load(method)().restore(again, folder).eval()
        rows = task.encode(examples)
        torch.testing.assert_close(
            old_logits(again, model, rows), old_logits(task, run.model, rows)
        )
        assert again.predict(model, examples) == task.predict(run.model, examples)
        if method == "partial":
            third = images(folder, labels=("p", "q"), **KEEP)
            third.load_model()
            assert third.old_labels == (*task.old_labels, "dark", "light")

    def test_a_model_without_a_head_of_its_own_is_refused(self, tmp_path):
        folder = tiny.save_image_transformer(tmp_path)
        with pytest.raises(ModelError, match="without a head of its own"):
            images(folder, **KEEP).load_model()


def test_imagenet_classes_beside_hands(shared, tmp_path):
    """The 1,001 outputs of MobileNetV2 are its own to rounding, with a new head beside them."""
    folder = shared / "models" / "mobilenet_v2"
    task = images(folder, labels=("0", "1"), **KEEP)
    examples = [
        Example(str(path), label, path.name)
        for label in task.labels
        for path in sorted((shared / "data" / "sign_digits" / label).iterdir())[:3]
    ]
    rows = task.encode(examples)
    run = tuned(task, rows, tmp_path, "head")
    own = AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = own(**task.collate(rows).inputs).logits
    torch.testing.assert_close(old_logits(task, run.model, rows), expected, atol=1e-4, rtol=1e-4)
    task.settle(run.model)
    assert "The 1001 classes that the base knew are kept" in task.kept["sentence"]
    assert len(task.predict(run.model, examples)) == 6
