"""Rows from parquet files, counted from 1; needs pyarrow (extra ``hub``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fewtune.data.formats.base import MAX_COLUMNS, Table, numbered
from fewtune.data.formats.decode import MAX_BYTES
from fewtune.errors import DataError, MissingExtra

__all__ = ["read_parquet"]

MAX_ROWS = 5_000_000
BATCH = 10_000


def read_parquet(path: Path, name: str) -> Table:
    """Return the rows of a parquet file.

    Raises
    ------
    MissingExtra
        If pyarrow is not installed.
    DataError
        If the file is broken, or larger than fits.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra.named("pyarrow", "hub", "reading parquet") from error
    table = Table(name, [], str(path.parent))
    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=False) as file:
            _refuse_large(file.metadata, name)
            for batch in file.iter_batches(BATCH):
                table.records += numbered(batch.to_pylist(), len(table.records) + 1)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        first_line = str(error).split("\n", 1)[0][:200]
        raise DataError(
            "a parquet file that can be read",
            first_line or type(error).__name__,
            name,
            "Write the file again",
        ) from error
    return table


def _refuse_large(metadata: Any, name: str) -> None:
    columns, rows = metadata.num_columns, metadata.num_rows
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if columns > MAX_COLUMNS or rows > MAX_ROWS or size > MAX_BYTES:
        raise DataError(
            f"at most {MAX_COLUMNS:,} columns, {MAX_ROWS:,} rows and {MAX_BYTES // 1024**3} GiB",
            f"{columns:,} columns, {rows:,} rows and {size:,} bytes",
            name,
            "Train on a sample of it, with the columns that are needed",
        )
