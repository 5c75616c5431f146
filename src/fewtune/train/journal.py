"""The journal of a run: one event a line, the only log that monitors and reports read."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fewtune.records import Event

__all__ = ["Journal", "Listener"]

Listener = Callable[[Event], None]


def _plain(value: Any) -> Any:
    """Return a JSON value; NaN and infinity become their names, which JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


class Journal:
    """An append-only log of events that can be rewound to a checkpoint.

    Parameters
    ----------
    path
        File to append to; ``None`` keeps nothing (other processes than the first).
    before
        Seconds that earlier sittings of the run took.
    """

    def __init__(self, path: Path | None, before: float = 0.0) -> None:
        self.path = path
        self.listeners: list[Listener] = []
        self._began = time.monotonic() - before
        self._file = path.open("ab") if path is not None else None

    @property
    def seconds(self) -> float:
        """Seconds since the run began, earlier sittings included, pauses between them not."""
        return time.monotonic() - self._began

    def write(self, kind: str, stage: str = "", update: int = 0, **values: Any) -> Event:
        """Append one event and tell every listener."""
        event = Event(kind, stage, update, round(self.seconds, 3), values)
        if self._file is not None:
            line = {
                "kind": kind,
                "stage": stage,
                "update": update,
                "seconds": event.seconds,
                "values": _plain(values),
            }
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        for listener in self.listeners:
            listener(event)
        return event

    def offset(self) -> int:
        """Return the length of the file in bytes, to be kept in a checkpoint."""
        if self._file is None:
            return 0
        return self._file.tell()

    def rewind(self, offset: int, seconds: float) -> None:
        """Forget what was written after a checkpoint, so no update is told twice."""
        if self._file is not None:
            os.ftruncate(self._file.fileno(), offset)
            self._file.seek(offset)
        self._began = time.monotonic() - seconds

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
