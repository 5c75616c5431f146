"""Finished runs on the tiny models, fitted once and read by many tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK = {"training.updates": 12, "select.samples": 4}


@pytest.fixture(scope="session")
def probed(tmp_path_factory: Any, encoder: Path, data_folder: Path) -> Any:
    """A classification run as the rules propose it (a frozen probe may win), with a test file."""
    import fewtune

    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings=QUICK,
        output=tmp_path_factory.mktemp("runs") / "probed",
    )


@pytest.fixture(scope="session")
def adapted(tmp_path_factory: Any, encoder: Path, data_folder: Path) -> Any:
    """A classification run in which only LoRA is a candidate; the test part is held out."""
    import fewtune

    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={**QUICK, "method.name": "lora", "select.rungs": []},
        output=tmp_path_factory.mktemp("runs") / "adapted",
    )


@pytest.fixture(scope="session")
def generated(tmp_path_factory: Any, causal_lm: Path, data_folder: Path) -> Any:
    """A generation run in which all weights train."""
    import fewtune

    return fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        test=data_folder / "prompts_test.jsonl",
        # The rule's rate is for pretrained models; this one is random and has all to learn.
        settings=QUICK | {"training.learning_rate": 0.01},
        output=tmp_path_factory.mktemp("runs") / "generated",
    )
