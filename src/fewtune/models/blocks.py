"""The blocks of a model from input to output: found in any architecture, frozen from below."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from torch import nn

from fewtune.errors import ModelError

__all__ = ["Blocks", "find_blocks", "frozen_blocks", "hold_frozen"]

OUTPUT_SIDE = re.compile(r"(final_|ln_f|norm_f|project_out)")
"""Modules that work on the last block's output, however early a model defines them."""


@dataclass(frozen=True)
class Blocks:
    """A model cut into what comes before its blocks, the blocks, and what comes after.

    Attributes
    ----------
    name
        Dotted name of the list that holds the blocks.
    before
        Modules that work on the input: embeddings, a convolutional stem.
    blocks
        The blocks, first to last.
    after
        Modules that work on the last block's output: final norm, pooler, head.
    nested
        Whether the blocks lie in stages, with modules between the stages.
    """

    name: str
    before: tuple[nn.Module, ...]
    blocks: tuple[nn.Module, ...]
    after: tuple[nn.Module, ...]
    nested: bool = False


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def find_blocks(model: nn.Module) -> Blocks:
    """Return the blocks of ``model``.

    They are the list of modules with the most parameters; where the model is built in stages (its
    configuration tells ``depths``), the lists of the stages in their order.

    Raises
    ------
    ModelError
        If the model has no list of blocks.
    """
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and _size(module)
    ]
    if not lists:
        raise ModelError(
            "a model made of a list of blocks",
            type(model).__name__,
            cure="Choose another method, or the last layers by number with method.options.layers",
        )
    # max takes the first of equals, which is the outermost.
    name, found = max(lists, key=lambda pair: _size(pair[1]))
    staged = any(hasattr(getattr(m, "config", None), "depths") for m in model.modules())
    blocks: list[nn.Module] = []
    for entry in found:
        inner = [m for m in entry.modules() if isinstance(m, nn.ModuleList)] if staged else []
        stage = max(inner, key=_size, default=None)
        blocks += stage or [entry]
    before, after = _around(model, name)
    return Blocks(name, before, tuple(blocks), after, nested=len(blocks) != len(found))


def _around(model: nn.Module, name: str) -> tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    """Return the modules beside the path to ``name``: those before it and those after it.

    Models define their modules in the order of their use, but for a few that ``OUTPUT_SIDE`` names.
    """
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    place = model
    for step in name.split("."):
        passed = False
        for child_name, child in place.named_children():
            if child_name == step:
                passed = True
            elif passed or OUTPUT_SIDE.match(child_name):
                after.append(child)
            else:
                before.append(child)
        place = place.get_submodule(step)
    return tuple(before), tuple(after)


def frozen_blocks(model: nn.Module) -> int:
    """Return how many of the lowest blocks, and all before them, have nothing that trains.

    0 where a trained parameter works on the input, or where the blocks cannot be found.
    """
    try:
        found = find_blocks(model)
    except ModelError:
        return 0
    known = {id(p) for m in (*found.blocks, *found.after) for p in m.parameters()}
    if any(p.requires_grad and id(p) not in known for p in model.parameters()):
        return 0
    # A head tied to the embedding is on both sides: what trains there works on the input too.
    if any(p.requires_grad for m in found.before for p in m.parameters()):
        return 0
    for number, block in enumerate(found.blocks):
        if any(p.requires_grad for p in block.parameters()):
            return number
    return len(found.blocks)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    return module


def hold_frozen(model: nn.Module) -> int:
    """Keep the frozen lowest blocks in evaluation mode for good; return how many they are.

    Dropout in layers that cannot adapt is noise without a purpose, and without it their output is
    a function of the example alone, which can be computed once.
    """
    count = frozen_blocks(model)
    if count:
        found = find_blocks(model)
        for module in (*found.before, *found.blocks[:count]):
            module.eval()
            # The loop calls train() on the whole model, which asks every module in it.
            module.train = functools.partial(_stay, module)  # type: ignore[method-assign]
    return count
