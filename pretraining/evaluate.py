r"""Bits per byte on held-out documents, beside three controls.

    python -m pretraining.evaluate --work .pretrain/data --run .pretrain/main \\
        --model src/fewtune/models/builtin --stories ../shared/models/stories260K \\
        --out .pretrain/losses.json

Every model reads the same documents (cleaned text; the first 50,000 characters
of each) from its start token in windows of 512 tokens, and predicts every
token once. Bits per byte divides by UTF-8 bytes, so tokenizers do not matter.
Intervals: 95%, bootstrap over documents.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pretraining.chat import render
from pretraining.corpus import CORPORA, blocks, read_documents
from pretraining.ngram import KneserNey
from pretraining.train import stored_settings

WINDOW = 512
CHARACTERS = 50_000
# Turn markers are not text: they cost nats but are no bytes.
_MARKER = re.compile(r"<\|\w+\|>")
# A document -> its loss in nats.
Scorer = Callable[[str], float]


def window_losses(model: nn.Module, ids: list[int], batch: int = 8) -> float:
    """Return the summed loss in nats of ``ids[1:]`` in windows of 512 tokens."""
    pairs = [
        (ids[start : start + WINDOW], ids[start + 1 : start + WINDOW + 1])
        for start in range(0, len(ids) - 1, WINDOW)
    ]
    total = 0.0
    for at in range(0, len(pairs), batch):
        group = pairs[at : at + batch]
        longest = max(len(targets) for _, targets in group)
        inputs = torch.zeros(len(group), longest, dtype=torch.long)
        targets = torch.full((len(group), longest), -100)
        for row, (before, after) in enumerate(group):
            inputs[row, : len(after)] = torch.tensor(before[: len(after)])
            targets[row, : len(after)] = torch.tensor(after)
        with torch.no_grad():
            logits: Tensor = model(inputs).logits.float().flatten(0, 1)
        total += float(nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum"))
    return total


def library_scorer(folder: Path, *, untrained: bool = False) -> Scorer:
    """Return a scorer for a model folder, or for the same architecture with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if untrained:
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    else:
        model = AutoModelForCausalLM.from_pretrained(folder)
    # The weights are as stored; products in bf16 are faster where there are such.
    model = model.to(torch.bfloat16 if model.config.hidden_size >= 128 else torch.float32).eval()

    def score(text: str) -> float:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        if ids[:1] != [tokenizer.bos_token_id]:
            ids = [tokenizer.bos_token_id, *ids]
        return window_losses(model, ids)

    return score


def ngram_scorer(work: Path, run: Path, folder: Path) -> tuple[Scorer, int]:
    """Return a 5-gram scorer of the rows of text that the run has seen, and their tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings, _ = stored_settings(run / "checkpoint.safetensors")
    rows = blocks(work, 1024, settings.seed)[: settings.text_row(settings.updates)]
    model = KneserNey(rows, settings.vocab)

    def score(text: str) -> float:
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]
        return float(-model.log_probabilities(np.array(ids))[1:].sum())

    return score, rows.size


def held_out(work: Path) -> dict[str, list[str]]:
    """Return the held-out documents of each corpus, cut to 50,000 characters."""
    texts = {
        name: [text[:CHARACTERS] for text in read_documents(work / f"{name}.held.txt")]
        for name in CORPORA
    }
    lines = (work / "chat.held.jsonl").read_text(encoding="utf-8").splitlines()
    # The template's start token is given by the scorer.
    texts["chat"] = [
        render(json.loads(line)["messages"]).removeprefix("<|endofdoc|>") for line in lines
    ]
    return texts


def bits_per_byte(score: Scorer, texts: list[str]) -> dict[str, float | int]:
    """Return the value, its interval over documents, and n in documents and bytes."""
    nats = np.array([score(text) for text in texts])
    size = np.array([len(_MARKER.sub("", text).encode()) for text in texts])
    draws = np.random.default_rng(0).integers(0, len(texts), (10_000, len(texts)))
    sampled = nats[draws].sum(1) / size[draws].sum(1) / math.log(2)
    low, high = np.quantile(sampled, [0.025, 0.975])
    return {
        "value": round(float(nats.sum() / size.sum() / math.log(2)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "documents": len(texts),
        "bytes": int(size.sum()),
    }


def main() -> None:
    """Score every model on every corpus; write JSON, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--run", type=Path, default=Path(".pretrain/main"), help="the run")
    parser.add_argument("--model", type=Path, default=Path("src/fewtune/models/builtin"))
    parser.add_argument("--stories", type=Path, default=Path("../shared/models/stories260K"))
    parser.add_argument("--out", type=Path, default=Path(".pretrain/losses.json"))
    parser.add_argument("--only", nargs="*", default=["builtin", "ngram", "stories", "untrained"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = held_out(options.work)
    # Figures of models that are not asked for again stay as they are.
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.only:
        if name == "builtin":
            score = library_scorer(options.model)
        elif name == "untrained":
            score = library_scorer(options.model, untrained=True)
        elif name == "stories":
            score = library_scorer(options.stories)
        else:
            score, tokens = ngram_scorer(options.work, options.run, options.model)
            found["ngram_tokens"] = tokens
        # Chat markers are single tokens for this project's tokenizer only.
        parts = [part for part in texts if not (part == "chat" and name == "stories")]
        found[name] = {part: bits_per_byte(score, texts[part]) for part in parts}
        print(name, json.dumps(found[name]), flush=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
