"""What all tests share: one thread, no network, the tiny models and the data made for them."""

from __future__ import annotations

import json
import os

# Set before any library that reads them is imported: one thread makes sums repeatable to the bit.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("FEWTUNE_DEVICE", "cpu")

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long one example takes says more about what else the machine does than about the code.
settings.register_profile("fewtune", deadline=None)
settings.load_profile("fewtune")

sys.path.insert(0, str(Path(__file__).parent))

import made_data  # noqa: E402  (its folder is on the path only now)

from fewtune.select import pace  # noqa: E402  (loads no torch)

# Tests run beside others: no candidate is dropped because the machine is busy.
pace.SLACK = 3600.0

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def libraries_are_no_garbage() -> Iterator[None]:
    """Keep the collector out of what the libraries hold: every fit calls it several times."""
    import accelerate  # noqa: F401
    import peft  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import transformers.models.auto.modeling_auto  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large data and models that stands beside a checkout of the maintainers."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the folder ../shared (large data and models), which is not here")
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT-shaped encoder with random weights, 2 layers of width 32."""
    from fewtune.models.tiny import save_encoder

    return save_encoder(tmp_path_factory.mktemp("models") / "encoder", made_data.every_text())


@pytest.fixture(scope="session")
def causal_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama-shaped language model with random weights, 2 layers of width 16."""
    from fewtune.models.tiny import save_causal_lm

    return save_causal_lm(tmp_path_factory.mktemp("models") / "causal_lm", made_data.every_text())


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``labelled.csv`` (60 rows of 3 labels), ``labelled_test.csv``, ``prompts.jsonl`` (40 rows),
    ``prompts_test.jsonl`` and ``chats.jsonl`` (30 chats)."""
    folder = tmp_path_factory.mktemp("data")
    made_data.write_labelled(folder / "labelled.csv", made_data.labelled(20, seed=1))
    made_data.write_labelled(folder / "labelled_test.csv", made_data.labelled(10, seed=2))
    rows = made_data.prompts(60, seed=1)
    made_data.write_prompts(folder / "prompts.jsonl", rows[:40])
    made_data.write_prompts(folder / "prompts_test.jsonl", rows[40:])
    made_data.write_jsonl(
        folder / "chats.jsonl", ({"messages": chat} for chat in made_data.chats(30, seed=3))
    )
    return folder


@dataclass(frozen=True)
class Answer:
    """What a call of the command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def fit_prompts(data_folder: Path, causal_lm: Path, tmp_path: Path) -> Callable[..., Any]:
    """Fits the tiny language model on ``prompts.jsonl``, all of it trained; returns the run and
    every event of its journal."""
    import fewtune

    def fit(settings: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
        run = fewtune.fit(
            data_folder / "prompts.jsonl",
            str(causal_lm),
            test=data_folder / "prompts_test.jsonl",
            settings={"method.name": "full", "select.samples": 0, **settings},
            output=tmp_path / "run",
        )
        lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        return run, [json.loads(line) for line in lines]

    return fit


Fewtune = Callable[..., Answer]


@pytest.fixture
def fewtune(capfd: Any) -> Fewtune:
    """Run the command line in this process: ``fewtune("fit", path, "--json")``."""
    from fewtune.cli.main import main

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run
