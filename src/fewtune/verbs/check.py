"""Check: what is wrong with the data, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fewtune.checks.base import Context
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.records import Finding

__all__ = ["check"]


def check(
    data: str | Path,
    *,
    test: str | Path | None = None,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return the findings of every check that applies, the gravest first.

    Parameters
    ----------
    data, test
        Files as ``fit`` takes them.
    model
        A model's name, for the checks that need one.
    columns
        Field to column, where not found by itself.

    Raises
    ------
    DataError, ModelError
        If a file or the model cannot be read.
    """
    rows = load(str(data), columns=columns)
    held = load(str(test), columns=columns) if test else None
    seen = None
    if model is not None:
        from fewtune.models.view import view

        seen = view(model, rows.shape)
    return list(run(Context(rows, held, seen)).findings)
