"""Llamas of 34 and 340 million parameters with random weights, and chats of mixed length."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.common import shared

__all__ = ["chats", "llama_34m", "llama_340m"]

SHAPE = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 10,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
LARGER = {
    **SHAPE,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
}


def llama_34m(folder: Path) -> Path:
    """Write the model, drawn with seed 0, and the built-in model's tokenizer; return ``folder``."""
    return _written(folder, SHAPE)


def llama_340m(folder: Path) -> Path:
    """Write a model ten times as large; return ``folder``."""
    return _written(folder, LARGER)


def _written(folder: Path, shape: dict[str, Any]) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from fewtune.models.load import load_tokenizer, resolve

    source = resolve("builtin")
    tokenizer = load_tokenizer(source)
    torch.manual_seed(0)
    ends = {"bos_token_id": 1, "eos_token_id": 5, "pad_token_id": 0}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape, **ends))
    model.save_pretrained(folder)
    for file in Path(source.location).glob("*token*"):
        shutil.copy(file, folder)
    for file in Path(source.location).glob("chat_template*"):
        shutil.copy(file, folder)
    return folder


def chats(count: int, file: Path) -> Path:
    """Write ``count`` booking dialogues, cut after 1 to 6 exchanges in turn; return the file."""
    rows = []
    with shared("data", "dialogues", "booking_dialogues.jsonl").open(encoding="utf-8") as lines:
        for number, line in zip(range(count), lines, strict=False):
            messages = json.loads(line)["messages"][: 2 * (1 + number % 6)]
            rows.append(json.dumps({"messages": messages}) + "\n")
    file.write_text("".join(rows), encoding="utf-8")
    return file
