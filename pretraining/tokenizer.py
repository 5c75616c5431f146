"""A byte-level BPE tokenizer trained on a sample of the cleaned training text.

python -m pretraining.tokenizer --work .pretrain/data --size 6144
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from pretraining.corpus import CORPORA, read_documents

# The order fixes the ids: 0 pad, 1 opens a document, 2-4 open turns, 5 ends them.
SPECIAL = ["<|pad|>", "<|endofdoc|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
# Words with their leading space, single digits, runs of punctuation, runs of
# newlines: digits stay single so that numbers of any length are spelled alike.
SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*\n|\s+(?!\S)|\s+"
# Bytes of text sampled per corpus: books are plentiful, modern text is not.
SAMPLE = {"gutenberg": 24_000_000, "openstax": 6_000_000, "technical": 6_000_000, "coffee": 800_000}


def sample(work: Path, seed: int = 0) -> Iterator[str]:
    """Yield pieces of training documents, about ``SAMPLE`` bytes of each corpus."""
    rng = random.Random(seed)
    for name in CORPORA:
        texts = read_documents(work / f"{name}.train.txt")
        share = min(1.0, SAMPLE[name] / sum(map(len, texts)))
        for text in texts:
            for start in range(0, len(text), 4000):
                if rng.random() < share:
                    yield text[start : start + 4000]


def learned(pieces: Iterable[str], size: int) -> Tokenizer:
    """Return a tokenizer of ``size`` entries learned from pieces of text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pieces, trainer)
    return tokenizer


def train(work: Path, size: int) -> Tokenizer:
    """Return a tokenizer of ``size`` entries and write it to ``work/tokenizer.json``."""
    tokenizer = learned(sample(work), size)
    tokenizer.save(str(work / "tokenizer.json"))
    return tokenizer


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--size", type=int, default=6144)
    options = parser.parse_args()
    tokenizer = train(options.work, options.size)
    text = '"I don\'t know," she said; "it was 1912, perhaps."'
    print(tokenizer.get_vocab_size(), tokenizer.encode(text).tokens)


if __name__ == "__main__":
    main()
