"""Data sets of the hub, by the real package, from folders laid out as on the hub."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fewtune.data.formats.hub import read_hub
from fewtune.data.load import load
from fewtune.errors import DataError

datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of other packages

ROWS = {"text": [f"question {i}" for i in range(12)], "label": [i % 3 - 1 for i in range(12)]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def write(folder: Path, *parts: str) -> Path:
    (folder / "data").mkdir(parents=True)
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["card", "loan"])}
    )
    rows = datasets.Dataset.from_dict(ROWS, features=features)
    for part in parts:
        rows.to_parquet(folder / "data" / f"{part}-00000-of-00001.parquet")
    return folder


def test_names_of_classes_and_the_part_to_train_on(tmp_path: Path) -> None:
    table = read_hub(str(write(tmp_path / "bank", "train", "test")))
    assert [r.fields["label"] for r in table.records[:3]] == [None, "card", "loan"]
    assert [r.line for r in table.records] == list(range(1, 13))
    assert any("Of the parts" in note and "train was read" in note for note in table.notes)
    assert any("replaced by the names" in note for note in table.notes)


def test_a_choice_of_parts_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a part named train"):
        read_hub(str(write(tmp_path / "bank", "test", "validation")))


def test_rows_of_json_lines(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    lines = "".join(f'{{"prompt": "p{i}", "completion": "c{i}"}}\n' for i in range(3))
    (tmp_path / "bank" / "train.jsonl").write_text(lines)
    assert [r.fields["prompt"] for r in read_hub(str(tmp_path / "bank")).records] == [
        "p0",
        "p1",
        "p2",
    ]


def test_images_are_refused_by_name(tmp_path: Path) -> None:
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / "pets" / "train" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pets" / "train" / label / "1.png")
    with pytest.raises(DataError, match="images are read from folders"):
        read_hub(str(tmp_path / "pets"))


def test_an_unknown_name_without_a_network_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    for module in (constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()
    with pytest.raises(DataError, match="data set on the hub that can be loaded") as caught:
        load("nobody/nothing-here")
    assert time.monotonic() - began < 15
    assert "Check the name and the network" in caught.value.cure
    assert not constants.HF_HUB_OFFLINE
