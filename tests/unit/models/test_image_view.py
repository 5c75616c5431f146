"""An image model as checks see it: its states against transformers, what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from check_images import pictures
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from fewtune.checks.base import Context
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.environment import device_name
from fewtune.errors import ModelError
from fewtune.models import tiny
from fewtune.models.view import view


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_mobilenet(tmp_path_factory.mktemp("mobilenet"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "p", 20)


def test_states_are_those_that_the_models_own_head_is_given(mobilenet: Path, folder: Path) -> None:
    paths = [e.input for e in load(folder)]
    found = view(str(mobilenet), "labelled_image").embed(paths)
    processor = AutoImageProcessor.from_pretrained(mobilenet, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(mobilenet).eval().to(device_name())
    seen: list[torch.Tensor] = []
    model.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    images = [Image.open(p).convert("RGB") for p in paths]
    with torch.inference_mode():
        model(**processor(images=images, return_tensors="pt").to(device_name()))
    states = seen[0].cpu().numpy()
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    # A GPU rounds what a convolution is given at 1/1024.
    near = 1e-4 if device_name() == "cpu" else 5e-3
    np.testing.assert_allclose(found, states, atol=near)


def test_what_cannot_be_read_is_zero_and_named_by_another_check(
    mobilenet: Path, folder: Path
) -> None:
    data = load(folder)
    broken = Path(data[3].input)
    broken.write_bytes(broken.read_bytes()[:60])
    looks = view(str(mobilenet), "labelled_image")
    states = looks.embed([e.input for e in data])
    assert [i for i, state in enumerate(states) if not state.any()] == [3]
    report = run(Context(data, model=looks))
    assert [f.rows for f in report.findings if f.check == "empty"] == [(data[3].source,)]


def test_checks_are_told_by_what_they_looked(mobilenet: Path, folder: Path) -> None:
    report = run(Context(load(folder), model=view(str(mobilenet), "labelled_image")))
    assert report.skipped.keys() >= {"truncation", "surprise"}
    assert {"coverage", "label_errors", "near_duplicates"} <= report.seconds.keys()


def test_a_text_model_has_no_eyes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="looking at images"):
        view(str(tiny.save_encoder(tmp_path / "text", ["a b"])), "labelled_image")
