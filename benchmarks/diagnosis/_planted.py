"""The twelve faults, each as a user would bring it (see PROTOCOL.md)."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import shared
from benchmarks.diagnosis._rows import STORIES, images, lines, pairs, table, texts

__all__ = ["FAULTS", "SHORT_GENERATION", "Fit"]

Settings = dict[str, Any]


@dataclass(frozen=True)
class Fit:
    """What ``fewtune fit`` is given.

    Attributes
    ----------
    until
        The stage before which the run is ended to save time; what is named later is not seen.
    """

    data: Path
    model: str
    test: Path | None = None
    settings: Settings = field(default_factory=dict)
    until: str = "observe"


SHORT_GENERATION: Settings = {
    "training.updates": 30,
    "training.evaluations": 2,
    "regularizers": [],
    "select.dial": [1.0],
    "select.samples": 12,
    "select.refit": False,
    "budget.general_loss": 0.0,
}
RATE: Settings = {"training.updates": 16, "training.batch_size": 8, "select.samples": 0}
SHORT_TEXT: Settings = {
    "method.name": "partial",
    "method.options": {"blocks": 1},
    "training.updates": 30,
    "training.evaluations": 2,
    "select.dial": [1.0],
    "select.refit": False,
    "select.rungs": [],
    "controls": ["majority"],
}


def _stories() -> str:
    return str(shared("models", STORIES))


def _rate(factor: float) -> Callable[[int, Path], Fit]:
    """Return the planting of a rate that is ``factor`` times the one planned."""

    def plant(seed: int, folder: Path) -> Fit:
        from fewtune.verbs.prepare import prepare

        if seed % 2:
            train, judge = pairs(seed, 40)
            data, test = lines(folder / "pairs.jsonl", train), lines(folder / "t.jsonl", judge[:8])
            model, settings = _stories(), {**SHORT_GENERATION, **RATE, "controls": ["base"]}
        else:
            data, test = table(folder / "texts.csv", texts(seed, 3, 20)), None
            model, settings = "minilm", {**SHORT_TEXT, **RATE}
        plan = prepare(data, model, test=test, settings=settings).plan
        rate = plan.training.learning_rate * factor
        return Fit(data, model, test, {**settings, "training.learning_rate": rate})

    return plant


def shuffled_labels(seed: int, folder: Path) -> Fit:
    """Labels dealt out anew among the rows; a head on frozen states."""
    drawn = random.Random(f"shuffled/{seed}")
    classes = drawn.choice([2, 3, 4])
    if seed % 5 == 4:
        place = images(seed, classes, 30, folder / "photos")
        files = sorted(place.rglob("*.JPG"))
        homes = [file.parent for file in files]
        drawn.shuffle(homes)
        for number, (file, home) in enumerate(zip(files, homes, strict=True)):
            file.rename(home / f"{number}-{file.name}")
        return Fit(place, str(shared("models", "mobilenet_v2")), None, {"method.name": "head"})
    rows = texts(seed, classes, 90 // classes)
    labels = [row["label"] for row in rows]
    drawn.shuffle(labels)
    mixed = [{**row, "label": label} for row, label in zip(rows, labels, strict=True)]
    settings = {"method.name": "head", "controls": ["majority"]}
    return Fit(table(folder / "texts.csv", mixed), "minilm", None, settings)


def _stories_copy(folder: Path, **changes: Any) -> str:
    """Return a copy of the small language model with its tokenizer's settings changed."""
    place = folder / "model"
    shutil.copytree(_stories(), place)
    for file in place.iterdir():
        file.chmod(0o644)
    path = place / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return str(place)


NO_END = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def no_end_token(seed: int, folder: Path) -> Fit:
    """A tokenizer without an end token, or with one that the model does not have."""
    train, _ = pairs(seed, 40)
    kind = seed % 4
    changes: Settings = {"eos_token": None}
    if kind == 1:
        changes["chat_template"] = NO_END
    if kind == 3:
        changes["eos_token"] = random.Random(seed).choice(["<|endoftext|>", "<|im_end|>", "<eos>"])
    rows: list[dict[str, Any]] = list(train)
    if kind == 2:
        rows = [{"text": f"{row['prompt']} {row['completion']}"} for row in train]
    data = lines(folder / "rows.jsonl", rows)
    return Fit(data, _stories_copy(folder, **changes), None, SHORT_GENERATION)


JOINED = (
    "### Instruction:\n{p}\n\n### Response:\n{c}",
    "Question: {p}\nAnswer: {c}",
    "User: {p}\nAssistant: {c}",
    "Input: {p}\nOutput: {c}",
    "{p} => {c}",
)


def prompt_in_the_loss(seed: int, folder: Path) -> Fit:
    """Prompt and completion joined in one column ``text``, in one of five common ways."""
    train, _ = pairs(seed, 40)
    way = JOINED[seed % len(JOINED)]
    rows = [{"text": way.format(p=row["prompt"], c=row["completion"])} for row in train]
    data = lines(folder / "rows.jsonl", rows)
    return Fit(data, _stories(), None, SHORT_GENERATION, "controls")


RENDERED = (
    "<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n{c}<|im_end|>",
    "[INST] {p} [/INST] {c}",
    "<|start_header_id|>user<|end_header_id|>\n\n{p}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{c}<|eot_id|>",
    "<start_of_turn>user\n{p}<end_of_turn>\n<start_of_turn>model\n{c}<end_of_turn>",
    "<|user|>\n{p}\n<|assistant|>\n{c}",
)
FOREIGN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}"
    "<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
)


def wrong_template(seed: int, folder: Path) -> Fit:
    """Rows rendered by another model's template, or that template in the model's folder."""
    train, _ = pairs(seed, 40)
    if seed % 2:
        model = _stories_copy(folder, chat_template=FOREIGN[seed // 2 % len(FOREIGN)])
        rows: list[dict[str, Any]] = list(train)
    else:
        model, way = _stories(), RENDERED[seed // 2 % len(RENDERED)]
        rows = [{"text": way.format(p=row["prompt"], c=row["completion"])} for row in train]
        if seed // 2 % 2:
            cuts = [
                row["text"].index(pair["completion"]) for row, pair in zip(rows, train, strict=True)
            ]
            rows = [
                {"prompt": row["text"][:cut], "completion": row["text"][cut:]}
                for row, cut in zip(rows, cuts, strict=True)
            ]
    data = lines(folder / "rows.jsonl", rows)
    return Fit(data, model, None, SHORT_GENERATION, "controls")


def _cut(text: str, completion: str) -> dict[str, Any]:
    """Return a rendered pair as prompt and completion, its markers in both."""
    at = text.index(completion)
    return {"prompt": text[:at], "completion": text[at:]}


NOTICE = (
    "This message and what is attached to it are meant for the person named above alone. If you "
    "are not that person you may not read, copy or pass on any of it; tell the sender and delete "
    "it. Messages may be changed or lost on their way, and no liability is taken for that. "
)


def truncation(seed: int, folder: Path) -> Fit:
    """Answers cut at the right, or the part of a text that matters beyond what the model reads."""
    if seed % 2:
        train, _ = pairs(seed, 40)
        data = lines(folder / "rows.jsonl", train)
        most = random.Random(seed).choice([96, 112, 128])
        settings = {**SHORT_GENERATION, "task.max_length": most, "task.truncation": "right"}
        return Fit(data, _stories(), None, settings, "controls")
    long = random.Random(seed).choice([0.3, 0.6, 1.0])
    rows = texts(seed, 3, 20)
    rows = [
        {**row, "text": NOTICE * 9 + row["text"]} if number < long * len(rows) else row
        for number, row in enumerate(rows)
    ]
    return Fit(table(folder / "texts.csv", rows), "minilm", None, {}, "controls")


def leakage(seed: int, folder: Path) -> Fit:
    """A test file of which 10 to 45% are training rows, a half of them in other capitals."""
    drawn = random.Random(f"leak/{seed}")
    share = drawn.choice([0.1, 0.2, 0.3, 0.45])
    if seed % 4 == 3:
        train, judge = pairs(seed, 40)
        taken = drawn.sample(train, round(40 * share))
        test = [*judge[: 40 - len(taken)], *taken]
        files = lines(folder / "rows.jsonl", train), lines(folder / "test.jsonl", test)
        return Fit(files[0], _stories(), files[1], SHORT_GENERATION, "controls")
    rows = texts(seed, 3, 30)
    train_rows, test_rows = rows[:60], rows[60:]
    for place in range(round(len(test_rows) * share)):
        copy = dict(train_rows[place])
        copy["text"] = copy["text"].upper() if place % 2 else copy["text"]
        test_rows[place] = copy
    files = table(folder / "texts.csv", train_rows), table(folder / "test.csv", test_rows)
    return Fit(files[0], "minilm", files[1], {}, "controls")


def repeated_row(seed: int, folder: Path) -> Fit:
    """One row of the file fifty times."""
    drawn = random.Random(f"repeated/{seed}")
    if seed % 4 == 3:
        place = images(seed, 3, 20, folder / "photos")
        file = drawn.choice(sorted(place.rglob("*.JPG")))
        for number in range(49):
            shutil.copy(file, file.with_name(f"copy-{number}.JPG"))
        model = str(shared("models", "mobilenet_v2"))
        return Fit(place, model, None, {"method.name": "head"}, "controls")
    if seed % 4 == 1:
        train, _ = pairs(seed, 60)
        rows = [*train, *[drawn.choice(train)] * 49]
        drawn.shuffle(rows)
        data, settings = lines(folder / "rows.jsonl", rows), SHORT_GENERATION
        return Fit(data, _stories(), None, settings, "controls")
    some = texts(seed, 4, 25)
    some += [drawn.choice(some)] * 49
    drawn.shuffle(some)
    return Fit(table(folder / "texts.csv", some), "minilm", None, {}, "controls")


def imbalance(seed: int, folder: Path) -> Fit:
    """One class with 12 to 25 times the rows of the others."""
    drawn = random.Random(f"imbalance/{seed}")
    few = drawn.choice([2, 3, 4])
    if seed % 5 == 4:
        place = images(seed, 3, 60, folder / "photos")
        for rare in sorted(place.iterdir())[1:]:
            for file in sorted(rare.iterdir())[few:]:
                file.unlink()
        model = str(shared("models", "mobilenet_v2"))
        return Fit(place, model, None, {"method.name": "head"}, "controls")
    rows = texts(2 * seed, 3, 100)
    names = sorted({row["label"] for row in rows})
    sizes = {names[0]: few * drawn.randint(12, 25), names[1]: few, names[2]: few + 1}
    kept = [row for name in names for row in [r for r in rows if r["label"] == name][: sizes[name]]]
    drawn.shuffle(kept)
    return Fit(table(folder / "texts.csv", kept), "minilm", None, {}, "controls")


def frozen_head(seed: int, folder: Path) -> Fit:
    """A user's own method that leaves the head as it was made, and no fit of the head before."""
    rows = texts(seed, random.Random(seed).choice([2, 3, 4]), 12)
    settings = {
        **SHORT_TEXT,
        "method.name": "benchmarks.diagnosis._frozen:FrozenHead",
        "training.updates": 10,
        "training.head_first": False,
        "training.learning_rate": 5e-4,
    }
    return Fit(table(folder / "texts.csv", rows), "minilm", None, settings)


def validation_is_train(seed: int, folder: Path) -> Fit:
    """A test file that is the training file, a part of it, or the same in another order."""
    drawn = random.Random(f"same/{seed}")
    if seed % 4 == 3:
        train, _ = pairs(seed, 40)
        rows = drawn.sample(train, 20)
        files = lines(folder / "rows.jsonl", train), lines(folder / "test.jsonl", rows)
        return Fit(files[0], _stories(), files[1], SHORT_GENERATION)
    some = texts(seed, 4, 20)
    held = list(some)
    drawn.shuffle(held)
    if seed % 4 == 1:
        held = held[: len(held) // 3]
    if seed % 4 == 2:
        held = [{**row, "text": row["text"].upper() + " "} for row in held]
    files = table(folder / "texts.csv", some), table(folder / "test.csv", held)
    return Fit(files[0], "minilm", files[1])


FAULTS: dict[str, Callable[[int, Path], Fit]] = {
    "rate_too_high": _rate(10.0),
    "rate_too_low": _rate(0.01),
    "shuffled_labels": shuffled_labels,
    "no_end_token": no_end_token,
    "prompt_in_loss": prompt_in_the_loss,
    "wrong_template": wrong_template,
    "truncation": truncation,
    "leakage": leakage,
    "repeated_row": repeated_row,
    "imbalance": imbalance,
    "frozen_head": frozen_head,
    "validation_is_train": validation_is_train,
}
"""By the name that is expected: a function of a seed and a folder."""
