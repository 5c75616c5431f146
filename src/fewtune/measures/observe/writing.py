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
        0 for the likeliest token at each place, else drawn from the whole distribution; the random
        state outside stays as it is.
    seed
        Of the draws.
    """
    from fewtune.data.batches import chunks
    from fewtune.tasks.contexts import inference
    from fewtune.tasks.writing import written_after

    ends = task.end_ids
    device = next(model.parameters()).device
    written = [""] * len(prompts)
    sizes = [len(ids) + most for ids, most in zip(prompts, lengths, strict=True)]
    with inference(model), seeded(device, seed), task.autocast():
        for places in chunks(range(len(prompts)), sizes, task.answer_budget(model), most=64):
            found = written_after(
                model,
                [prompts[place] for place in places],
                max(lengths[place] for place in places),
                ends=ends,
                pad=int(task.tokenizer.pad_token_id or 0),
                temperature=temperature,
            )
            for place, ids in zip(places, found, strict=True):
                fresh = ids[: lengths[place]]
                end = next((at for at, token in enumerate(fresh) if token in ends), None)
                written[place] = task.tokenizer.decode(fresh[:end], skip_special_tokens=True)
    return written
