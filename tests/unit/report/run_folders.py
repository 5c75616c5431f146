"""Writes run folders from hand-made data, as `fit` leaves them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

UTTERANCES = {
    "book_appointment": [
        "Could I get in to see someone Thursday?",
        "I need to make an appointment",
    ],
    "cancel": ["I can't make it tomorrow, please take me off", "cancel my 3 o'clock"],
    "change_appointment": ["Can we move it to next week?", "Something came up, could I come later"],
    "opening_hours": ["are you open on Saturdays", "How late can I drop by tonight?"],
    "billing": ["Why was I charged twice?", "I got a letter about a payment"],
    "test_results": ["Did my blood work come back", "I was told to ring about my results"],
    "directions": ["Is there parking near the clinic?", "which bus stops by you"],
    "prescription": ["I'm nearly out of my tablets", "Can you send the repeat to the pharmacy"],
}


def score(
    name: str, value: float, half: float, n: int, direction: str = "higher", unit: str = "share"
) -> dict[str, Any]:
    low, high = round(value - half, 6), round(value + half, 6)
    return {
        "name": name, "value": value, "low": low, "high": high, "n": n,
        "direction": direction, "unit": unit, "version": 1,
    }  # fmt: skip


def event(kind: str, seconds: float, stage: str = "", update: int = 0, **values: Any) -> dict:
    return {
        "kind": kind, "stage": stage, "update": update, "seconds": seconds, "values": values
    }  # fmt: skip


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_lines(path: Path, records: list[dict]) -> None:
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")


def training_events(stage: str, updates: int, start: float, headline: str, seed: int) -> list[dict]:
    """Losses that fall, then rise on validation rows, as small data makes them do."""
    draw = random.Random(seed)
    events = [event("stage", start, name=stage, sentence="trained on the training rows")]
    best = float("inf")
    for update in range(1, updates + 1):
        seconds = start + update * 0.21
        fall = 0.96**update
        loss = 2.2 * fall + 0.08 + draw.gauss(0, 0.12) * fall**0.5
        events.append(
            event("step", seconds, stage, update, loss=max(loss, 0.01), rate=5e-4 * fall,
                  gradient_norm=1.1, tokens=480)
        )  # fmt: skip
        if update % 10 == 0:
            validation = 1.9 * fall + 0.5 + 0.003 * max(0, update - 60)
            more = {headline: 0.88 - 0.75 * fall if headline == "accuracy" else validation}
            events.append(
                event("evaluation", seconds, stage, update, validation_loss=validation,
                      error=0.03, headline=more[headline], best=validation < best, **more)
            )  # fmt: skip
            best = min(best, validation)
    return events


def write_classification_run(path: Path, decision: str = "ship") -> Path:
    """A finished text classification of 8 classes: LoRA beats three controls."""
    path.mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)
    labels = sorted(UTTERANCES)
    n = 160
    (path / "plan.yaml").write_text(yaml.safe_dump(classification_plan()), encoding="utf-8")
    write_json(path / "environment.json", environment())
    write_json(path / "data.json", classification_data(labels, n))
    journal = training_events("lora", 150, 9.0, "accuracy", seed=1)
    journal += [
        event("monitor", 33.0, "lora", 120, monitor="early_stopping", action="warn", figure=0.571,
              sentence="Validation loss has not improved for 3 evaluations (0.571, least 0.549)."),
        choice_of_method(),
        *dial_events(),
    ]  # fmt: skip
    write_lines(path / "journal.jsonl", journal)
    write_json(path / "scores.json", classification_scores(decision, n))
    rows = []
    for i in range(n):
        label = labels[i % len(labels)]
        wrong = draw.random() < (0.35 if label == "cancel" else 0.09)
        near = "change_appointment" if label == "cancel" else draw.choice(labels)
        output = near if wrong else label
        probability = round(draw.uniform(0.35, 0.99), 4)
        rows.append(
            {"source": f"intents_test.csv:{i + 2}", "input": draw.choice(UTTERANCES[label]),
             "target": label, "output": output, "probability": probability,
             "loss": round(draw.uniform(0.01, 4), 4), "bytes": None, "base_output": None,
             "base_loss": None, "correct": output == label}
        )  # fmt: skip
    write_lines(path / "predictions.jsonl", rows)
    return path


def classification_plan() -> dict[str, Any]:
    return {
        "version": 1,
        "model": "minilm",
        "effort": "quick",
        "seed": 0,
        "task": {"name": "text_classification"},
        "method": {"name": "lora", "options": {"rank": 16, "alpha": 32}},
        "training": {"learning_rate": 0.0005, "updates": 150, "batch_size": 8, "warmup": 0.08},
        "regularizers": [{"name": "token_mask", "options": {"quantile": 0.2}}],
        "monitors": [{"name": "nonfinite", "options": {}}],
        "reasons": {
            "method.name": "Under 1,000 rows, LoRA and a frozen probe are tried.",
            "training.updates": "320 rows in batches of 8 make 40 updates an epoch.",
        },
    }


def environment() -> dict[str, Any]:
    return {
        "fewtune": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "transformers": "5.2.0",
        "commit": "4be01c2", "device": "cpu", "threads": 2, "seed": 0,
        "command": "fewtune fit 'my intents.csv' --model minilm", "run": "runs/front_desk",
    }  # fmt: skip


def classification_data(labels: list[str], n: int) -> dict[str, Any]:
    return {
        "name": "examples/front_desk/intents.csv", "shape": "labelled_text", "rows": 400,
        "fingerprint": "9f2c61b07d3e4a18", "columns": {"text": "utterance", "label": "intent"},
        "labels": labels, "notes": ["The file starts with a byte order mark, which was left out."],
        "parts": {
            "train": [f"intents.csv:{i}" for i in range(2, 322)],
            "validation": [f"intents.csv:{i}" for i in range(322, 402)],
            "test": [f"intents_test.csv:{i}" for i in range(2, n + 2)],
        },
        "test_file": "intents_test.csv",
        "certificate": {
            "clusters": 31, "groups": 0, "crossing": 0, "crossing_random": 22.4, "claimed": 0.031,
            "sentences": [
                "No pair of near-duplicate rows stands on two sides of the split.",
                "A random split would have parted 22.4 pairs and claimed 3.1 points more.",
            ],
        },
        "findings": [
            {"check": "exact_duplicates", "severity": "warning",
             "rows": [f"intents.csv:{i}" for i in (14, 88, 102, 190, 233, 371)],
             "evidence": "6 rows repeat an earlier row, such as “are you open on Saturdays”.",
             "cure": "Drop the repeats"},
            {"check": "conflicting_targets", "severity": "error",
             "rows": ["intents.csv:41", "intents.csv:260"],
             "evidence": "“Something came up” is labelled cancel and change_appointment.",
             "cure": "Decide which label is right"},
            {"check": "class_balance", "severity": "note", "rows": [],
             "evidence": "The rarest class, directions, has 32 rows; the largest 58.",
             "cure": "Add rows of directions"},
        ],
    }  # fmt: skip


def choice_of_method() -> dict[str, Any]:
    return event(
        "choice", 41.0, what="method", chosen="lora",
        reason="Best on validation rows by more than one standard error.",
        alternatives=[
            {"name": "frozen", "value": 0.8375, "low": 0.75, "high": 0.91, "seconds": 2.6, "n": 80},
            {"name": "lora", "value": 0.875, "low": 0.79, "high": 0.94, "seconds": 31.4, "n": 80},
            {"name": "full", "value": 0.85, "low": 0.76, "high": 0.92, "seconds": 58.0, "n": 80},
        ],
    )  # fmt: skip


def dial_events() -> list[dict]:
    values = {0.0: 0.31, 0.25: 0.72, 0.5: 0.86, 0.75: 0.8875, 1.0: 0.875}
    return [
        event("dial", 42.0, "lora", 150, alpha=alpha, value=value, loss=1.2 - value,
              low=value - 0.07, high=min(value + 0.06, 1.0), chosen=alpha == 0.75)
        for alpha, value in values.items()
    ]  # fmt: skip


def classification_scores(decision: str, n: int) -> dict[str, Any]:
    hold = {
        "decision": "hold",
        "reasons": ["Accuracy is not surely above the frozen probe: +1.9 points (−1.2 to 5.0)."],
        "cures": ["About 420 test rows would be enough to tell a difference of this size."],
    }
    ship = {
        "decision": "ship",
        "reasons": [
            "Accuracy is above every control, the hardest by 5.6 points (1.3 to 10.0).",
            "Nothing in the checks blocks it.",
        ],
        "cures": ["More rows of cancel would help most: a third of them are taken for a change."],
    }
    controls = {
        "majority": (0.125, 0.05, 0.028, 0.01, 0.02),
        "tfidf": (0.7125, 0.071, 0.704, 0.073, 0.11),
        "frozen": (0.8125, 0.06, 0.809, 0.062, 0.052),
    }
    return {
        "task": "text_classification",
        "headline": "accuracy",
        "verdict": ship if decision == "ship" else hold,
        "scores": {
            "accuracy": score("accuracy", 0.86875, 0.053, n),
            "macro_f1": score("macro_f1", 0.8661, 0.055, n),
            "gap": score("gap", 0.094, 0.031, 80, "lower"),
            "ece": score("ece", 0.041, 0.018, n, "lower"),
        },
        "controls": {
            name: {
                "accuracy": score("accuracy", a, b, n),
                "macro_f1": score("macro_f1", c, d, n),
                "ece": score("ece", e, 0.02, n, "lower"),
            }
            for name, (a, b, c, d, e) in controls.items()
        },
        "paired": {
            "majority": score("accuracy", 0.74375, 0.07, n),
            "tfidf": score("accuracy", 0.15625, 0.068, n),
            "frozen": score("accuracy", 0.05625, 0.0435 if decision == "ship" else 0.08, n),
        },
        "chosen": {
            "method": "lora", "learning_rate": 0.0005, "regularizers": [], "alpha": 0.75,
            "updates": 100, "reason": "LoRA was best on validation rows; blended at 0.75.",
        },
        "seconds": 47.3,
        "stages": {"checks": 0.8, "controls": 4.1, "lora": 31.4, "dial": 3.2, "measures": 5.0},
        "memory": {"estimated_bytes": 402653184, "peak_bytes": 451936256},
        "parameters": {"total": 22713216, "trainable": 304128},
    }  # fmt: skip


def write_generation_run(path: Path) -> Path:
    """A finished text generation: better per byte than the bare base, with samples."""
    path.mkdir(parents=True, exist_ok=True)
    draw = random.Random(3)
    n = 48
    plan = {"task": {"name": "generation"}, "model": "stories260K", "method": {"name": "full"}}
    (path / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    write_json(path / "environment.json", environment())
    write_json(path / "data.json", {
        "name": "restaurants.csv", "shape": "prompt", "rows": 200, "fingerprint": "77aa",
        "columns": {"prompt": "mr", "completion": "ref"}, "labels": [], "notes": [],
        "parts": {"train": ["r:1"] * 120, "validation": ["r:2"] * 32, "test": ["r:3"] * n},
        "test_file": None, "findings": [],
        "certificate": {"clusters": 0, "groups": 100, "crossing": 0, "crossing_random": 61.0,
                        "claimed": None, "sentences": ["All rows of a group are on one side."]},
    })  # fmt: skip
    write_lines(path / "journal.jsonl", training_events("full", 90, 3.0, "loss_per_byte", seed=2))
    unit = "nats/byte"
    lower = "lower"
    write_json(path / "scores.json", {
        "task": "generation", "headline": "loss_per_byte",
        "verdict": {"decision": "hold",
                    "reasons": ["General text got worse by 9.1%, above the budget of 1%."],
                    "cures": ["Fit again with replay of the base model's own samples."]},
        "scores": {
            "loss_per_byte": score("loss_per_byte", 0.631, 0.028, n, lower, unit),
            "gap": score("gap", 0.122, 0.03, 32, lower, unit),
            "perplexity": score("perplexity", 4.41, 0.35, n, lower, "per token"),
            "forgetting_probes": score("forgetting_probes", 0.041, 0.02, 300, lower),
            "general_loss": score("general_loss", 0.091, 0.02, 120, lower),
            "chrf": score("chrf", 0.42, 0.05, 8),
            "chrf_base": score("chrf_base", 0.11, 0.02, 8),
            "brand_new_measure": score("brand_new_measure", 0.0042, 0.001, n, lower, unit),
        },
        "controls": {
            "base": {
                "loss_per_byte": score("loss_per_byte", 2.543, 0.06, n, lower, unit),
                "perplexity": score("perplexity", 812.0, 95.0, n, lower, "per token"),
            }
        },
        "paired": {"base": score("loss_per_byte", -1.912, 0.05, n, lower, unit)},
        "chosen": {"method": "full", "learning_rate": 0.002, "regularizers": ["replay"],
                   "alpha": 1.0, "updates": 60, "reason": "Full tuning was best."},
        "seconds": 71.2, "stages": {"full": 55.0, "measures": 12.0}, "memory": None,
        "parameters": {"total": 260032, "trainable": 260032},
    })  # fmt: skip
    rows = []
    for i in range(n):
        target = f"The Vaults is a cheap pub near Café Adriatic, rated {i % 5 + 1} out of 5."
        size = len(target.encode())
        rows.append(
            {"source": f"restaurants.csv:{i * 4 + 2}",
             "input": f"name[The Vaults], eatType[pub], near[Café Adriatic], rating[{i // 2}]",
             "target": target, "output": "The Vaults is a cheap pub near Café Adriatic."
             if i < 8 else None, "probability": None,
             "loss": round(size * draw.uniform(0.4, 0.9), 3),
             "bytes": size, "base_output": "Once upon a time, there was a little girl named Lily."
             if i < 8 else None, "base_loss": round(size * 2.5, 3), "correct": None,
             "ended": i != 2 if i < 8 else None}
        )  # fmt: skip
    write_lines(path / "predictions.jsonl", rows)
    return path
