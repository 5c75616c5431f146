"""Trainings of very small models, and two problems small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from fewtune.data.tokens import IGNORED
from fewtune.environment import device_name
from fewtune.methods.base import METHODS
from fewtune.models.load import Source
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.records import Example
from fewtune.tasks.base import Batch, Row, Task, TaskSettings
from fewtune.train.journal import Journal
from fewtune.train.monitors.base import Evaluation, Monitor
from fewtune.train.run import Training


class _Toy(Task):
    """What no toy needs."""

    def __init__(self) -> None:
        super().__init__(Source("toy", "toy"), TaskSettings(), "labelled_text", ("no", "yes"))

    def load_model(self):
        raise NotImplementedError

    def encode(self, examples):
        raise NotImplementedError

    def predict(self, model, examples):
        raise NotImplementedError

    def describe(self):
        return {}

    def restore(self, about):
        pass

    def save_processor(self, folder):
        pass


class TwoParameters(nn.Module):
    """The log odds of "yes" are w·x."""

    def __init__(self, first: float = 0.0, second: float = 0.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([first, second]))


class TwoParameterTask(_Toy):
    """Logistic regression on two numbers, which a row holds as its ids."""

    name = "text_classification"
    shapes = frozenset({"labelled_text"})
    headline = "accuracy"

    def rows(self, *points: tuple[int, int, int]) -> list[Row]:
        """Return rows of (first number, second number, label)."""
        return [
            Row(Example(f"{a},{b}", str(y), f"toy:{i}"), (a, b), label=y)
            for i, (a, b, y) in enumerate(points)
        ]

    def collate(self, rows):
        return Batch(
            inputs={"x": torch.tensor([row.ids for row in rows], dtype=torch.float32)},
            targets=torch.tensor([row.label for row in rows]),
            weights=torch.tensor([row.example.weight for row in rows]),
            owners=torch.arange(len(rows)),
            rows=tuple(rows),
        )

    def hidden(self, model, batch):
        return (batch.inputs["x"] @ model.w).unsqueeze(1)

    def read(self, model, hidden):
        return torch.cat([torch.zeros_like(hidden), hidden], dim=1)


class Bigrams(nn.Module):
    """The logits of the next token depend on the present one alone: a row of the table."""

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(table, dtype=torch.float32))


class BigramTask(_Toy):
    """A language model over as many tokens as the table has; token 0 ends a text."""

    name = "generation"
    shapes = frozenset({"text"})
    headline = "loss_per_byte"
    end_ids: ClassVar[list[int]] = [0]

    def rows(self, *texts: Sequence[int]) -> list[Row]:
        """Return rows of token ids, supervised from the second on."""
        return [
            Row(Example("", str(ids), f"toy:{i}"), tuple(ids), labels=(IGNORED, *ids[1:]), bytes=1)
            for i, ids in enumerate(texts)
        ]

    def collate(self, rows):
        ids = [token for row in rows for token in row.ids[:-1]]
        owners = [place for place, row in enumerate(rows) for _ in row.ids[1:]]
        weights = torch.tensor([row.example.weight for row in rows])
        return Batch(
            inputs={"ids": torch.tensor(ids)},
            targets=torch.tensor([token for row in rows for token in row.ids[1:]]),
            weights=weights[owners],
            owners=torch.tensor(owners),
            rows=tuple(rows),
        )

    def hidden(self, model, batch):
        return model.table[batch.inputs["ids"]]

    def read(self, model, hidden):
        return hidden


def no_evaluation(update: int) -> Evaluation:
    """Return an evaluation that gets better with every update, so the last weights are kept."""
    return Evaluation(update, 1.0 / (1 + update), 0.01, float(update), 1)


def training(
    task: Task,
    model: nn.Module,
    rows: Sequence[Row],
    folder: Path,
    *,
    method: str = "full",
    regularizers: Sequence[Any] = (),
    monitors: Sequence[Monitor] = (),
    evaluate: Any = no_evaluation,
    seed: int = 0,
    **settings: Any,
) -> Training:
    """Return a training that has not begun; ``settings`` are of the loop's plan."""
    from accelerate import Accelerator

    known = {"learning_rate": 1e-2, "updates": 6, "batch_size": 4, "evaluations": 1, "warmup": 0}
    plan = TrainingPlan(**{**known, "checkpoint_seconds": 1000, **settings})
    torch.manual_seed(seed)
    chosen = METHODS.load(method)()
    accelerator = Accelerator(cpu=device_name() == "cpu")
    return Training(
        stage="test",
        model=chosen.prepare(model, task).to(accelerator.device),
        task=task,
        method=chosen,
        rows=rows,
        plan=plan,
        counts=counts(plan, len(rows)),
        seed=seed,
        journal=Journal(None),
        folder=folder / "checkpoints" / "test",
        evaluate=evaluate,
        accelerator=accelerator,
        regularizers=regularizers,
        monitors=monitors,
    )


def begun(run: Training) -> Training:
    """Return ``run`` as it is when regularizers are started, but not trained."""
    from fewtune.methods.base import trained_state

    run.start = trained_state(run.model)
    for regularizer in run.regularizers:
        regularizer.start(run)
    return run
