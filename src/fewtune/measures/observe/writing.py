"""What a language model writes after a few tokens, in batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fewtune.environment import seeded

if TYPE_CHECKING:
    from fewtune.tasks.generation import Generation

__all__ = ["write"]


def write(
    task: Generation,
    model: Any,
    prompts: Sequence[Sequence[int]],
    lengths: Sequence[int],
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Return what the model writes after each prompt, without special tokens.

    Parameters
    ----------
    task
        For its tokenizer and its end tokens.
    model
        The language model.
    prompts
        Token ids.
    lengths
        Most tokens written after each prompt.
    temperature
        0 for the most likely text, else drawn; the random state outside stays as it is.
    seed
        Of the draws.
    """
    import torch

    from fewtune.data.batches import chunks
    from fewtune.tasks.contexts import inference

    pad = int(task.tokenizer.pad_token_id or 0)
    ends = task.end_ids
    device = next(model.parameters()).device
    written = [""] * len(prompts)
    drawing: dict[str, Any] = {"do_sample": False, "temperature": None, "top_k": None}
    if temperature > 0:
        drawing = {"do_sample": True, "temperature": temperature, "top_k": 0}
    sizes = [len(ids) + most for ids, most in zip(prompts, lengths, strict=True)]
    with inference(model), seeded(device, seed), task.autocast():
        for places in chunks(range(len(prompts)), sizes, task.answer_budget(model), most=64):
            width = max(len(prompts[i]) for i in places)
            ids = torch.full((len(places), width), pad)
            mask = torch.zeros_like(ids)
            for row, place in enumerate(places):
                here = len(prompts[place])
                ids[row, width - here :] = torch.tensor(list(prompts[place]))
                mask[row, width - here :] = 1
            out = model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=max(lengths[i] for i in places),
                max_length=None,
                eos_token_id=ends,
                pad_token_id=pad,
                top_p=1.0 if temperature > 0 else None,
                **drawing,
            )
            for row, place in enumerate(places):
                fresh = out[row, width : width + lengths[place]].tolist()
                end = next((at for at, token in enumerate(fresh) if token in ends), None)
                written[place] = task.tokenizer.decode(fresh[:end], skip_special_tokens=True)
    return written
