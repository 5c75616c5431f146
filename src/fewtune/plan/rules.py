"""Rules: data, model and effort to a plan, a reason beside every choice."""

from __future__ import annotations

import math

from fewtune.environment import device_name
from fewtune.errors import DataError
from fewtune.methods.base import METHODS
from fewtune.plan.compared import CONTRASTIVE_DIAL, compared_options, compared_training
from fewtune.plan.held import hold_for
from fewtune.plan.plan import BudgetPlan, Effort, Part, Plan, SelectPlan, TaskPlan, TrainingPlan
from fewtune.plan.rates import other_rates
from fewtune.plan.rungs import rungs_below
from fewtune.records import Dataset, Shape
from fewtune.tasks.base import TASKS

__all__ = ["CONTROLS", "propose", "task_for"]

CONTROLS = {
    "generation": ("base", "few_shot"),
    "text_classification": ("majority", "tfidf", "frozen"),
    "image_classification": ("majority", "frozen"),
}
"""What tuning has to beat, by task."""

SMALL_MODEL = 20_000_000
"""Parameters below which full fine-tuning costs no more than LoRA and learns more."""

FEW_PER_CLASS = 16
"""Training rows a class below which the states of a text are tuned and not its answers: at 8 a
class on Banking77 contrastive tuning was 2.4 points better than a head on frozen states, tuning
with the head 1.4, a LoRA picked on few rows 2.4 worse (benchmarks/LOG.md)."""

LEAST_UPDATES = 100
"""Fewer leave Adam's averages unsettled; few-sample instability is mostly too few updates
(2006.05987)."""

CACHED_TOKENS = 1024
"""Tokens computed at once on a processor; half as many took a tenth longer (34M Llama shape)."""

LEAST_TO_CUT = 5_000_000
"""Parameters below which a pass costs more to begin than to compute."""

AVERAGED = 0.7
"""Share of the last updates of a language model's refit whose mean weights are kept: on
development draws up to 15% better than the last weights, mostly 3 to 5 (benchmarks/LOG.md)."""

GENERATION_DIAL = (0.25, 0.5, 0.7, 0.85, 1.0)

THOROUGH_FOLDS = 5
THOROUGH_SEEDS = 3

ROTATIONS = 5
"""Test parts in turn, where the rows are few."""

ENOUGH = 1000
"""Rows from which on a fifth of them is enough to judge by."""

EPOCHS = {"quick": 10, "normal": 15, "thorough": 20}
MOST_UPDATES = {
    "classification": {"quick": 300, "normal": 600, "thorough": 2000},
    "generation": {"quick": 300, "normal": 1000, "thorough": 3000},
}

CONTRAST_BELOW = 100
"""Training rows a class below which contrastive tuning is tried: on a hard two-class set it had
68.0% with 8 a class and 78.2% with 64, frozen states 62.7% and 72.8%; on the front desk with 43 it
had what a LoRA had in a third of its time (benchmarks/LOG.md)."""


def task_for(shape: Shape) -> str:
    """Return the name of the task whose rows are made like ``shape``.

    Raises
    ------
    DataError
        If no task reads such rows.
    """
    for name, task in TASKS.load_all().items():
        if shape in task.shapes:
            return name
    raise DataError(
        "labelled text, prompts with completions, chats or plain text",
        f"rows of shape {shape}",
        cure="Name the columns with --columns",
    )


def propose(
    data: Dataset,
    rows: int,
    *,
    model: str,
    parameters: int,
    effort: Effort = "quick",
    seed: int = 0,
    test: str = "",
    method: str = "",
    keeps: bool = False,
    general_loss: float = BudgetPlan().general_loss,
) -> Plan:
    """Return the plan that the rules give; the user may change any of it.

    Parameters
    ----------
    data
        The data set.
    rows
        Rows that would train, about.
    model, parameters
        Name of the base model and how many parameters it has.
    effort, seed, test
        As asked for.
    method
        What trains, where the user has said so; its usual rate is taken then.
    keeps
        Whether classes of the base are kept, whose answers a comparison of new rows cannot hold.
    general_loss
        The budget of a language model's general loss, a share; 0 for no bound.
    """
    task = task_for(data.shape)
    reasons = {"task.name": f"the rows are {data.shape.replace('_', ' ')}"}
    classification = task != "generation"
    per_class = rows / max(1, len(data.labels))
    few = math.inf if keeps else per_class
    if method:
        reasons["method.name"] = "set by the user"
    else:
        method = _method(task, few, parameters, effort, reasons)
    compares = METHODS.load(method).compares
    options, why = compared_options(rows, per_class) if compares else ({}, "")
    if why:
        reasons["method.options"] = why
    training = (
        compared_training(method, rows, per_class, parameters, task, effort, reasons)
        if compares
        else _training(method, rows, parameters, task, effort, reasons)
    )
    if device_name() == "cpu" and parameters >= LEAST_TO_CUT and not compares:
        training.tokens_per_batch = CACHED_TOKENS
        reasons["training.tokens_per_batch"] = (
            "holds less and takes no longer on a processor; cutting changes nothing but rounding"
        )
    select = SelectPlan()
    if task == "image_classification":
        reasons["select.rungs"] = (
            "none: tuning starts from the fitted head and keeps it unless validation improves, and "
            "a few dozen validation images cannot tell the two apart (benchmarks/LOG.md)"
        )
    elif classification:
        contrast = effort != "quick" and few < CONTRAST_BELOW
        select.rungs = rungs_below(method, contrast, rows, per_class, reasons)
        if compares:
            select.dial = list(CONTRASTIVE_DIAL)
            reasons["select.dial"] = (
                "its last weights and halfway to the base: between them accuracy hardly changes"
            )
    regularizers = []
    if not classification:
        hold = hold_for(general_loss)
        hold.settle(training, select, reasons)
        regularizers = [hold.part(), Part(name="secret_mask")]
        reasons["regularizers"] = (
            f"{hold.reason}; numbers and addresses that stand in one row alone could only be "
            "learnt by heart"
        )
        if effort != "quick":
            select.guards = [Part(name="token_weight"), hold.replayed()]
            reasons["select.guards"] = (
                "whether to weight tokens, or to train on the base's rows rather than be held on "
                "them, depends on the data: the best in short trials is tried in full"
            )
        select.dial = list(GENERATION_DIAL)
        reasons["select.dial"] = (
            "the furthest blend within the budget of forgetting is looked for near the tuned end"
        )
    if effort == "thorough":
        _thorough(select, reasons)
    # Plain texts are no examples of a task: one more before the text shows nothing.
    controls = [c for c in CONTROLS[task] if c != "few_shot" or data.shape != "text"]
    reasons["controls"] = "what the answer costs without tuning, on the same test rows"
    if effort != "quick":
        controls.append("vanilla")
        reasons["controls"] += "; and what plain fine-tuning gives"
    if effort != "quick" and not METHODS.load(method).solves_after:
        select.rates = other_rates(method, task, parameters, rows, reasons)
    plan = Plan(
        model=model,
        effort=effort,
        seed=seed,
        task=TaskPlan(name=task),
        method=Part(name=method, options=options),
        training=training,
        regularizers=regularizers,
        select=select,
        controls=controls,
        reasons=reasons,
    )
    plan.data.columns = dict(data.columns)
    plan.data.test = test
    if effort == "thorough" and not test and len(data) < ENOUGH:
        plan.data.rotations = ROTATIONS
        plan.reasons["data.rotations"] = (
            f"a fifth of {len(data)} rows is few to judge by: each fifth judges in turn, by a fit "
            "that did not know it"
        )
    return plan


def _thorough(select: SelectPlan, reasons: dict[str, str]) -> None:
    """Set what the most effort does besides."""
    select.seeds = THOROUGH_SEEDS
    reasons["select.seeds"] = "one training is one draw: others tell how much of it is luck"
    select.value_curve = True
    reasons["select.value_curve"] = "whether more rows would pay is what is asked next"
    select.folds = THOROUGH_FOLDS
    reasons["select.folds"] = (
        "every known row judges a model that never saw it: five times the training, and no row "
        "is lost to the choice"
    )


def _method(
    task: str,
    per_class: float,
    parameters: int,
    effort: Effort,
    reasons: dict[str, str],
) -> str:
    if task == "image_classification":
        reasons["method.name"] = (
            "the top third of an image model: it works for convolutions and transformers alike, "
            "and what stays frozen below is computed once per image"
        )
        return "partial"
    few = CONTRAST_BELOW if effort == "quick" else FEW_PER_CLASS
    if task == "text_classification" and per_class < few:
        reasons["method.name"] = (
            f"about {per_class:.0f} training rows a class, below {few}: compared with each other "
            "they draw the classes apart sooner than a head learns beside an encoder"
        )
        return "contrastive"
    if task == "generation" and parameters < SMALL_MODEL:
        reasons["method.name"] = (
            f"the model is small ({parameters:,} parameters): training all of it costs no more "
            "than LoRA and learns more"
        )
        return "full"
    reasons["method.name"] = (
        f"LoRA on a model of {parameters:,} parameters: little to store, and the base stays whole"
    )
    return "lora"


def _training(
    method: str,
    rows: int,
    parameters: int,
    task: str,
    effort: Effort,
    reasons: dict[str, str],
) -> TrainingPlan:
    classification = task != "generation"
    size = 16 if classification else 8
    wanted = math.ceil(rows * EPOCHS[effort] / size)
    most = MOST_UPDATES["classification" if classification else "generation"][effort]
    updates = min(max(wanted, LEAST_UPDATES), most)
    low, rate, high = METHODS.load(method)().rates(parameters, task)
    reasons["training.learning_rate"] = (
        f"usual for {method} at {parameters:,} parameters (sweep {low:g} to {high:g})"
    )
    reasons["training.updates"] = (
        f"{EPOCHS[effort]} epochs of {rows} rows, at least {LEAST_UPDATES} and for effort "
        f"{effort} at most {most}; monitors stop earlier"
    )
    reasons["training.batch_size"] = "small batches generalise better on little data"
    training = TrainingPlan(learning_rate=rate, updates=updates, batch_size=size)
    if not classification:
        training.averaged = AVERAGED
        reasons["training.averaged"] = (
            "few rows are soon learnt by heart: the mean of the last weights generalises better "
            "than the last alone"
        )
    elif not METHODS.load(method).solves & {task}:
        training.head_first = True
        reasons["training.head_first"] = (
            "a solver fits the head first: beside a head that knows nothing the rest would move "
            "for nothing (2202.10054)"
        )
    return training
