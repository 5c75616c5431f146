"""How examples become tensors: the settings of every task."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TaskSettings"]


class TaskSettings(BaseModel):
    """How examples become tensors."""

    model_config = ConfigDict(extra="forbid")

    max_length: int = Field(0, ge=0, description="most tokens of a row; 0: what the model can take")
    truncation: Literal["refuse", "left", "right"] = Field(
        "refuse", description="generation: refuse a longer row, or cut it on one side"
    )
    pooling: Literal["auto", "mean", "first", "last"] = Field(
        "auto",
        description="classification: token states to one state; auto: the model's own, else mean",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread evenly")
    dropout: float | None = Field(
        None, ge=0, lt=1, description="dropout while training; empty: the model's own"
    )
    max_new_tokens: int = Field(
        0, ge=0, description="generation: longest answer; 0: twice the longest of the rows"
    )
    keep_classes: bool = Field(
        False, description="classification: classes that the base knows are kept beside the new"
    )
    old_rows: str = Field(
        "", description="rows of those classes, to see what became of them; they do not train"
    )
    flip: bool = Field(False, description="images, while training: mirror half of them")
    crop: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="images, while training: most of each side to cut away, a share",
    )
    rotation: float = Field(
        0.0, ge=0, le=180, description="images, while training: most to turn either way, degrees"
    )
    color: float = Field(
        0.0,
        ge=0,
        le=1,
        description="images, while training: most to change brightness, contrast, saturation",
    )
