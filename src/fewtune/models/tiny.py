"""Very small models built from a configuration, for tests and dry runs; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "save_causal_lm",
    "save_encoder",
    "save_image_transformer",
    "save_mobilenet",
    "word_tokenizer",
]

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


def word_tokenizer(texts: Iterable[str], size: int = 400) -> Any:
    """Return a fast byte-level tokenizer trained on ``texts``, with pad, begin and end tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=128,
    )


def save_causal_lm(folder: Path, texts: Iterable[str], width: int = 16, layers: int = 2) -> Path:
    """Write a Llama-shaped language model with random weights and its tokenizer; return folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = word_tokenizer(texts)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_encoder(folder: Path, texts: Iterable[str], width: int = 32, layers: int = 2) -> Path:
    """Write a BERT-shaped encoder with random weights and its tokenizer; return ``folder``."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_tokenizer(texts)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_mobilenet(folder: Path, side: int = 32) -> Path:
    """Write a MobileNetV2 with random weights and its image processor; return ``folder``."""
    import torch
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    torch.manual_seed(0)
    config = MobileNetV2Config(
        depth_multiplier=0.1, depth_divisible_by=4, min_depth=4, num_labels=5, image_size=side
    )
    model = MobileNetV2ForImageClassification(config)
    # Random weights shrink what passes through; their statistics must be those of some input.
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.randn(16, 3, side, side))
    model.eval().save_pretrained(folder)
    _save_processor(folder, side)
    return folder


def save_image_transformer(folder: Path, layers: int = 3, side: int = 16) -> Path:
    """Write a ViT with random weights, without a head, and its image processor."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        image_size=side,
        patch_size=8,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    _save_processor(folder, side)
    return folder


def _save_processor(folder: Path, side: int) -> None:
    import json

    kind = "ViTImageProcessor"
    settings = {"image_processor_type": kind, "size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
