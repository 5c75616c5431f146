"""The transformers Trainer's side of the race, run by the peers' interpreter, on a processor.

PYTHON _peer_trainer.py MODEL ROWS BATCH EPOCHS full|partial|head
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from pathlib import Path


def main(model: str, rows: str, batch: str, epochs: str, method: str) -> None:
    """Train as the transformers documentation does and print seconds."""
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    with Path(rows).open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    labels = sorted({row["label"] for row in table})
    tokenizer = AutoTokenizer.from_pretrained(model)
    data = Dataset.from_list(
        [{"text": row["text"], "label": labels.index(row["label"])} for row in table]
    ).map(lambda some: tokenizer(some["text"], truncation=True), batched=True)
    set_seed(0)
    whole = AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(labels))
    trained = {"full": "", "partial": ("encoder.layer.4.", "encoder.layer.5."), "head": "none"}
    if method != "full":
        for name, parameter in whole.bert.named_parameters():
            parameter.requires_grad_(name.startswith(trained[method]))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=whole,
            args=TrainingArguments(
                output_dir=folder,
                use_cpu=True,
                per_device_train_batch_size=int(batch),
                num_train_epochs=int(epochs),
                learning_rate=1e-4,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                seed=0,
            ),
            train_dataset=data,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        began = time.monotonic()
        done = trainer.train()
        seconds = time.monotonic() - began
    figures = {"seconds": seconds, "updates": done.global_step, "loss": done.training_loss}
    print(json.dumps(figures | {"bf16": trainer.args.bf16}))


if __name__ == "__main__":
    main(*sys.argv[1:])
