"""The first Ctrl-C as a question asked between updates, so that an interrupt loses nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Interrupted", "interrupts"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a fit that has a run folder, so that it can be gone on with.

    Parameters
    ----------
    run
        The folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        super().__init__(str(run))


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C (or SIGTERM) came; a second one acts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
