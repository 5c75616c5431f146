"""Wrong template: the rows, or the model's folder, speak the chat template of another model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fewtune.checks._rows import count, share
from fewtune.checks._templates import TEMPLATES
from fewtune.diagnoses._rendered import rendered
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis
from fewtune.tasks.generation import Generation

__all__ = ["WrongTemplate"]

OF_TOKENS = ("ChatML", "Llama 3", "Gemma", "Command R", "Granite")
"""Templates whose markers are single tokens of the models that have them."""


class WrongTemplate(Diagnoser):
    """Looks for chat markers in the rows that the model does not know or would get twice."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the rows with markers, or the markers of the template that are no tokens."""
        if case.material is None or not isinstance(case.material.task, Generation):
            return
        task = case.material.task
        yield from self._in_rows(case, task.tokenizer)
        if task.template == "model" and task.shape != "text":
            yield from self._in_model(case, task.tokenizer)

    def _in_rows(self, case: Case, tokenizer: Any) -> Iterable[Diagnosis]:
        data = case.context.data
        for name, (rows, own) in rendered(data, tokenizer).items():
            if own and data.shape == "text":
                continue
            model = case.plan.model.rstrip("/").rsplit("/", 1)[-1]
            why = (
                f"{model} has this template itself and would get it twice"
                if own
                else f"{model} does not have it: the markers are text to it"
            )
            yield self.named(
                f"{count(len(rows), 'row')} of {len(data):,} ({share(len(rows), len(data))}) hold "
                f"markers of the {name} template, such as {TEMPLATES[name][0]}; {why}.",
                "Give the turns without markers, as messages or as prompt and completion: they are "
                "rendered by the model's own template",
                [data[row].source for row in rows],
            )

    def _in_model(self, case: Case, tokenizer: Any) -> Iterable[Diagnosis]:
        for name in OF_TOKENS:
            strange = [
                marker
                for marker in TEMPLATES[name]
                if marker in tokenizer.chat_template and marker not in tokenizer.get_vocab()
            ]
            if strange:
                pieces = len(tokenizer(strange[0], add_special_tokens=False)["input_ids"])
                yield self.named(
                    f"The chat template in the model's folder is {name}, but {strange[0]} is no "
                    f"token of its tokenizer: it falls into {pieces} pieces that the model never "
                    "saw used so.",
                    "Put the template that the model was trained with into its folder, or take "
                    "chat_template out of tokenizer_config.json: then a plain one is used",
                )
                return
