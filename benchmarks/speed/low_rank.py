"""Processor seconds of a LoRA update with PEFT's own pass of its layers and with ours, in turn.

The 34M Llama shape with random weights, float32, one update of 8 rows of 150 tokens, rank 16 on all
linear layers: forward, loss over all tokens, backward, AdamW. Slopes of both ways are compared.

    python -m benchmarks.speed.low_rank [--repeats 3] [--rows 8] [--length 150]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.common import save
from benchmarks.speed._llama import llama_34m


def seconds() -> float:
    """Return the processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def update(model: Any, optimizer: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Do one update; return the slopes."""
    optimizer.zero_grad(set_to_none=True)
    states = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    logits = model.lm_head(states.reshape(-1, states.shape[-1]))
    torch.nn.functional.cross_entropy(logits, ids.reshape(-1)).backward()
    slopes = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    optimizer.step()
    return slopes


def main() -> None:
    """Measure both in turn, print the medians and keep the raw seconds."""
    from transformers import AutoModelForCausalLM

    from fewtune.models.adapters import add_lora

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        model: Any = AutoModelForCausalLM.from_pretrained(llama_34m(Path(place)))
    add_lora(model, rank=16, alpha=32.0, dropout=0.0, dora=False, rslora=False)
    ours = {m: m.__dict__["forward"] for m in model.modules() if "forward" in m.__dict__}
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=0.0, weight_decay=0.0, fused=True
    )
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    ids = torch.randint(10, 5000, (given.rows, given.length))
    found: dict[str, list[float]] = {"PEFT's pass": [], "ours": []}
    slopes: dict[str, list[torch.Tensor]] = {}
    for turn in range(given.repeats + 1):
        for name, times in found.items():
            for module, forward in ours.items():
                if name == "ours":
                    module.forward = forward
                else:
                    module.__dict__.pop("forward", None)
            began = seconds()
            slopes[name] = update(model, optimizer, ids)
            if turn:  # the first warms up
                times.append(seconds() - began)
    off = max(
        float((a - b).abs().max() / b.abs().max())
        for a, b in zip(slopes["ours"], slopes["PEFT's pass"], strict=True)
    )
    for name, times in found.items():
        print(
            f"{name:14}{median(times):6.2f} s an update  ({', '.join(f'{t:.2f}' for t in times)})"
        )
    ratio = median(found["PEFT's pass"]) / median(found["ours"])
    print(f"{ratio:.2f} times as fast; slopes differ by at most {off:.1e} of the largest")
    results = {**vars(given), "seconds": found, "times": ratio, "largest_difference": off}
    print(save("speed/low_rank", results))


if __name__ == "__main__":
    main()
