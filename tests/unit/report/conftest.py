from __future__ import annotations

import pytest
import run_folders


@pytest.fixture
def classification(tmp_path):
    return run_folders.write_classification_run(tmp_path / "front_desk")


@pytest.fixture
def generation(tmp_path):
    return run_folders.write_generation_run(tmp_path / "restaurants")


@pytest.fixture
def killed(classification):
    """A run that `kill -9` ended in the middle of writing a journal line."""
    (classification / "scores.json").unlink()
    (classification / "predictions.jsonl").unlink()
    lines = (classification / "journal.jsonl").read_text().splitlines(keepends=True)
    (classification / "journal.jsonl").write_text("".join(lines[:100])[:-30])
    return classification
