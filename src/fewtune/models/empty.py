"""Models without weights: shapes alone, from a configuration; nothing is read or allocated."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from fewtune.models.classifier import TextClassifier
from fewtune.models.image_classifier import classifier_of
from fewtune.models.load import Source
from fewtune.models.pooler import without_pooler

__all__ = ["empty_model", "most_tokens"]


def empty_model(config: Any, task: str, classes: int = 2) -> nn.Module:
    """Return the model that ``task`` would train, on torch's meta device: it holds no values.

    Parameters
    ----------
    config
        A transformers configuration.
    task
        Name of the task.
    classes
        Of a classifier.

    Raises
    ------
    ModelError
        If an image model has no head to take off.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageClassification

    # Methods write into a model's configuration; the caller's stays as it is.
    config = copy.deepcopy(config)
    given: dict[str, Any] = {"dtype": torch.float32}
    with torch.device("meta"):
        if task == "generation":
            causal: nn.Module = AutoModelForCausalLM.from_config(config, **given)
            return causal
        if task == "image_classification":
            whole = AutoModelForImageClassification.from_config(config, **given)
            return classifier_of(whole, Source(config.model_type, "no folder"), classes)[0]
        given |= without_pooler(config)
        return TextClassifier(AutoModel.from_config(config, **given), classes)


def most_tokens(config: Any) -> int:
    """Return how many tokens of a text an encoder of this configuration can take, 0 for any number.

    RoBERTa and its kin count positions from behind the number of the padding token on, so their
    table of 514 positions is for texts of 512 tokens.
    """
    most = max(0, int(getattr(config, "max_position_embeddings", 0) or 0))
    if not most:
        return 0
    for name, module in empty_model(config, "text_classification").named_modules():
        table = isinstance(module, nn.Embedding) and module.num_embeddings == most
        if table and name.endswith("position_embeddings") and module.padding_idx is not None:
            return most - int(module.padding_idx) - 1
    return most
