"""What the passes of a candidate hold, by running its own code on tensors without values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fewtune.methods.base import METHODS
from fewtune.methods.full import Full
from fewtune.models.blocks import find_blocks, frozen_blocks
from fewtune.models.empty import empty_model
from fewtune.models.four_bit import packing
from fewtune.models.low import lower
from fewtune.plan.ledger import Kernels, Ledger
from fewtune.plan.work import Size, Work
from fewtune.regularizers.kl_to_base import divergence
from fewtune.tasks.base import SLICE

__all__ = ["Passes", "passes"]


@dataclass(frozen=True)
class Passes:
    """What a candidate holds, in bytes.

    Attributes
    ----------
    base, model
        Weights of the base, and of the base with what the method adds.
    trainable
        Weights that train.
    kept
        What a run keeps of it: all of the model, or what was added.
    update
        Activations of the largest batch of training at their most; gradients apart.
    measured
        The same while measuring.
    answers
        Keys, values and states of the largest batch of answers.
    trunk
        States of the known rows that leave the frozen lower blocks.
    """

    base: int
    model: int
    trainable: int
    kept: int
    update: int
    measured: int
    answers: int
    trunk: int


class _Stand:
    """Stands in for a task where a method asks for its tokenizer."""

    bos_token_id = 0
    cls_token_id = None
    eos_token_id = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.tokenizer = self

    def __call__(self, text: str, **more: Any) -> dict[str, list[int]]:
        return {"input_ids": [0]}


def passes(
    config: Any,
    method: str,
    options: Mapping[str, Any],
    work: Work,
    *,
    bf16: bool,
    low: bool = False,
    flash: bool,
) -> Passes:
    """Return what a candidate holds.

    Parameters
    ----------
    config
        The model's configuration.
    method, options
        What trains.
    work
        What is computed at once.
    bf16
        Whether autocast is on.
    low
        Whether the linear layers of the base are held in bfloat16; else all weights are in float32.
    flash
        Whether attention with dropout is one kernel; see ``Kernels``.

    Raises
    ------
    FewtuneError
        If the method does not fit the model.
    """
    model = empty_model(config, work.task, work.classes)
    if low:
        lower(model)
    base = _bytes(model.parameters()) + _bytes(model.buffers())
    unpacked = 0
    if options.get("four_bit"):
        saved, unpacked = packing(model)
        base -= saved
        options = {**options, "four_bit": False}
    bare = _bytes(model.parameters()) + _bytes(model.buffers())
    chosen = METHODS.load(method)(options)
    with torch.device("meta"), Ledger():
        stand: Any = _Stand(work.task)
        model = chosen.prepare(model, stand)
    whole = base + _bytes(model.parameters()) + _bytes(model.buffers()) - bare
    trainable = _bytes(p for p in model.parameters() if p.requires_grad)
    # Methods that change the base's own weights are kept whole.
    keeps_all = isinstance(chosen, Full) or (method == "head" and work.task == "generation")
    kernels = Kernels(bf16, flash)
    model.train()
    peak, gradients = _update(model, work, kernels)
    model.eval()
    # Autocast keeps what it lowers of weights that train until a pass is over.
    cast = trainable // 2 if bf16 else 0
    return Passes(
        base=base,
        model=whole,
        trainable=trainable,
        kept=whole if keeps_all else trainable,
        update=max(0, peak - gradients) + unpacked,
        measured=cast + unpacked + _measured(model, work, work.measured, kernels),
        answers=cast + unpacked + _measured(model, work, work.answers, kernels, cache=True)
        if work.answers
        else 0,
        trunk=_trunk(model, work, kernels),
    )


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@contextmanager
def _counted(model: nn.Module, kernels: Kernels) -> Any:
    """Give a ledger in whose context tensors are made without values."""
    ledger = Ledger([*model.parameters(), *model.buffers()])
    with ExitStack() as stack:
        stack.enter_context(torch.device("meta"))
        stack.enter_context(ledger)
        stack.enter_context(kernels)
        yield ledger


def _hidden(model: Any, work: Work, size: Size) -> Tensor:
    """Return the states of the units of a batch, as the task computes them."""
    if work.task == "image_classification":
        states: Tensor = model.embed(torch.zeros((size.rows, 3, *work.pixels)))
        return states
    ids = torch.zeros((size.rows, size.width), dtype=torch.int64)
    if work.task == "text_classification":
        states = model.embed(ids, torch.ones_like(ids))
        return states
    found = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    flat: Tensor = found.reshape(-1, found.shape[-1])
    return flat[torch.zeros(min(size.units, len(flat)), dtype=torch.int64)]


def _read(model: Any, work: Work, hidden: Tensor) -> Tensor:
    head = model.get_output_embeddings() if work.task == "generation" else model.head
    logits: Tensor = head(hidden)
    return logits


def _update(model: nn.Module, work: Work, kernels: Kernels) -> tuple[int, int]:
    """Return the most bytes of one batch's passes, gradients included, and the gradients' own."""
    with _counted(model, kernels) as ledger:
        if work.protected:
            torch.autograd.backward(_divergence(model, work, work.protected))
        logits = _read(model, work, _hidden(model, work, work.update))
        targets = torch.zeros(len(logits), dtype=torch.int64)
        loss = nn.functional.cross_entropy(logits.float(), targets)
        del logits
        torch.autograd.backward(loss)
    gradients = _bytes(p.grad for p in model.parameters() if p.grad is not None)
    model.zero_grad(set_to_none=True)
    return ledger.peak, gradients


def _divergence(model: nn.Module, work: Work, size: Size) -> Tensor:
    """Return KL(base‖tuned) on protected rows, as ``kl_to_base`` computes it."""

    def logits() -> Tensor:
        return _read(model, work, _hidden(model, work, size))

    def base() -> Tensor:
        with torch.no_grad():
            return logits().float().log_softmax(dim=-1)

    return divergence(base, logits)


def _measured(
    model: Any, work: Work, size: Size | None, kernels: Kernels, *, cache: bool = False
) -> int:
    """Return the most bytes of a pass without gradients, or 0 where none is made."""
    if size is None:
        return 0
    with torch.no_grad(), _counted(model, kernels) as ledger:
        if cache:
            ids = torch.zeros((size.rows, size.width), dtype=torch.int64)
            found = model.get_decoder()(input_ids=ids, use_cache=True)
            _read(model, work, found.last_hidden_state[:, -1])
        else:
            hidden = _hidden(model, work, size)
            logits = _read(model, work, hidden[:SLICE]).float()
            targets = torch.zeros(len(logits), dtype=torch.int64)
            nn.functional.cross_entropy(logits, targets, reduction="none")
    peak: int = ledger.peak
    return peak


def _trunk(model: nn.Module, work: Work, kernels: Kernels) -> int:
    """Return the bytes of the states that leave the frozen lower blocks, for all known rows."""
    count = frozen_blocks(model)
    if not count or not work.known or work.measured is None:
        return 0
    found = find_blocks(model)
    if found.nested:
        return 0
    caught: list[Tensor] = []

    def catch(module: nn.Module, given: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)

    handle = found.blocks[count - 1].register_forward_hook(catch)
    one = Size(1, work.measured.width, 1)
    with torch.no_grad(), _counted(model, kernels):
        _hidden(model, work, one)
    handle.remove()
    each = caught[0].numel() * caught[0].element_size()
    per = each if work.task == "image_classification" else each // one.width
    return per * work.known
