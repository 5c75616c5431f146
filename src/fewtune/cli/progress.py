"""The live display of a fit: what is being done, updates, loss, time left."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from fewtune.records import Event

__all__ = ["Progress", "console"]


def console(stderr: bool, wrap: bool = True) -> Console:
    """Return a console; results go to stdout, everything else to stderr.

    What it prints holds words of the user (names of columns, labels, rows), which are never read as
    markup: neither ``[brackets]`` nor ``:names:`` of emoji. Styles are given beside the words.
    """
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=not wrap)


class Progress:
    """Listens to a journal and shows where the fit is; gone when the fit ends."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: Any = None
        self._validation = ""

    def __enter__(self) -> Progress:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def tell(self, event: Event) -> None:
        """Show an event of the journal."""
        values = event.values
        if event.kind == "stage":
            self._say(event, str(values["sentence"]), "dim")
            self._close()
            if "updates" in values:
                self._task = self._bar.add_task(
                    str(values["name"]), total=values["updates"], figures=""
                )
        elif event.kind == "step" and self._task is not None:
            figures = f"loss {values['loss']:.3f}{self._validation}"
            self._bar.update(self._task, completed=event.update, figures=figures)
        elif event.kind == "evaluation":
            self._validation = f", validation {values['validation_loss']:.3f}"
        elif event.kind == "diagnosis":
            self._say(event, str(values["sentence"]), "yellow")
        elif event.kind == "monitor":
            said = f"{values['monitor']} ({values['action']}): {values['sentence']}"
            self._say(event, said, "yellow")

    def _say(self, event: Event, sentence: str, style: str) -> None:
        """Print a sentence after its second, the words as they are."""
        clock = (f"{event.seconds:6.1f}s", style)
        self._console.print(Text.assemble(clock, f"  {sentence}"))

    def _close(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task, self._validation = None, ""
