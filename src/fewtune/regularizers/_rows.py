"""The rows on which the base is protected: its own samples, passages, given rows, or inputs."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor

from fewtune.data.load import load
from fewtune.data.template import prompt_text
from fewtune.data.tokens import IGNORED, encode_supervised
from fewtune.errors import DataError
from fewtune.family import Options
from fewtune.records import Example, Shape
from fewtune.regularizers._passages import MOST_PASSAGES, passages
from fewtune.regularizers.base import Running
from fewtune.regularizers.reference import at_base
from fewtune.tasks.base import Row, inference
from fewtune.tasks.generation import Generation

__all__ = ["PLAIN", "Drawing", "RowOptions", "base_samples", "how_many", "rows_to_protect"]

LONGEST_SAMPLE = 256
"""Most tokens of a sample where no length is given: drawing costs one pass a token."""


class RowOptions(Options):
    """Where the rows that stand for the base come from."""

    file: str = Field("", description="rows to use; empty: what the base itself gives")
    samples: int = Field(256, ge=1, description="rows that the base draws where no file is given")
    passages: int = Field(
        0,
        ge=0,
        le=MOST_PASSAGES,
        description="generation: passages of general English, written for fewtune, that join them",
    )
    length: int = Field(0, ge=0, description="most tokens of a sample; 0: the longest training row")
    prompts: Literal["auto", "none", "training"] = Field(
        "none",
        description="samples begin with nothing, or with training prompts, which holds back what "
        "tuning is to change there; auto: training prompts for a model with a chat template",
    )


class Drawing(NamedTuple):
    """How samples of the base are drawn: at which temperatures, in turn, and whether they end."""

    temperatures: tuple[float, ...] = (1.0,)
    ends: bool = True

    def temperature(self, number: int) -> float:
        """Return the temperature of a sample, by its number from 0."""
        return self.temperatures[number % len(self.temperatures)]


PLAIN = Drawing()


def how_many(dose: float, rows: int, *seed: object) -> int:
    """Return ``dose`` × ``rows``, its fraction rounded up as often as it is large.

    Examples
    --------
    >>> how_many(0.25, 8, 0)
    2
    >>> sum(how_many(0.1, 1, update) for update in range(1000)) in range(70, 131)
    True
    """
    whole, fraction = divmod(dose * rows, 1)
    draw = random.Random("/".join(map(str, (*seed, "how many"))))
    return int(whole) + (draw.random() < fraction)


def rows_to_protect(
    run: Running,
    options: RowOptions,
    *,
    labels: bool = True,
    drawing: Drawing = PLAIN,
) -> list[Row]:
    """Return the rows of the file; else the base's samples and the passages that join them.

    Where a classifier is given no file they are its training rows.

    Parameters
    ----------
    run
        The training.
    options
        What the user chose.
    labels
        Whether the labels of a classifier's rows are needed.
    drawing
        How the base's samples are drawn.

    Raises
    ------
    DataError
        If the file cannot be used.
    """
    if options.file:
        return _given(run, options.file, labels)
    if run.task.name == "generation":
        texts = enumerate(passages()[: options.passages], start=1)
        general = [Example("", text, f"passage {number}") for number, text in texts]
        return [*base_samples(run, options, drawing), *_encoded(run, general, "text")]
    return list(run.rows)


def _encoded(run: Running, examples: Sequence[Example], shape: Shape) -> list[Row]:
    """Return rows of any shape, the training rows' or another; a longer one is cut."""
    task = cast(Generation, run.task)
    encoded = encode_supervised(task.tokenizer, examples, shape, task.max_length(), "right")
    return [
        Row(example, e.ids, labels=e.labels, bytes=e.bytes)
        for example, e in zip(examples, encoded, strict=True)
    ]


def _given(run: Running, file: str, labels: bool) -> list[Row]:
    data = load(file)
    if run.task.name == "generation":
        if data.shape not in run.task.shapes:
            raise DataError(
                "rows of text, prompts or chats", data.shape.replace("_", " "), file, "Name another"
            )
        return _encoded(run, data.examples, data.shape)
    examples: Sequence[Example] = data.examples
    if not labels:
        examples = [Example(e.input, None, e.source, e.group) for e in examples]
    missing = [e.source for e in examples if e.target is None]
    if labels and missing:
        raise DataError("a label in every row", "none", ", ".join(missing[:5]), "Add the labels")
    return run.task.encode(examples)


def base_samples(run: Running, options: RowOptions, drawing: Drawing = PLAIN) -> list[Row]:
    """Return what the base writes, drawn once for the whole fit and kept.

    The samples lie beside the checkpoints, so that a resumed training, or the next candidate that
    starts from the same weights, has the same ones for nothing.
    """
    task = cast(Generation, run.task)
    length = options.length or min(LONGEST_SAMPLE, max(row.length for row in run.asked or run.rows))
    length = min(length, task.max_length())
    prompts = _prompts(run, task, options, length)
    facts = [
        prompts,
        drawing,
        length,
        run.seed,
        {n: float(v.double().sum()) for n, v in run.start.items()},
    ]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = run.folder.parent / f"base-samples-{key}.json"
    # The first process draws; the others wait and read what it wrote.
    with run.accelerator.main_process_first():
        drawn = _kept(path)
        if drawn is None:
            said = f"drawing {len(prompts)} samples of the base, to protect it by"
            run.journal.write("stage", name="base samples", sentence=said)
            drawn = _draw_all(run, task, prompts, length, drawing)
            _keep(path, drawn)
    return [_row(task, i, p, ids) for i, (p, ids) in enumerate(zip(prompts, drawn, strict=True))]


def _prompts(
    run: Running, task: Generation, options: RowOptions, length: int
) -> list[tuple[int, ...]]:
    own = task.template == "model" and task.shape != "text"
    wanted = options.prompts
    if wanted == "none" or (wanted == "auto" and not own):
        begin = task.tokenizer.bos_token_id
        begin = task.tokenizer.eos_token_id if begin is None else begin
        return [(int(begin),)] * options.samples
    rows = random.Random(f"{run.seed}/prompts").choices(run.asked or run.rows, k=options.samples)
    texts = [prompt_text(task.tokenizer, row.example) for row in rows]
    found = task.tokenizer(texts, add_special_tokens=False)["input_ids"]
    most = max(1, length // 2)
    return [tuple(ids[-most:]) for ids in found]


def _kept(path: Path) -> list[list[int]] | None:
    try:
        found: list[list[int]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _keep(path: Path, drawn: list[list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(drawn), encoding="utf-8")
    os.replace(fresh, path)


def _draw_all(
    run: Running,
    task: Generation,
    prompts: Sequence[tuple[int, ...]],
    length: int,
    drawing: Drawing,
) -> list[list[int]]:
    """Return what follows each prompt; prompts of one length are drawn together, unpadded."""
    drawn: list[list[int]] = [[] for _ in prompts]
    generator = torch.Generator().manual_seed(run.seed)
    ends = torch.tensor(task.end_ids, device=run.device)
    most = max(1, task.answer_budget(run.model) // length)
    with at_base(run), inference(run.model), task.autocast():
        for size in sorted({len(prompt) for prompt in prompts}):
            places = [i for i, prompt in enumerate(prompts) if len(prompt) == size]
            for start in range(0, len(places), most):
                some = places[start : start + most]
                ids = torch.tensor([prompts[i] for i in some], device=run.device)
                heats = [drawing.temperature(i) for i in some]
                heat = torch.tensor(heats, device=run.device)[:, None]
                barred = None if drawing.ends else ends
                found = _draw(run.model, ids, length - size, ends, generator, heat, barred)
                for place, row in zip(some, found, strict=True):
                    drawn[place] = row
    return drawn


def _draw(
    model: Any,
    ids: Tensor,
    count: int,
    ends: Tensor,
    generator: torch.Generator,
    heat: Tensor,
    barred: Tensor | None,
) -> list[list[int]]:
    """Return up to ``count`` tokens after each row of ``ids``, the end token included.

    ``heat`` is each row's temperature, of shape (rows, 1); tokens that are ``barred`` never come.
    """
    feed, past = ids, None
    columns: list[Tensor] = []
    over = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    for _ in range(max(1, count)):
        out = model(input_ids=feed, past_key_values=past, use_cache=True)
        past = out.past_key_values
        logits = out.logits[:, -1].float()
        if barred is not None:
            logits[:, barred] = -torch.inf
        feed = _drawn((logits / heat).softmax(dim=-1), generator)
        columns.append(feed.masked_fill(over[:, None], -1))
        if barred is None:
            over |= torch.isin(feed[:, 0], ends)
            if bool(over.all()):
                break
    rows: list[list[int]] = torch.cat(columns, dim=1).tolist()
    return [[token for token in row if token >= 0] for row in rows]


def _drawn(shares: Tensor, generator: torch.Generator) -> Tensor:
    """Return a token of each row, of shape (rows, 1), drawn by ``shares``.

    The numbers that decide come from the CPU, so that every device draws the same; what they are
    looked up in stays where it is. (``torch.multinomial`` draws a number for every token.)
    """
    reached = shares.cumsum(dim=-1)
    numbers = torch.rand(len(shares), 1, generator=generator).to(shares.device)
    # Right of what is reached: a token without a share is never met, 0 included.
    found = torch.searchsorted(reached, numbers * reached[:, -1:], right=True)
    return found.clamp(max=shares.shape[-1] - 1)


def _row(task: Generation, number: int, prompt: tuple[int, ...], ids: list[int]) -> Row:
    text = task.tokenizer.decode(ids, skip_special_tokens=True)
    before = task.tokenizer.decode(prompt, skip_special_tokens=True)
    return Row(
        Example(before, text, f"base sample {number + 1}"),
        (*prompt, *ids),
        labels=(*(IGNORED for _ in prompt), *ids),
        bytes=len(text.encode()),
    )
