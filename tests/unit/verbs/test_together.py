"""Where a fit trains: one kind of device for as long as the Python process lives."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import PartialState

from fewtune.environment import device_name
from fewtune.errors import PlanError
from fewtune.verbs.together import Together


def test_another_kind_of_device_than_before_is_refused(monkeypatch):
    assert Together().accelerator.device.type == device_name()
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("meta"))
    with pytest.raises(ValueError, match="already been initialized"):
        # What accelerate says of it, for which nobody is to look.
        Accelerator(cpu=True)
    with pytest.raises(PlanError, match=f"{device_name()} after meta .*Start Python anew"):
        _ = Together().accelerator
