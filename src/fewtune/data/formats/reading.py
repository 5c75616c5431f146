"""A reading: the shape of a file's rows, and the column from which each field comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fewtune.data.formats.base import clip
from fewtune.data.formats.names import EXTRA_FIELDS, SHAPE_WORDS
from fewtune.records import Shape

__all__ = ["Reading"]


@dataclass(frozen=True)
class Reading:
    """A shape, and the column from which each field comes."""

    shape: Shape
    columns: Mapping[str, str]

    def main(self) -> frozenset[str]:
        """Return the columns without group, time and weight."""
        return frozenset(c for field, c in self.columns.items() if field not in EXTRA_FIELDS)

    def option(self) -> str:
        """Return what to give as ``--columns`` to get this reading."""
        pairs = (f"{field}={column}" for field, column in self.columns.items())
        return "--columns " + ",".join(p for p in pairs if p.partition("=")[0] not in EXTRA_FIELDS)

    def words(self) -> str:
        """Return the reading in words."""
        parts = (
            f"{field} from column {clip(column, 40)}" for field, column in self.columns.items()
        )
        return f"{SHAPE_WORDS[self.shape]} ({', '.join(parts)})"
