"""One enormous row costs every check about as much as its length, and crashes none."""

from __future__ import annotations

import time

import pytest
from check_data import prompts

from fewtune.checks.base import Context
from fewtune.checks.run import run

LENGTH = 120_000
PATTERNS = ["a", "1-", "a@", "1 Ab ", "<b ", "DE89 ", "call me 1234567 ", "漢字かな", "  ", "0"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_very_long_row(pattern):
    long = pattern * (LENGTH // len(pattern))
    rows = [(f"question {i}", f"fine answer {i}") for i in range(60)]
    began = time.process_time()
    report = run(Context(prompts(*rows, (long, long))))
    # Work that grew with the square of the length took minutes here.
    assert time.process_time() - began < 20
    assert {"spelling", "personal_data", "near_duplicates"} <= set(report.seconds)
