r"""The folder that ships: weights, settings, tokenizer, template and a record of hashes.

python -m pretraining.export --run .pretrain/main --work .pretrain/data \\
        --to src/fewtune/models/builtin
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pretraining.model import Llama, Shape
from pretraining.tokenizer import SPECIAL
from pretraining.train import Settings, splits, stored_settings

PAD, OPEN, _SYSTEM, _USER, _ASSISTANT, END = range(len(SPECIAL))


def load_run(run: Path) -> tuple[Llama, Settings, int]:
    """Return a run's model in bf16, its settings and the number of updates behind it."""
    file = run / "checkpoint.safetensors"
    settings, done = stored_settings(file)
    model = Llama(settings.shape(), settings.seed)
    state = load_file(file)
    for name, weight in model.named_parameters():
        weight.data = state[f"weight/{name}"].bfloat16()
    return model, settings, done


def library_weights(model: Llama) -> dict[str, Tensor]:
    """Return the weights under the names that ``LlamaForCausalLM`` gives them."""
    out = {"model.embed_tokens.weight": model.embedding, "model.norm.weight": model.norm}
    rows = splits(model.shape)
    for number, block in enumerate(model.blocks):
        head = f"model.layers.{number}."
        for name, part in zip("qkv", block.qkv.split(rows["qkv"]), strict=True):
            out[f"{head}self_attn.{name}_proj.weight"] = part
        for name, part in zip(("gate", "up"), block.gate_up.split(rows["gate_up"]), strict=True):
            out[f"{head}mlp.{name}_proj.weight"] = part
        out[head + "self_attn.o_proj.weight"] = block.out
        out[head + "mlp.down_proj.weight"] = block.down
        out[head + "input_layernorm.weight"] = block.norm_in
        out[head + "post_attention_layernorm.weight"] = block.norm_mid
    return {name: tensor.detach().bfloat16().contiguous() for name, tensor in out.items()}


def library_settings(shape: Shape) -> dict[str, object]:
    """Return ``config.json``."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rope_theta": shape.theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
        "rms_norm_eps": shape.epsilon,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": OPEN,
        "eos_token_id": END,
        "pad_token_id": PAD,
        "initializer_range": 0.02,
        "dtype": "bfloat16",
    }


def generation_settings() -> dict[str, object]:
    """Return ``generation_config.json``: a turn ends at its end token, a text at a new document."""
    return {"bos_token_id": OPEN, "eos_token_id": [END, OPEN], "pad_token_id": PAD}


def tokenizer_settings(shape: Shape) -> dict[str, object]:
    """Return ``tokenizer_config.json``."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.context,
        "bos_token": SPECIAL[OPEN],
        "eos_token": SPECIAL[END],
        "pad_token": SPECIAL[PAD],
        "additional_special_tokens": SPECIAL[2:5],
        "clean_up_tokenization_spaces": False,
        "padding_side": "right",
    }


def fingerprints(folder: Path) -> dict[str, dict[str, object]]:
    """Return name -> size and sha256 of the model's files."""
    names = sorted(
        file.name
        for file in folder.iterdir()
        if file.suffix in (".safetensors", ".json", ".jinja") and file.name != "record.json"
    )
    contents = {name: (folder / name).read_bytes() for name in names}
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


def write_json(file: Path, content: object) -> None:
    """Write JSON as people read it."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def export(run: Path, work: Path, to: Path, note: dict[str, object]) -> dict[str, object]:
    """Write the folder and return its record; ``note`` is added to the record."""
    model, _, done = load_run(run)
    to.mkdir(parents=True, exist_ok=True)
    weights = library_weights(model)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    (to / "model.safetensors").chmod(0o644)
    write_json(to / "config.json", library_settings(model.shape))
    write_json(to / "generation_config.json", generation_settings())
    write_json(to / "tokenizer_config.json", tokenizer_settings(model.shape))
    shutil.copyfile(work / "tokenizer.json", to / "tokenizer.json")
    shutil.copyfile(Path(__file__).with_name("chat_template.jinja"), to / "chat_template.jinja")
    record: dict[str, object] = {
        "parameters": sum(weight.numel() for weight in weights.values()),
        "updates": done,
        "files": fingerprints(to),
        **note,
    }
    write_json(to / "record.json", record)
    return record


def check_equal(run: Path, folder: Path) -> float:
    """Return the largest difference of logits between the trainer's model and the library's."""
    from transformers import AutoModelForCausalLM

    model, _, _ = load_run(run)
    model = model.float()
    library = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.randint(6, model.shape.vocab, (2, 512), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = model.hidden(ids) @ model.embedding.t()
        return float((ours - library(ids).logits).abs().max())


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, default=Path(".pretrain/main"))
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--to", type=Path, default=Path("src/fewtune/models/builtin"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = export(options.run, options.work, options.to, {})
    print(json.dumps(record, indent=1))
    print("largest difference of logits:", check_equal(options.run, options.to))


if __name__ == "__main__":
    main()
