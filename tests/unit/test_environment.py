"""What is written into every run so that it can be repeated."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fewtune import environment
from fewtune.errors import PlanError


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
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert found["device"] == environment.device_name()
    assert {"commit", "platform", "cores", "threads", "bf16", "command"} <= set(found)


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (["/opt/env/bin/fewtune", "fit", "my calls.csv"], "fewtune fit 'my calls.csv'"),
        ([environment.__file__.replace("environment", "__main__"), "doctor"], "fewtune doctor"),
        (["train it.py", "--set", "a={b: 1}"], "'train it.py' --set 'a={b: 1}'"),
    ],
)
def test_the_command_can_be_given_to_a_shell_again(monkeypatch, called, told):
    monkeypatch.setattr(sys, "argv", called)
    assert environment.describe(0)["command"] == told


def test_the_device_can_be_named_and_must_be_here(monkeypatch):
    def named(name, cards=0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setenv("FEWTUNE_DEVICE", name)
        return environment.device_name()

    assert named("cpu") == "cpu"
    assert named("cpu", 2) == "cpu"
    assert named("cuda:1", 2) == "cuda:1"
    assert named("", 1) == "cuda"
    for name, cards in (("cuda", 0), ("cuda:2", 2), ("gpu", 1), ("CPU", 0)):
        with pytest.raises(PlanError, match=rf"Got '{name}' \(FEWTUNE_DEVICE\)"):
            named(name, cards)


def test_an_old_card_that_only_emulates_bfloat16_has_none(monkeypatch):
    """An A100 (compute capability 8.0) and a T4 (7.5), which is what torch is told is here.

    What is asked of the driver is replaced, for no such cards are here; what torch makes of the
    answers is its own.
    """
    cards, current = {0: 8, 1: 7}, [0]

    def exchange(number):
        before, current[0] = current[0], number
        return before

    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[0])
    monkeypatch.setattr(torch.cuda, "_exchange_device", exchange)
    monkeypatch.setattr(torch.cuda, "_maybe_exchange_device", exchange)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(major=cards[number])
    )
    assert torch.cuda.is_bf16_supported(), "emulated counts by default"
    assert environment.bf16_is_native("cuda:0")
    assert not environment.bf16_is_native("cuda:1")
    assert current == [0]
    assert environment.bf16_is_native("cuda")
    current[0] = 1
    assert not environment.bf16_is_native("cuda")
    assert torch.cuda.is_bf16_supported()
    assert environment.bf16_is_native("cuda:0")


def test_what_is_drawn_by_a_seed_changes_nothing_after_it():
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    with environment.seeded("cpu", 5):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), wanted)
    with environment.seeded(torch.device("cpu"), 5):
        assert torch.equal(torch.rand(2), first)


def test_a_package_that_is_not_there_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package-at-all",))
    assert environment.versions()["no-such-package-at-all"] == "not installed"


PAGES = """
import ctypes, resource, sys
from fewtune.environment import reuse_memory
if sys.argv[1] == "reused":
    reuse_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def filled():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(ctypes.c_size_t(64 << 20))
    ctypes.memset(block, 1, 64 << 20)
    libc.free(ctypes.c_void_p(block))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
filled()
print(filled())
"""
"""Prints how many pages the system made for a block as large as one that was freed before."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
class TestReusedMemory:
    def pages(self, how, **variables):
        done = subprocess.run(
            [sys.executable, "-c", PAGES, how],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    def test_a_freed_block_is_used_again(self):
        assert self.pages("reused") < self.pages("default") / 10

    def test_whoever_set_the_allocator_up_is_left_alone(self):
        assert self.pages("reused", MALLOC_TRIM_THRESHOLD_="131072") > 1000
