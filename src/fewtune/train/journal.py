"""The journal of a run: one event a line, the only log that monitors and reports read."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

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
    """A log of events, appended to, from which what a resumed stage tells anew can be dropped.

    Parameters
    ----------
    path
        File to append to; ``None`` keeps nothing (other processes than the first). A file that is
        there is gone on with, its seconds included.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.listeners: list[Listener] = []
        self._file: IO[bytes] | None = None
        self._began = time.monotonic()
        if path is not None:
            last = self._rewrite(lambda line: True)
            self._began -= float(last.get("seconds", 0))

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

    def forget(self, stage: str, after: int) -> None:
        """Drop what a stage wrote after an update, which is about to be told anew.

        Parameters
        ----------
        stage
            Other stages' lines stay.
        after
            The update of the checkpoint that training goes on from; -1 where there is none.
        """
        self._rewrite(
            lambda line: (
                line["stage"] != stage or (line["update"] <= after and line["kind"] != "dial")
            )
        )

    def _rewrite(self, keep: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Keep some lines, never half a line that a kill left at the end; return the last kept."""
        if self.path is None:
            return {}
        self.close()
        whole = self.path.read_bytes() if self.path.exists() else b""
        lines = whole.splitlines(keepends=True)
        kept = [line for line in lines if line.endswith(b"\n") and keep(json.loads(line))]
        if len(kept) != len(lines):
            fresh = self.path.with_name(self.path.name + ".tmp")
            fresh.write_bytes(b"".join(kept))
            os.replace(fresh, self.path)
        self._file = self.path.open("ab")
        last: dict[str, Any] = json.loads(kept[-1]) if kept else {}
        return last

    def events(self) -> list[Event]:
        """Return every event so far, those of earlier sittings included."""
        if self.path is None:
            return []
        # Only newlines end a line: a quoted row may hold other separators, such as U+2028.
        lines = self.path.read_bytes().split(b"\n")
        return [Event(**json.loads(line)) for line in lines if line]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
