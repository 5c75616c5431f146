"""Chats as rows of tokens, in the words of the shipped template.

Every token of a chat is learned, so that the model can also write a user's
turns when it is sampled from the start token.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from jinja2 import Environment
from tokenizers import Tokenizer

from pretraining.tokenizer import SPECIAL

HALF = 512


def render(turns: list[dict[str, str]]) -> str:
    """Return a chat as the shipped template writes it."""
    text = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
    return Environment().from_string(text).render(messages=turns, bos_token=SPECIAL[1])


def packed_chats(work: Path, seed: int) -> np.ndarray:
    """Return shuffled chats packed into rows of 1,025 tokens, uint16, padded with 0.

    Chats are whole in every half of a row, so that a batch of sequences of 512
    tokens cuts none; a chat that is longer than that loses its end.
    """
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    lines = (work / "chat.train.jsonl").read_text(encoding="utf-8").splitlines()
    random.Random(seed).shuffle(lines)
    halves: list[list[int]] = [[]]
    for line in lines:
        ids = tokenizer.encode(render(json.loads(line)["messages"])).ids[:HALF]
        if len(halves[-1]) + len(ids) > HALF:
            halves.append([])
        halves[-1] += ids
    padded = [half + [0] * (HALF - len(half)) for half in halves]
    rows = [left + right + [0] for left, right in zip(padded[::2], padded[1::2], strict=False)]
    return np.array(rows, dtype=np.uint16)
