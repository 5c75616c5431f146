"""The trunk: what frozen lower blocks make of each example, computed once and served ever after.

When everything below some block is frozen and deterministic, the states that leave it are a
function of the example alone. They are computed before training, in batches that depend on the
rows only (so a resumed run gets the same bits), and while a batch of known rows is computed the
lower blocks hand them out instead of working. The model's code runs as it is: masks and positions
are made as ever, and no architecture is known by name. Before it is used, the result is compared
with that of the whole model; where it differs, nothing is cached.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewtune.data.batches import chunks
from fewtune.models.blocks import Blocks, find_blocks, frozen_blocks
from fewtune.tasks.base import Batch, Row, Task, inference, no_shortcut
from fewtune.train.journal import Journal

__all__ = ["Store", "Trunk", "cached_trunk"]

MEMORY_BYTES = 1 << 30
"""States kept in memory; those beyond go to a memory-mapped file."""

FILE_BYTES = 32 << 30
"""Most bytes of that file; rows beyond are computed anew each time."""


class Store:
    """Tensors by key: in memory up to a budget, in a memory-mapped file beyond it.

    Parameters
    ----------
    folder
        Where the file is made, unnamed: it is gone when the process is.
    memory, disk
        Bytes kept in memory, and in the file.
    """

    def __init__(self, folder: Path, memory: int = MEMORY_BYTES, disk: int = FILE_BYTES) -> None:
        self.folder = folder
        self._memory, self._disk = memory, disk
        self._kept: dict[Hashable, Tensor] = {}
        self._places: dict[Hashable, tuple[int, torch.Size, torch.dtype]] = {}
        self._file: Any = None
        self._map: mmap.mmap | None = None
        self._end = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept or key in self._places

    def put(self, key: Hashable, value: Tensor) -> None:
        """Keep a copy of ``value`` if there is room."""
        if value.nbytes <= self._memory:
            self._memory -= value.nbytes
            # A tensor made in inference mode could not take part in training.
            with torch.inference_mode(False):
                copy = torch.empty(value.shape, dtype=value.dtype, device=value.device)
            self._kept[key] = copy.copy_(value)
        elif value.nbytes <= self._disk:
            self._disk -= value.nbytes
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self.folder)
            raw = value.detach().cpu().contiguous().flatten().view(torch.uint8)
            self._file.write(raw.numpy().tobytes())
            self._places[key] = (self._end, value.shape, value.dtype)
            self._end += value.nbytes

    def get(self, key: Hashable) -> Tensor:
        """Return the tensor kept under ``key``."""
        if key in self._kept:
            return self._kept[key]
        start, shape, dtype = self._places[key]
        if self._map is None or len(self._map) < self._end:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), self._end, access=mmap.ACCESS_READ)
        raw = np.frombuffer(self._map, np.uint8, shape.numel() * dtype.itemsize, start)
        return torch.from_numpy(raw.copy()).view(dtype).reshape(shape)

    def close(self) -> None:
        """Forget everything and remove the file."""
        self._kept.clear()
        self._places.clear()
        if self._map is not None:
            self._map.close()
        if self._file is not None:
            self._file.close()
        self._map = self._file = None


class _Captured(Exception):
    """Ends a forward pass once the states are there."""


class Trunk:
    """The states that leave the frozen lowest blocks of a model, by row.

    Parameters
    ----------
    model
        Prepared by a method, its frozen blocks held in evaluation mode.
    task
        Makes batches of rows and runs the model.
    store
        Where states are kept.
    """

    def __init__(self, model: nn.Module, task: Task, store: Store) -> None:
        self.model, self.task, self.store = model, task, store
        found: Blocks = find_blocks(model)
        self.count = frozen_blocks(model)
        self._lower = found.blocks[: self.count]
        self._before = [m for m in found.before if any(True for _ in m.parameters())]
        self._skip_before = True
        self._as_tuple = False

    def fill(self, rows: Sequence[Row]) -> None:
        """Compute and keep the states of ``rows``, in batches that depend on the rows alone."""
        lengths = [row.length for row in rows]
        device = next(self.model.parameters()).device
        for places in chunks(range(len(rows)), lengths, self.task.budget(self.model)):
            some = [rows[place] for place in places]
            if all(_key(row) in self.store for row in some):
                continue
            batch = self.task.collate(some).to(device)
            for row, state in zip(some, self._states(batch), strict=True):
                if _key(row) not in self.store:
                    self.store.put(_key(row), state[: len(row.ids)] if row.ids else state)

    def _states(self, batch: Batch) -> Tensor:
        """Return what leaves the lowest blocks for a batch; nothing above them is computed."""
        caught: list[Any] = []

        def catch(module: nn.Module, given: Any, output: Any) -> None:
            caught.append(output)
            raise _Captured

        handle = self._lower[-1].register_forward_hook(catch)
        try:
            with inference(self.model), self.task.autocast():
                self.task.hidden(self.model, batch)
        except _Captured:
            pass
        finally:
            handle.remove()
        output = caught[0]
        self._as_tuple = isinstance(output, tuple)
        if self._as_tuple and any(part is not None for part in output[1:]):
            raise ValueError("blocks hand more than states to each other")
        states: Tensor = output[0] if self._as_tuple else output
        return states

    def serve(self, model: nn.Module, batch: Batch) -> AbstractContextManager[None]:
        """Return a context in which the lower blocks hand out the states of ``batch``."""
        known = model is self.model and all(_key(row) in self.store for row in batch.rows)
        if not known or any(block.training for block in self._lower):
            return nullcontext()
        return self._handing_out(batch)

    @contextmanager
    def _handing_out(self, batch: Batch) -> Iterator[None]:
        states = self._padded(batch)
        answer = (states,) if self._as_tuple else states
        # What comes before the blocks, and all of them but the last, may say anything.
        silent = (*self._before, *self._lower) if self._skip_before else self._lower
        for module in silent:
            module.forward = _saying(states if module in self._before else answer)
        try:
            yield
        finally:
            for module in silent:
                del module.forward

    def _padded(self, batch: Batch) -> Tensor:
        kept = [self.store.get(_key(row)) for row in batch.rows]
        device = batch.targets.device
        if not batch.rows[0].ids:
            return torch.stack(kept).to(device)
        width = max(len(state) for state in kept)
        padded = kept[0].new_zeros((len(kept), width, *kept[0].shape[1:]), device=device)
        for place, state in enumerate(kept):
            padded[place, : len(state)] = state
        return padded

    def agrees(self, rows: Sequence[Row]) -> bool:
        """Return whether the model with the trunk gives what the whole model gives on ``rows``."""
        device = next(self.model.parameters()).device
        batch = self.task.collate(rows).to(device)
        # A GPU rounds what convolutions are given at 1/1024 (TF32), by the batch's shape.
        near = 1e-4 if device.type == "cpu" else 5e-3

        def run(context: AbstractContextManager[None]) -> Tensor:
            nonlocal near
            with inference(self.model), self.task.autocast(), context:
                # bfloat16 rounds at 1/256: batches of another shape may differ by that much.
                near = 2e-2 if torch.is_autocast_enabled(device.type) else near
                return self.task.hidden(self.model, batch).float()

        whole = run(nullcontext())
        for self._skip_before in (True, False):
            try:
                served = run(self.serve(self.model, batch))
            except Exception:  # an architecture that this cannot be done to raises anything
                continue
            if torch.allclose(whole, served, atol=near * float(whole.abs().max())):
                return True
        return False


def _saying(answer: Any) -> Callable[..., Any]:
    def forward(*given: Any, **more: Any) -> Any:
        return answer

    return forward


def _key(row: Row) -> Hashable:
    return row.ids or row.example.input


@contextmanager
def cached_trunk(
    model: nn.Module, task: Task, rows: Sequence[Row], journal: Journal, stage: str, folder: Path
) -> Iterator[Trunk | None]:
    """Have ``task`` serve the frozen lower part of ``model`` from a cache, where that is possible.

    Parameters
    ----------
    model, task
        As in training.
    rows
        Rows that will be computed again and again: those that train and those that choose.
    journal, stage
        What is done, or why not, is noted there.
    folder
        For the file that states beyond memory go to.
    """
    trunk, why = _made(model, task, rows, folder)
    # Of no stage: what a stage has written is dropped when it begins or is resumed.
    journal.write(
        "trunk",
        name=stage,
        blocks=trunk.count if trunk else 0,
        rows=len(rows) if trunk else 0,
        sentence=why,
    )
    if trunk is not None:
        task.shortcut = trunk.serve
    try:
        yield trunk
    finally:
        task.shortcut = no_shortcut
        if trunk is not None:
            trunk.store.close()


def _made(
    model: nn.Module, task: Task, rows: Sequence[Row], folder: Path
) -> tuple[Trunk | None, str]:
    """Return a trunk and what it does, or ``None`` and why not."""
    count = frozen_blocks(model)
    if not count:
        return None, "nothing is cached: the lowest block trains"
    found = find_blocks(model)
    if found.nested:
        return None, "nothing is cached: the blocks lie in stages"
    if task.varies:
        return None, "nothing is cached: the rows are varied while training"
    model.train()
    if any(block.training for block in found.blocks[:count]):
        return None, "nothing is cached: the frozen blocks are not held in evaluation mode"
    trunk = Trunk(model, task, Store(folder))
    try:
        trunk.fill(rows)
    except ValueError as error:
        trunk.store.close()
        return None, f"nothing is cached: {error}"
    if not trunk.agrees(rows[: min(4, len(rows))]):
        trunk.store.close()
        return None, "nothing is cached: the model does not give the same result from cached states"
    return trunk, (
        f"the lowest {count} of {len(found.blocks)} blocks were computed once for {len(rows)} rows"
    )
