"""Prefix: learned keys and values that every token attends to, in each attention layer.

The keys and values are joined to those of the tokens where transformers computes attention, so the
model keeps its class, its cache and its ``generate``. For causal models positions are counted as if
the prefix were tokens in front, which makes the result that of peft's prefix tuning, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fewtune.errors import ModelError

__all__ = ["Prefix", "add_prefix", "flat", "prefixes", "unflat"]

INTERFACE = "fewtune_prefix"

Pair = tuple[Tensor, Tensor]

_recorded: list[tuple[nn.Module, Pair]] | None = None


class Prefix(nn.Module):
    """Keys and values of one attention layer, each of shape (heads, tokens, width)."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        super().__init__()
        self.key = nn.Parameter(key.detach().clone())
        self.value = nn.Parameter(value.detach().clone())
        self.enabled = True


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """Return attention over the module's prefix and the tokens; what transformers calls."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if _recorded is not None:
        _recorded.append((module, (key, value)))
    prefix = getattr(module, "prefix", None)
    if prefix is not None and prefix.enabled:
        causal = more.pop("is_causal", None)
        causal = getattr(module, "is_causal", True) if causal is None else causal
        more["is_causal"] = False
        tokens, queries = prefix.key.shape[1], query.shape[2]
        if attention_mask is None and causal and queries > 1:
            attention_mask = query.new_ones(queries, key.shape[2], dtype=torch.bool).tril()
            attention_mask = attention_mask[None, None]
        if attention_mask is not None:
            seen = True if attention_mask.dtype == torch.bool else 0.0
            attention_mask = pad(attention_mask, (tokens, 0), value=seen)
        shape = (len(key), -1, -1, -1)
        key = torch.cat([prefix.key.to(key.dtype).expand(shape), key], dim=2)
        value = torch.cat([prefix.value.to(value.dtype).expand(shape), value], dim=2)
    found: tuple[Tensor, Tensor | None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **more
    )
    return found


@contextmanager
def _recording() -> Iterator[list[tuple[nn.Module, Pair]]]:
    global _recorded
    _recorded = []
    try:
        yield _recorded
    finally:
        _recorded = None


def add_prefix(model: Any, ids: list[int]) -> list[Prefix]:
    """Put a prefix into every attention layer of ``model``; return them, first layer first.

    It starts as the keys and values of real tokens, so the start is the model as it is with these
    tokens in front of its input; random ones would cost it much of what it knows (2101.00190).

    Parameters
    ----------
    model
        A transformers model: a causal language model or an encoder.
    ids
        The tokens, as many as the prefix is long.

    Raises
    ------
    ModelError
        If the model does not compute attention where transformers lets it be extended.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(INTERFACE, _attend)
    AttentionMaskInterface.register(INTERFACE, sdpa_mask)
    _set_interface(model)
    training = model.training
    model.eval()
    with _recording() as seen, torch.no_grad():
        model(input_ids=torch.tensor([ids], device=model.device))
    model.train(training)
    shapes = {(key.shape, value.shape) for _, (key, value) in seen}
    if len(shapes) != 1 or len({id(module) for module, _ in seen}) != len(seen):
        raise ModelError(
            "a model whose attention layers are all alike, for a prefix in each",
            f"{type(model).__name__} with {len(shapes)} kinds",
            cure="Choose method lora or adapter",
        )
    for module, (key, value) in seen:
        module.add_module("prefix", Prefix(key[0], value[0]))
    if hasattr(model, "get_output_embeddings") and model.get_output_embeddings() is not None:
        decoder = model.get_decoder()
        decoder.register_forward_pre_hook(_move_positions, with_kwargs=True)
    return prefixes(model)


def _set_interface(model: Any) -> None:
    """Have the model compute attention by ``_attend``."""
    from transformers.utils import logging

    quiet = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        model.set_attn_implementation(INTERFACE)
    finally:
        logging.set_verbosity(quiet)
    if model.config._attn_implementation != INTERFACE:
        raise ModelError(
            "a model whose attention can be extended",
            type(model).__name__,
            cure="Choose method lora or adapter",
        )


def _move_positions(decoder: Any, args: Any, given: dict[str, Any]) -> Any:
    """Count positions from the end of the prefix on."""
    first = prefixes(decoder)[0]
    if not first.enabled:
        return args, given
    tokens = first.key.shape[1]
    positions = given.get("position_ids")
    if positions is None:
        ids = given["input_ids"] if given.get("input_ids") is not None else args[0]
        cache = given.get("past_key_values")
        before = cache.get_seq_length() if cache is not None else 0
        positions = torch.arange(ids.shape[1], device=ids.device)[None] + before
    given["position_ids"] = positions + tokens
    _refuse_beyond(decoder, int(given["position_ids"].max()), tokens)
    return args, given


def _refuse_beyond(decoder: Any, last: int, tokens: int) -> None:
    """Raise where a model with a table of positions has none for the last token."""
    most = int(getattr(decoder.config, "max_position_embeddings", 0) or 0)
    rotary = any("rotary" in name for name, _ in decoder.named_modules())
    if not rotary and most and last >= most:
        raise ModelError(
            f"rows of at most {most - tokens} tokens beside a prefix of {tokens}",
            f"{last + 1 - tokens}",
            cure=f"Set task.max_length to {most - tokens}, or method.options.tokens lower",
        )


def prefixes(model: nn.Module) -> list[Prefix]:
    """Return the prefixes of ``model``, first layer first."""
    return [module for module in model.modules() if isinstance(module, Prefix)]


def flat(found: list[Prefix]) -> Tensor:
    """Return prefixes as peft keeps them: (tokens, layers × 2 × heads × width)."""
    pairs = torch.stack([torch.stack([p.key, p.value]) for p in found]).detach()
    # (layers, 2, heads, tokens, width) to (tokens, layers, 2, heads, width)
    return pairs.permute(3, 0, 1, 2, 4).reshape(pairs.shape[3], -1).cpu().contiguous()


def unflat(found: list[Prefix], values: Tensor, where: str) -> None:
    """Copy what ``flat`` gave back into prefixes.

    Raises
    ------
    ModelError
        If it does not fit.
    """
    heads, tokens, width = found[0].key.shape
    wanted = (tokens, len(found) * 2 * heads * width)
    if tuple(values.shape) != wanted:
        raise ModelError(
            f"a prefix of shape {wanted}",
            f"{tuple(values.shape)}",
            where,
            "The file belongs to another model or run: fit again",
        )
    pairs = values.reshape(tokens, len(found), 2, heads, width).permute(1, 2, 3, 0, 4)
    with torch.no_grad():
        for prefix, (key, value) in zip(found, pairs, strict=True):
            prefix.key.copy_(key)
            prefix.value.copy_(value)
