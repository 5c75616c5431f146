"""Files that are replaced in one step, so that nobody ever reads half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from fewtune.errors import RunError

__all__ = ["write_atomically"]


def write_atomically(path: Path, text: str) -> Path:
    """Write ``text`` so that ``path`` holds either the old content or all of the new; return it.

    Raises
    ------
    RunError
        If the folder cannot be written to.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            # A lone surrogate from a user's file has no bytes; it becomes a question mark.
            file.write(text.encode("utf-8", errors="replace"))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return path


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(
        "a run folder that can be written to",
        error.strerror or str(error),
        str(path),
        "Free some space or change the folder's permissions",
    )
