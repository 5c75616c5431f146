"""What is written into every run so that it can be repeated."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from fewtune import environment


def test_everything_is_seeded():
    def draw():
        environment.seed_everything(7)
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    assert draw() == draw()
    first = draw()
    environment.seed_everything(8)
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) != first
    environment.seed_everything(2**40)


def test_the_description_is_plain_and_whole(monkeypatch):
    found = json.loads(json.dumps(environment.describe(5)))
    assert found["seed"] == 5
    assert found["versions"]["torch"] == torch.__version__
    assert found["device"] == environment.device_name()
    assert {"commit", "platform", "cores", "threads", "bf16", "command"} <= set(found)


@pytest.mark.parametrize("name", ["cpu", "cuda:1"])
def test_the_device_can_be_named(monkeypatch, name):
    monkeypatch.setenv("FEWTUNE_DEVICE", name)
    assert environment.device_name() == name


def test_a_package_that_is_not_there_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package-at-all",))
    assert environment.versions()["no-such-package-at-all"] == "not installed"
