"""Poolers: layers that encoders carry from their pretraining, and that nothing here reads."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["without_pooler"]


def without_pooler(config: Any) -> dict[str, Any]:
    """Return what leaves the pooler off an encoder of this configuration; empty where it has none.

    Checkpoints of language modelling (XLM-R, CamemBERT, MPNet) often hold no weights for it, which
    would then be random. States are pooled by ``TextClassifier``.
    """
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind = MODEL_MAPPING.get(type(config), None)
    if not isinstance(kind, type):
        # Several classes share some configurations; none of these has a pooler.
        return {}
    asked = "add_pooling_layer" in inspect.signature(kind).parameters
    return {"add_pooling_layer": False} if asked else {}
