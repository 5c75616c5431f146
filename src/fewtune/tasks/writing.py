"""What a language model writes by itself: its likeliest tokens, or draws from all that it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["written_after"]


def written_after(
    model: Any,
    prompts: Sequence[Sequence[int]],
    most: int,
    *,
    ends: Sequence[int],
    pad: int,
    temperature: float = 0.0,
) -> list[list[int]]:
    """Return the ids that a model writes after each of some prompts, together in one batch.

    Nothing but the model decides: what its makers have ``generate`` do besides
    (``generation_config.json``: a penalty of repetition, words that are barred, a least length) is
    left out, for it would hide what was learnt.

    Parameters
    ----------
    model
        The language model.
    prompts
        Token ids.
    most
        Most tokens written.
    ends
        Tokens after which a text is over; what follows them here is padding.
    pad
        The padding token.
    temperature
        0 for the likeliest token at each place, else drawn from the whole distribution, by the
        random state of the model's device.
    """
    from transformers import GenerationConfig

    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, width - len(prompt) :] = 1
    drawing = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    meant = GenerationConfig(
        max_new_tokens=most,
        eos_token_id=list(ends),
        pad_token_id=pad,
        **(drawing if temperature > 0 else {"do_sample": False}),
    )
    device = next(model.parameters()).device
    with _alone(model, meant):
        out = model.generate(input_ids=ids.to(device), attention_mask=mask.to(device))
    found: list[list[int]] = out[:, width:].tolist()
    return found


@contextmanager
def _alone(model: Any, meant: Any) -> Iterator[None]:
    """Have ``generate`` do what is meant and nothing of the model's own settings.

    Given as an argument, it would be filled up with these.
    """
    own, model.generation_config = model.generation_config, meant
    try:
        yield
    finally:
        model.generation_config = own
