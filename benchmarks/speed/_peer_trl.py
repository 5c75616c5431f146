"""TRL's side of the race, run by the peers' interpreter: LoRA with SFTTrainer, on a processor.

PYTHON _peer_trl.py MODEL ROWS BATCH EPOCHS default|packed|packed-float32|float32
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path


def main(model: str, rows: str, batch: str, epochs: str, settings: str) -> None:
    """Train and print seconds."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    texts = [json.loads(line) for line in Path(rows).read_text(encoding="utf-8").splitlines()]
    more = {"per_device_train_batch_size": int(batch)}
    if "packed" in settings:
        # As many tokens an update, in rows without padding. No row is longer than 512.
        more |= {"per_device_train_batch_size": 2, "packing": True, "max_length": 512}
    if settings != "default":
        more["gradient_checkpointing"] = False
    if "float32" in settings:
        # Processors that cannot multiply bf16 emulate it, many times slower.
        more["bf16"] = False
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=folder,
                use_cpu=True,
                num_train_epochs=int(epochs),
                learning_rate=1e-4,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                seed=0,
                **more,
            ),
            train_dataset=Dataset.from_list(texts),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
        )
        began = time.monotonic()
        done = trainer.train()
        seconds = time.monotonic() - began
    about = {
        "bf16": trainer.args.bf16,
        "gradient_checkpointing": trainer.args.gradient_checkpointing,
        "dtype": str(next(trainer.model.parameters()).dtype),
    }
    figures = {"seconds": seconds, "updates": done.global_step, "loss": done.training_loss}
    print(json.dumps(figures | about))


if __name__ == "__main__":
    main(*sys.argv[1:])
