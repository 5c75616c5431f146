"""Rows from parquet files, counted from 1; needs pyarrow (extra ``hub``)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fewtune.data.formats.base import MAX_COLUMNS, Table, numbered
from fewtune.data.formats.decode import MAX_BYTES, open_bytes
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
        with (
            _unpacked(path, name) as bytes_,
            pyarrow.parquet.ParquetFile(bytes_, memory_map=False) as file,
        ):
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


@contextmanager
def _unpacked(path: Path, name: str) -> Iterator[Path | IO[bytes]]:
    """Yield the file, or where it is packed its content on disk: parquet is read from its end."""
    if path.suffix.lower() not in (".gz", ".xz"):
        yield path
        return
    with tempfile.TemporaryFile() as file:
        with open_bytes(path, name) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        yield file


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
