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


def console(stderr: bool) -> Console:
    """Return a console; results go to stdout, everything else to stderr."""
    return Console(stderr=stderr, highlight=False)


class Progress:
    """Listens to a journal and shows where the fit is; gone when the fit ends."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
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
            self._console.print(f"[dim]{event.seconds:6.1f}s[/dim]  {values['sentence']}")
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
            # A quoted row may hold brackets, which are no markup.
            clock = (f"{event.seconds:6.1f}s", "yellow")
            self._console.print(Text.assemble(clock, f"  {values['sentence']}"))
        elif event.kind == "monitor":
            self._console.print(
                f"[yellow]{event.seconds:6.1f}s[/yellow]  {values['monitor']} "
                f"({values['action']}): {values['sentence']}"
            )

    def _close(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task, self._validation = None, ""
