"""The processes that were started together for one fit: what one does for all, and what all do.

The first process owns the run folder, the journal, the checks, the measuring and the report. The
others train with it and learn from it what went wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from fewtune.environment import device_name, process_count, process_rank
from fewtune.errors import FewtuneError, PlanError

__all__ = ["Together", "told_elsewhere"]

V = TypeVar("V")

LONGEST_WAIT = timedelta(hours=12)
"""How long a process waits for the others: the first measures while they do nothing. A process that
dies is told by whatever started it (torchrun), not by this."""


class Together:
    """One process of those that fit together; alone, everything here is done at once.

    Attributes
    ----------
    count
        Processes in all.
    first
        Whether this is the one that writes.
    """

    def __init__(self) -> None:
        self.count = process_count()
        self.first = process_rank() == 0

    @cached_property
    def accelerator(self) -> Any:
        """Where and over how many processes is trained; making it joins the processes.

        Raises
        ------
        PlanError
            If an earlier fit of this Python process trained on another kind of device: accelerate
            keeps the first for as long as the process lives.
        """
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, is_initialized
        from accelerate.utils import InitProcessGroupKwargs

        device = device_name()
        if is_initialized() and (used := AcceleratorState().device.type) != device.split(":")[0]:
            raise PlanError(
                "one kind of device for all fits of a Python process",
                f"{device} after {used}",
                "FEWTUNE_DEVICE",
                "Start Python anew for this one",
            )
        if device.startswith("cuda:"):
            import torch

            torch.cuda.set_device(device)
        handlers: list[Any] = []
        if self.count > 1:
            handlers.append(InitProcessGroupKwargs(timeout=LONGEST_WAIT))
        return Accelerator(cpu=device == "cpu", kwargs_handlers=handlers)

    def everywhere(self, action: Callable[[], V]) -> V:
        """Return what ``action`` gives here, once it is done in every process.

        Raises
        ------
        FewtuneError
            What it raised here or, in the same moment, in another process.
        """
        if self.count == 1:
            return action()
        value: Any = None
        error: FewtuneError | None = None
        try:
            value = action()
        except FewtuneError as found:
            error = found
        self._raise_first(error)
        return value  # type: ignore[no-any-return]

    def by_first(self, action: Callable[[], V]) -> V:
        """Return what ``action`` gives in the first process, which alone does it.

        Raises
        ------
        FewtuneError
            What it raised there, in every process.
        """
        value = self.everywhere(lambda: action() if self.first else None)
        if self.count == 1:
            return value  # type: ignore[return-value]
        from accelerate.utils import broadcast_object_list

        found: V = broadcast_object_list([value])[0]
        return found

    def _raise_first(self, error: FewtuneError | None) -> None:
        """Raise the error of the lowest process that has one, in all of them."""
        from accelerate.utils import gather_object

        number: int = self.accelerator.process_index
        errors: list[tuple[int, FewtuneError | None]] = gather_object([(number, error)])
        for place, found in errors:
            if found is not None and place == number and error is not None:
                raise error
            if found is not None:
                found.add_note(_TOLD)
                raise found


_TOLD = "told by another process"


def told_elsewhere(error: FewtuneError) -> bool:
    """Return whether another process has raised this error too and tells the user of it."""
    return _TOLD in getattr(error, "__notes__", ())
