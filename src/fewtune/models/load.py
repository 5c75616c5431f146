"""Models read from where they are: weights, tokenizer, configuration, and facts about them."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Literal

from fewtune.errors import ModelError
from fewtune.models.pooler import without_pooler
from fewtune.models.source import Source, resolve

__all__ = [
    "Source",
    "fingerprint",
    "load_causal_lm",
    "load_encoder",
    "load_tokenizer",
    "loaded",
    "model_kind",
    "parameter_count",
    "read_config",
    "require",
    "resolve",
    "whole",
]

PART_HASHED = 4096
"""Bytes of each tensor that count for a model's fingerprint."""


def loaded(source: Source, loader: Any, what: str, **more: Any) -> Any:
    """Return ``loader.from_pretrained``'s answer, its many ways to fail told in one sentence."""
    from transformers.utils import logging

    quiet = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return loader.from_pretrained(source.location, trust_remote_code=False, **more)
    except Exception as error:  # transformers, safetensors and the hub each raise their own
        first = str(error).strip().split("\n", 1)[0][:300]
        raise ModelError(
            f"a readable {what}",
            f"{type(error).__name__}: {first}",
            source.location,
            "The file may be damaged or from another library: fetch it again",
        ) from error
    finally:
        logging.set_verbosity(quiet)


def read_config(source: Source) -> Any:
    """Return the model's configuration without loading weights."""
    from transformers import AutoConfig

    return loaded(source, AutoConfig, "config.json")


def load_tokenizer(source: Source) -> Any:
    """Return the model's tokenizer, with a padding token and room for padding on the right."""
    from transformers import AutoTokenizer

    tokenizer = loaded(source, AutoTokenizer, "tokenizer")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer


def model_kind(config: Any) -> Literal["causal", "text", "image"]:
    """Return what a configuration says the model is for, by its architecture's name."""
    from transformers.models.auto import modeling_auto

    names = " ".join(config.architectures or [])
    if "CausalLM" in names or "LMHead" in names:
        return "causal"
    image = (
        modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_IMAGE_MAPPING_NAMES,
    )
    if "Image" in names or any(config.model_type in mapping for mapping in image):
        return "image"
    return "text"


def require(
    source: Source, config: Any, allowed: tuple[str, ...], task: str, cure: str = ""
) -> None:
    """Raise a ModelError if the model is of none of the ``allowed`` kinds (see ``model_kind``)."""
    kind = model_kind(config)
    if kind in allowed:
        return
    words = {
        "causal": "a causal language model",
        "text": "a text encoder",
        "image": "an image model",
    }
    name = (config.architectures or [config.model_type])[0]
    raise ModelError(
        f"{' or '.join(words[a] for a in allowed)} for {task}",
        f"{words[kind]} ({name})",
        source.location,
        cure or "Choose another model, or data of the shape that this one is for",
    )


def load_causal_lm(source: Source, *, low: bool = False) -> Any:
    """Return a causal language model on the CPU, in float32 or lowered (see ``models.low``).

    Raises
    ------
    ModelError
        If the model is of another kind, or cannot be read.
    """
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = read_config(source)
    require(source, config, ("causal",), "generation")
    return _read(source, config, AutoModelForCausalLM, MODEL_FOR_CAUSAL_LM_MAPPING, low)


def load_encoder(source: Source, *, low: bool = False) -> Any:
    """Return a text model without its head on the CPU, in float32 or lowered.

    A causal language model is a text encoder too; its last hidden states are used.

    Raises
    ------
    ModelError
        If the model is of another kind, or cannot be read.
    """
    from transformers import AutoModel
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    config = read_config(source)
    require(source, config, ("text", "causal"), "text classification")
    return _read(source, config, AutoModel, MODEL_MAPPING, low, **without_pooler(config))


def _read(source: Source, config: Any, loader: Any, kinds: Any, low: bool, **extra: Any) -> Any:
    """Return what ``loader`` reads; ``kinds`` has the class that it makes of a configuration."""
    import torch

    from fewtune.models.low import lower, made_low

    given = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True, **extra}
    kind = kinds.get(type(config), None) if low else None
    if not isinstance(kind, type):
        # Several classes share some configurations: the loader knows which.
        model = whole(source, loaded(source, loader, "model", **given))
        return lower(model) if low else model
    model = whole(source, loaded(source, made_low(kind), "model", **given))
    model.__class__ = kind
    return model


def whole(source: Source, found: tuple[Any, dict[str, Any]], replaced: str = "\0") -> Any:
    """Return the model if the file held every weight; a missing one would be random.

    What begins with ``replaced`` may be missing: the caller puts something else in its place.
    """
    model, info = found
    missing = sorted(key for key in info["missing_keys"] if not key.startswith(replaced))
    if missing:
        raise ModelError(
            "a file that holds every weight of the model",
            f"{len(missing)} missing, e.g. {missing[0]}",
            source.location,
            "Fetch the model again, or give the one that config.json describes",
        )
    for name, value in model.named_parameters():
        if not bool(value.isfinite().all()):
            raise ModelError(
                "finite weights",
                f"NaN or infinity in {name}",
                source.location,
                "Fetch the model again: this file is damaged",
            )
    return model.eval()


def parameter_count(source: Source) -> int:
    """Return the number of values in the model's weight files, read from their headers alone."""
    total = 0
    for path in Path(source.location).glob("*.safetensors"):
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        except (OSError, ValueError, MemoryError, OverflowError) as error:
            raise ModelError(
                "a whole safetensors file", f"{error}", str(path), "Fetch the model again"
            ) from error
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        total += sum(math.prod(shape) for shape in shapes)
    return total


def fingerprint(source: Source) -> str:
    """Return a short name of exactly this model: of its configuration and of every tensor.

    Of each tensor the first bytes are read, which training changes wherever it changes anything;
    reading all of a large model would take minutes.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(source.location).glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length)
            digest.update(header)
            for name, entry in sorted(json.loads(header).items()):
                if name != "__metadata__":
                    start, end = entry["data_offsets"]
                    file.seek(8 + length + start)
                    digest.update(file.read(min(end - start, PART_HASHED)))
        digest.update(str(path.stat().st_size).encode())
    config = json.loads((Path(source.location) / "config.json").read_text(encoding="utf-8"))
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()[:16]
