"""The plan: every setting of a fit, with the reason for each that a rule or a measurement chose.

YAML in, YAML out. Unknown keys are refused with the nearest known one, and all faults are reported
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fewtune.data.canaries import MOST
from fewtune.errors import PlanError
from fewtune.family import suggest
from fewtune.tasks.base import TaskSettings

__all__ = [
    "BudgetPlan",
    "DataPlan",
    "MeasurePlan",
    "Part",
    "Plan",
    "SelectPlan",
    "TaskPlan",
    "TrainingPlan",
    "read",
]

Effort = Literal["quick", "normal", "thorough"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class DataPlan(_Settings):
    """Which rows train, choose and judge."""

    columns: dict[str, str] = Field({}, description="field to column, where not found by itself")
    test: str = Field("", description="a test file; empty: a part of the data is held out")
    test_share: float = Field(
        0.2, gt=0, lt=0.9, description="share held out where no file is given"
    )
    validation_share: float = Field(0.2, gt=0, lt=0.9, description="share of the rest that chooses")
    rotations: int = Field(1, ge=1, le=20, description="test parts in turn, a fit for each")
    by_time: bool = Field(False, description="hold out the newest rows instead of any")


class TaskPlan(TaskSettings):
    """The task and how examples become tensors."""

    name: str = Field("text_classification", description="a name of the family tasks")


class Part(_Settings):
    """A member of a family with its options; its name alone stands for it without any."""

    name: str = Field(description="its name, or package.module:Class")
    options: dict[str, Any] = Field({}, description="its options")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class TrainingPlan(_Settings):
    """The loop's settings."""

    learning_rate: float = Field(1e-4, gt=0, le=1, description="peak learning rate")
    updates: int = Field(200, ge=1, description="most updates; monitors may stop earlier")
    batch_size: int = Field(8, ge=1, description="rows of one update, over all processes")
    tokens_per_batch: int = Field(
        4096, ge=1, description="most tokens computed at once, padding included: a bound on memory"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the updates that warm up")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="how the rate falls after warm-up"
    )
    weight_decay: float = Field(0.0, ge=0, description="decay of matrices towards zero (AdamW)")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 for no bound")
    evaluations: int = Field(10, ge=1, description="evaluations on the validation rows")
    averaged: float = Field(
        0.0, ge=0, le=1, description="share of a refit's last updates whose mean weights are kept"
    )
    head_first: bool | None = Field(
        None, description="classification: a solver fits the head first (LP-FT); empty: yes"
    )
    precision: Literal["auto", "bf16", "float32"] = Field(
        "auto", description="of the forward pass; weights and optimizer stay float32"
    )
    checkpoint_seconds: float = Field(30, ge=0, description="least seconds between checkpoints")


Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class SelectPlan(_Settings):
    """What is compared before one candidate is chosen."""

    rungs: list[Part] = Field([], description="cheaper methods that are tried as well")
    rates: list[Rate] = Field([], description="other learning rates that are tried")
    guards: list[Part] = Field(
        [], description="regularizers that are tried beside the plan's own, or for one like it"
    )
    folds: int = Field(
        0, ge=0, le=20, description="cross-fit over so many folds; 0: one validation part chooses"
    )
    repeats: int = Field(
        1, ge=1, le=20, description="cross-fit over so many partitions into folds, and average"
    )
    refit: bool = Field(
        True, description="train the chosen candidate again on all rows but the test rows"
    )
    ease: float = Field(1.0, ge=1, description="most times less a refit is held than its trial")
    dial: list[Share] = Field(
        [0.25, 0.5, 0.75, 1.0], description="blends of base (0) and tuned (1) that are tried"
    )
    search: int = Field(0, ge=0, description="settings that Optuna (extra tune) adds to the race")
    seeds: int = Field(
        1, ge=1, le=20, description="trainings of the chosen candidate, whose spread is told"
    )
    value_curve: bool = Field(
        False, description="tell what more rows would be worth, from subsets of those there are"
    )
    samples: int = Field(32, ge=0, description="generation: test rows answered in full")


class MeasurePlan(_Settings):
    """What is measured beside what always is."""

    probes: str = Field(
        "", description="generation: a file of your own probes, in place of the built-in ones"
    )
    earlier: str = Field(
        "", description="run folder of an earlier version, which answers the same test rows"
    )
    canaries: int = Field(
        0, ge=0, le=MOST, description="generation: made-up secrets that train, to see if it tells"
    )
    harness: list[str] = Field(
        [], description="generation: tasks of lm-evaluation-harness, before and after (lm-eval)"
    )


class BudgetPlan(_Settings):
    """What tuning may cost the base; 0 for no bound."""

    forgetting: float = Field(
        0.02, ge=0, le=1, description="share of probes of general ability forgotten, less chance"
    )
    general_loss: float = Field(
        0.05, ge=0, description="rise of the loss per byte of general text, as a share of the base"
    )


class Plan(_Settings):
    """Every setting of a fit."""

    version: Literal[1] = 1
    model: str = Field(description="base model: folder, hub id, builtin or minilm")
    effort: Effort = Field("quick", description="how much is tried")
    seed: int = Field(0, ge=0, description="of everything that is drawn")
    data: DataPlan = Field(default_factory=DataPlan)
    task: TaskPlan = Field(default_factory=TaskPlan)
    method: Part = Field(default_factory=lambda: Part(name="lora"))
    training: TrainingPlan = Field(default_factory=TrainingPlan)
    regularizers: list[Part] = Field([], description="what protects the base while it trains")
    augmentations: list[Part] = Field(
        [],
        description="variations of training rows; kept only where a candidate with them wins",
    )
    monitors: list[Part] = Field(
        default_factory=lambda: [
            Part(name="nonfinite"),
            Part(name="divergence"),
            Part(name="early_stopping"),
        ],
        description="what watches training",
    )
    select: SelectPlan = Field(default_factory=SelectPlan)
    budget: BudgetPlan = Field(default_factory=BudgetPlan)
    measure: MeasurePlan = Field(default_factory=MeasurePlan)
    controls: list[str] = Field([], description="what tuning has to beat")
    reasons: dict[str, str] = Field({}, description="why a setting is what it is, by its key")

    def to_yaml(self) -> str:
        """Return the plan as YAML, in the order of its fields."""
        values = self.model_dump(mode="json")
        return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def changed(self, changes: Mapping[str, Any]) -> Plan:
        """Return the plan with dotted keys set, each with the reason "set by the user".

        Raises
        ------
        PlanError
            Naming every unknown key and every value out of range.
        """
        values = self.model_dump()
        if "method" in changes or changes.get("method.name", self.method.name) != self.method.name:
            # What one method is told means nothing to another.
            values["method"]["options"] = {}
            values["reasons"].pop("method.options", None)
        for key, value in changes.items():
            place: Any = values
            *parents, last = key.split(".")
            for parent in parents:
                # A key below something that is no table is left for the check to name.
                if not isinstance(place, dict) or not isinstance(place.get(parent, {}), dict):
                    raise PlanError("a known setting", f"{key!r}", cure=_nearest(key))
                place = place.setdefault(parent, {})
            place[last] = value
            values["reasons"][key] = "set by the user"
        return _checked(values, "--set")


def read(path: Path) -> Plan:
    """Return the plan in a YAML file.

    Raises
    ------
    PlanError
        If the file is not YAML, or naming every fault in it.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError("a plan file", "no such file", str(path), "Check the path") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        first = " ".join(str(error).split())[:200]
        raise PlanError("a plan in YAML", first, str(path), "Mend the file") from error
    if not isinstance(values, dict):
        cure = "Write one with: fewtune plan DATA --model M -o plan.yaml"
        raise PlanError("a plan in YAML", type(values).__name__, str(path), cure)
    return _checked(values, str(path))


def _checked(values: Mapping[str, Any], where: str) -> Plan:
    try:
        return Plan(**values)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                faults.append(f"{key} is unknown ({_nearest(key)})")
            elif fault["type"] == "missing":
                faults.append(f"{key} is missing")
            else:
                faults.append(f"{key}={fault['input']!r}: {fault['msg']}")
        noun = "fault" if len(faults) == 1 else "faults"
        raise PlanError(
            "known settings within their ranges",
            f"{len(faults)} {noun}: " + "; ".join(faults),
            where,
            "Mend them",
        ) from error


def known_keys(model: type[BaseModel] = Plan, prefix: str = "") -> list[str]:
    """Return the dotted names of all settings."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += known_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys


def _nearest(key: str) -> str:
    """Return a suggestion for an unknown dotted key, by its last part where the path is off."""
    keys = known_keys()
    last = key.rsplit(".", 1)[-1]
    same_end = [k for k in keys if k.rsplit(".", 1)[-1] == last]
    if same_end:
        return f"Did you mean {same_end[0]}"
    tables = {k.rpartition(".")[0] for k in keys} - {""}
    said = suggest(key, {*keys, *tables})
    if said.startswith("Did"):
        return said
    by_end = {k.rsplit(".", 1)[-1]: k for k in keys}
    near = suggest(last, by_end)
    if near.startswith("Did"):
        return f"Did you mean {by_end[near.rsplit(' ', 1)[-1]]}"
    return "See fewtune plan for all settings"
