"""Tiny tasks with random models, one of each kind; nothing is downloaded."""

from __future__ import annotations

import pytest
import torch

from fewtune.models import tiny
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification

TEXTS = ["the cat sat", "a dog ran far away", "birds fly", "fish swim in the deep sea", "cats nap"]
LABELS = ["land", "land", "air", "sea", "land"]


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    return tiny.save_encoder(tmp_path_factory.mktemp("encoder"), TEXTS, layers=6)


@pytest.fixture(scope="session")
def language_folder(tmp_path_factory):
    return tiny.save_causal_lm(tmp_path_factory.mktemp("language"), TEXTS, layers=3)


@pytest.fixture
def classify(encoder_folder):
    """A text classification task and its rows."""
    source = Source(str(encoder_folder), str(encoder_folder))
    task = TextClassification(source, TaskSettings(), labels=sorted(set(LABELS)))
    rows = [Example(t, y, f"t:{i}") for i, (t, y) in enumerate(zip(TEXTS, LABELS, strict=True))]
    return task, task.encode(rows)


@pytest.fixture
def generate(language_folder):
    """A generation task and its rows."""
    source = Source(str(language_folder), str(language_folder))
    task = Generation(source, TaskSettings(max_new_tokens=8), "prompt")
    rows = [Example(t, y, f"g:{i}") for i, (t, y) in enumerate(zip(TEXTS, LABELS, strict=True))]
    return task, task.encode(rows)


def trained(task, method, rows, steps=3, rate=1e-2):
    """Return the base's model after a few updates of ``method``, and its states around them."""
    from fewtune.methods.base import trained_state

    torch.manual_seed(0)
    model = task.load_model()
    if hasattr(model, "head"):
        torch.nn.init.normal_(model.head.weight)
    model = method.prepare(model, task).train()
    start = trained_state(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    batch = task.collate(rows)
    for _ in range(steps):
        optimizer.zero_grad()
        task.losses(task.logits(model, batch), batch).mean().backward()
        optimizer.step()
    return model.eval(), start, trained_state(model)


@pytest.fixture
def tune():
    return trained
