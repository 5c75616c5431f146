"""Text generation: the continuation of a prompt or a chat; decided by loss per byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewtune.data.batches import chunks
from fewtune.data.template import prompt_text, with_template
from fewtune.data.tokens import IGNORED, encode_supervised, prompt_and_answer
from fewtune.environment import seeded
from fewtune.errors import ModelError, PlanError
from fewtune.models.four_bit import load_packed
from fewtune.models.load import Source, load_causal_lm, load_tokenizer
from fewtune.records import Example, Shape
from fewtune.tasks.base import Batch, Row, Task, TaskSettings, inference
from fewtune.tasks.writing import written_after

__all__ = ["Generation"]

CONTEXT_WHERE_UNKNOWN = 1024


class Generation(Task):
    """Answers of a causal language model, trained on the answers alone."""

    name = "generation"
    shapes = frozenset({"prompt", "chat", "text"})
    kinds = ("causal",)
    headline = "loss_per_byte"

    def __init__(
        self,
        source: Source,
        settings: TaskSettings,
        shape: Shape = "chat",
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(source, settings, shape, labels)
        if settings.keep_classes or settings.old_rows:
            raise PlanError(
                "task.keep_classes and task.old_rows for a classifier",
                "generation, which has no classes",
                "task.keep_classes",
                "Leave them out; regularizer kl_to_base protects what a language model knows",
            )
        self.tokenizer = load_tokenizer(source)
        self.template = with_template(self.tokenizer, shape)
        self.longest_target = self.longest_prompt = 0
        self._context = 0
        self._direct = True

    def max_length(self) -> int:
        """Return the most tokens of a row: the setting, else what model and tokenizer can take."""
        if not self._context:
            from fewtune.models.load import read_config

            config = read_config(self.source)
            self._refuse_strange_end(config)
            self._context = int(getattr(config, "max_position_embeddings", 0) or 0)
        limit = int(self.tokenizer.model_max_length)
        known = [n for n in (self.settings.max_length, limit, self._context) if n and n < 10**6]
        return min(known, default=CONTEXT_WHERE_UNKNOWN)

    def _refuse_strange_end(self, config: Any) -> None:
        """Raise where the end token is none of the model's: its number would have no weights."""
        known = int(getattr(config.get_text_config(), "vocab_size", 0) or 0)
        end = int(self.tokenizer.eos_token_id)
        if known and end >= known:
            raise ModelError(
                f"an end token among the {known:,} tokens of the model, or no answer ends",
                f"no end token that it knows: {self.tokenizer.eos_token!r} is number {end:,}",
                self.source.location,
                "Set eos_token in tokenizer_config.json to the token that ends its texts",
            )

    def load_model(self) -> nn.Module:
        """Return the language model, having tried that supervised logits can be read directly."""
        model: nn.Module = self.bring(self._read)
        if self.settings.dropout is not None:
            for module in model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = self.settings.dropout
        self._direct = self._reads_directly(model)
        return model

    def _read(self) -> Any:
        if self.packed:
            return load_packed(self.source, self.name)
        return load_causal_lm(self.source, low=self.lowered)

    def encode(self, examples: Sequence[Example]) -> list[Row]:
        """Return the rows, the end token of every answer supervised."""
        encoded = encode_supervised(
            self.tokenizer, examples, self.shape, self.max_length(), self.settings.truncation
        )
        rows = [
            Row(example, e.ids, labels=e.labels, bytes=e.bytes, cut=e.cut)
            for example, e in zip(examples, encoded, strict=True)
        ]
        for row in rows:
            prompt, longest = prompt_and_answer(row.labels)
            self.longest_prompt = max(self.longest_prompt, prompt)
            self.longest_target = max(self.longest_target, longest)
        return rows

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return right-padded rows; the units are the supervised tokens.

        No attention mask is made: attention is causal and the padding comes last, so no real token
        ever sees it, and attention without a mask is faster.
        """
        width = max(row.length for row in rows)
        ids = torch.full((len(rows), width), int(self.tokenizer.pad_token_id or 0))
        labels = torch.full((len(rows), width), IGNORED)
        for place, row in enumerate(rows):
            ids[place, : row.length] = torch.tensor(row.ids)
            labels[place, : row.length] = torch.tensor(row.labels)
        # The state at one position predicts the token at the next.
        owners, columns = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
        weights = torch.tensor([row.example.weight for row in rows], dtype=torch.float32)
        return Batch(
            inputs={"input_ids": ids},
            targets=labels[owners, columns + 1],
            weights=weights[owners],
            owners=owners,
            rows=tuple(rows),
            places=owners * width + columns,
        )

    def hidden(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the states that predict the supervised tokens (or their logits, see ``read``)."""
        if self._direct:
            decoder: Any = model.get_decoder()  # type: ignore[operator]
            states = decoder(**batch.inputs, use_cache=False).last_hidden_state
        else:
            states = model(**batch.inputs, use_cache=False).logits
        flat: Tensor = states.reshape(-1, states.shape[-1])
        return flat if batch.places is None else flat[batch.places]

    def read(self, model: nn.Module, hidden: Tensor) -> Tensor:
        """Return next-token logits."""
        return _head(model, hidden) if self._direct else hidden

    def _reads_directly(self, model: nn.Module) -> bool:
        """Return whether the head applied to chosen states equals the model's own logits.

        It does for nearly all; an architecture that does more after its decoder is found here,
        and then whole logits are computed and the supervised ones chosen.
        """
        if not hasattr(model, "get_decoder"):
            return False
        ids = torch.arange(8).reshape(1, 8) % int(getattr(model, "config").vocab_size)  # noqa: B009
        ids = ids.to(next(model.parameters()).device)
        with inference(model):
            whole = model(input_ids=ids, use_cache=False).logits
            states = model.get_decoder()(input_ids=ids, use_cache=False)  # type: ignore[operator]
            return torch.allclose(_head(model, states.last_hidden_state), whole, atol=1e-4)

    @property
    def max_new_tokens(self) -> int:
        """Longest answer in tokens: the setting, else twice the longest one of the rows.

        It is less where the longest prompt of the rows would have to be cut for it.
        """
        if self.settings.max_new_tokens:
            return self.settings.max_new_tokens
        room = max(self.longest_target, self.max_length() - self.longest_prompt)
        return max(1, min(room, max(32, 2 * self.longest_target)))

    @property
    def end_ids(self) -> list[int]:
        """Ids after which an answer is over: the end of text and the template's end of turn."""
        taught = encode_supervised(
            self.tokenizer, [Example("a", "b", "template")], "prompt", 10**6
        )[0]
        last = [label for label in taught.labels if label != IGNORED][-1]
        return sorted({last, int(self.tokenizer.eos_token_id)})

    def answer_budget(self, model: nn.Module) -> int:
        """Return how many tokens, those to come included, may be answered at once.

        A step computes one token of each answer, so here many at once are faster.
        """
        return 8192 if next(model.parameters()).device.type == "cpu" else 65536

    def generate(
        self,
        model: nn.Module,
        examples: Sequence[Example],
        *,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[tuple[str, bool]]:
        """Return each example's answer and whether it ended by itself; see ``tasks.writing``.

        Parameters
        ----------
        model
            The language model.
        examples
            Rows whose last assistant turn, if there is one, is left out of the prompt.
        temperature
            0 for the likeliest token at each place, else samples of the whole distribution.
        seed
            Of the samples.
        """
        device = next(model.parameters()).device
        prompts = [self._prompt_ids(example) for example in examples]
        answers: list[tuple[str, bool]] = [("", False)] * len(examples)
        ends = self.end_ids
        lengths = [len(ids) + self.max_new_tokens for ids in prompts]
        with inference(model), seeded(device, seed), self.autocast():
            for places in chunks(range(len(prompts)), lengths, self.answer_budget(model)):
                found = written_after(
                    model,
                    [prompts[place] for place in places],
                    self.max_new_tokens,
                    ends=ends,
                    pad=int(self.tokenizer.pad_token_id or 0),
                    temperature=temperature,
                )
                for place, ids in zip(places, found, strict=True):
                    answers[place] = self._answer(ids, ends)
        return answers

    def _prompt_ids(self, example: Example) -> list[int]:
        if self.shape == "text":
            text = f"{self.tokenizer.bos_token or ''}{example.input}"
        else:
            text = prompt_text(self.tokenizer, example)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids[-max(1, self.max_length() - self.max_new_tokens) :]

    def _answer(self, ids: list[int], ends: list[int]) -> tuple[str, bool]:
        ended = next((place for place, token in enumerate(ids) if token in ends), None)
        text = self.tokenizer.decode(ids[:ended], skip_special_tokens=True)
        return text.strip(), ended is not None

    def predict(self, model: nn.Module, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Return ``text`` for each example, and whether it ended by itself."""
        answers = self.generate(model, examples)
        return [
            {"input": example.input, "text": text, "ended": ended}
            for example, (text, ended) in zip(examples, answers, strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """Return shape, template, length and the longest answer."""
        return {
            "shape": self.shape,
            "template": self.template,
            "max_length": self.max_length(),
            "max_new_tokens": self.max_new_tokens,
        }

    def restore(self, about: dict[str, Any]) -> None:
        """Take over template, length and the longest answer."""
        # The tokenizer that was kept has the template, and no longer tells whose it is.
        self.template = about.get("template", self.template)
        kept = {"max_length": about["max_length"], "max_new_tokens": about["max_new_tokens"]}
        self.settings = self.settings.model_copy(update=kept)

    def save_processor(self, folder: Path) -> None:
        """Write the tokenizer with the chat template that was trained."""
        self.tokenizer.save_pretrained(folder)


def _head(model: Any, states: Tensor) -> Tensor:
    """Return next-token logits of states, scaled or capped as the model's configuration says."""
    logits: Tensor = model.get_output_embeddings()(states)
    config = model.config
    if getattr(config, "logits_scaling", None):
        logits = logits / config.logits_scaling
    if getattr(config, "logit_scale", None):
        logits = logits * config.logit_scale
    cap = getattr(config, "final_logit_softcapping", None)
    if cap:
        logits = torch.tanh(logits / cap) * cap
    return logits
