"""One fit of one contender of few_shot.py, in a process and an environment of its own.

Needs no fewtune: peers run it in theirs. Prints one JSON line: which test rows were right, and what
it ran with.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

STRENGTHS = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)
EPOCHS = 20
BATCH = 16
ITERATIONS = 5
DEVICE = os.environ.get("FEWTUNE_DEVICE", "cpu")
PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "safetensors",
    "scikit-learn",
    "numpy",
    "setfit",
    "sentence-transformers",
    "datasets",
)

Answers = Any
Texts = list[str]


def read(path: str) -> tuple[Texts, Texts]:
    """Return texts and labels of a csv file with those two columns."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def states(model: str, texts: Texts) -> Any:
    """Return mean-pooled unit-length states, of shape (texts, width)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = AutoModel.from_pretrained(model).eval().to(DEVICE)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found: list[Any] = [None] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            at = order[start : start + 64]
            batch = tokenizer(
                [texts[i] for i in at], padding=True, truncation=True, return_tensors="pt"
            ).to(DEVICE)
            hidden = encoder(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            for place, state in zip(at, torch.nn.functional.normalize(mean), strict=True):
                found[place] = state.cpu().numpy()
    return np.stack(found)


def frozen(strengths: tuple[float, ...]) -> Callable[..., Answers]:
    """Return a contender: logistic regression on frozen states, its strength cross-validated."""

    def fit(model: str, texts: Texts, labels: Texts, test: Texts, seed: int) -> Answers:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        both = states(model, texts + test)
        known, asked = both[: len(texts)], both[len(texts) :]
        probe: Any = LogisticRegression(C=strengths[0], max_iter=2000)
        if len(strengths) > 1:
            least = min(labels.count(label) for label in set(labels))
            folds = StratifiedKFold(5 if least >= 5 else 3, shuffle=True, random_state=seed)
            probe = GridSearchCV(probe, {"C": list(strengths)}, cv=folds)
        return probe.fit(known, labels).predict(asked)

    return fit


def setfit(model: str, texts: Texts, labels: Texts, test: Texts, seed: int) -> Answers:
    """Return the answers of SetFit at its defaults, the number of pairs apart."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    known = sorted(set(labels))
    data = Dataset.from_dict({"text": texts, "label": [known.index(label) for label in labels]})
    made = SetFitModel.from_pretrained(model)
    arguments = TrainingArguments(
        num_iterations=ITERATIONS, seed=seed, report_to="none", save_strategy="no"
    )
    Trainer(model=made, args=arguments, train_dataset=data).train()
    return [known[int(number)] for number in made.predict(test)]


def trainer(rate: float) -> Callable[..., Answers]:
    """Return a contender: transformers' Trainer at one learning rate."""

    def fit(model: str, texts: Texts, labels: Texts, test: Texts, seed: int) -> Answers:
        import tempfile

        from datasets import Dataset
        from transformers import (
            AutoModelForSequenceClassification,
            AutoTokenizer,
            Trainer,
            TrainingArguments,
            set_seed,
        )

        set_seed(seed)
        known = sorted(set(labels))
        tokenizer = AutoTokenizer.from_pretrained(model)

        def encoded(some: Texts, numbers: list[int]) -> Any:
            ids = tokenizer(some, truncation=True)
            return Dataset.from_dict({**ids, "label": numbers})

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                learning_rate=rate,
                num_train_epochs=EPOCHS,
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=64,
                seed=seed,
                use_cpu=DEVICE == "cpu",
                report_to="none",
                save_strategy="no",
            )
            made = Trainer(
                model=AutoModelForSequenceClassification.from_pretrained(
                    model, num_labels=len(known)
                ),
                args=arguments,
                train_dataset=encoded(texts, [known.index(label) for label in labels]),
                processing_class=tokenizer,
            )
            made.train()
            logits = made.predict(encoded(test, [0] * len(test))).predictions
        return [known[int(number)] for number in logits.argmax(axis=1)]

    return fit


CONTENDERS: dict[str, Callable[..., Answers]] = {
    "frozen10": frozen((10.0,)),
    "frozencv": frozen(STRENGTHS),
    "setfit": setfit,
    "trainer-2e-5": trainer(2e-5),
    "trainer-1e-4": trainer(1e-4),
    "trainer-3e-4": trainer(3e-4),
}


def environment() -> dict[str, Any]:
    """Return the versions that are installed here, and the threads of torch."""
    import torch

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return {"versions": found, "threads": torch.get_num_threads()}


def main() -> None:
    """Fit the contender named first on a file, answer another, print what was right."""
    import torch

    torch.set_num_threads(1)
    name, model, train, test, seed = sys.argv[1:6]
    texts, labels = read(train)
    asked, truth = read(test)
    answers = CONTENDERS[name](model, texts, labels, asked, int(seed))
    right = "".join("01"[a == b] for a, b in zip(answers, truth, strict=True))
    print(json.dumps({"right": right, "environment": environment()}))


if __name__ == "__main__":
    main()
