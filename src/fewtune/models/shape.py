"""The shape of a model that need not be here: from a name, a config.json, or a bare count."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fewtune.errors import ModelError
from fewtune.models.load import read_config
from fewtune.models.source import HUB_ID, Source, resolve

__all__ = ["known_shape", "llama_of"]

COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmb])", re.IGNORECASE)
UNITS = {"k": 1e3, "m": 1e6, "b": 1e9}

WIDTH_PER_LAYER = 128
VOCABULARY = 32_000


def known_shape(name: str) -> tuple[Any, str]:
    """Return a configuration and what it is, in words; no weights are needed.

    Parameters
    ----------
    name
        A number of parameters (``7B``), a folder or file with a config.json, a hub id, ``builtin``
        or ``minilm``.

    Raises
    ------
    ModelError
        If it is none of these, or the configuration cannot be read.
    """
    count = COUNT.fullmatch(name.strip())
    if count:
        config = llama_of(float(count[1]) * UNITS[count[2].lower()])
        return config, (
            f"a Llama of that size: {config.num_hidden_layers} layers of width "
            f"{config.hidden_size}, {config.vocab_size:,} tokens"
        )
    path = Path(name).expanduser()
    if path.is_file():
        path = path.parent if path.name == "config.json" else path
    if (path / "config.json").is_file():
        return read_config(Source(name, str(path))), str(path)
    if HUB_ID.fullmatch(name) and not path.exists():
        return _from_hub(name), f"{name} on the hub"
    source = resolve(name)
    return read_config(source), name


def llama_of(parameters: float) -> Any:
    """Return the configuration of a Llama of about ``parameters``, shaped as the family is.

    Its width is 128 for every layer, its feed-forward layers are 8/3 as wide, it has 32,000 tokens
    and an output layer of its own (2302.13971); 7B gives 32 layers of width 4,096.
    """
    from transformers import LlamaConfig

    def count(layers: int) -> float:
        width = WIDTH_PER_LAYER * layers
        return layers * (4 * width**2 + 3 * width * _middle(width)) + 2 * VOCABULARY * width

    layers = min(range(1, 200), key=lambda n: abs(count(n) - parameters))
    width = WIDTH_PER_LAYER * layers
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=_middle(width),
        num_hidden_layers=layers,
        num_attention_heads=layers,
        num_key_value_heads=layers,
        max_position_embeddings=4096,
    )


def _middle(width: int) -> int:
    return -(-width * 8 // 3 // 256) * 256


def _from_hub(name: str) -> Any:
    from huggingface_hub import hf_hub_download
    from transformers import AutoConfig

    hub_id, _, revision = name.partition("@")
    try:
        file = hf_hub_download(hub_id, "config.json", revision=revision or None)
        json.loads(Path(file).read_text(encoding="utf-8"))
        return AutoConfig.from_pretrained(Path(file).parent, trust_remote_code=False)
    except Exception as error:  # the hub's library raises its own, requests' and OS errors
        raise ModelError(
            "a model whose config.json the hub or its cache has",
            f"{type(error).__name__} for {name}",
            cure="Check the id and the network, or give a number of parameters, e.g. 7B",
        ) from error
