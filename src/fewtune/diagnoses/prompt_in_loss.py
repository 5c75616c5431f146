"""Prompt in loss: prompt and answer stand in one text, so the prompt is learned as well."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks.chat_markers import marked
from fewtune.diagnoses._rendered import rendered
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis
from fewtune.tasks.generation import Generation

__all__ = ["PromptInLoss"]


class PromptInLoss(Diagnoser):
    """Reads the finding of the check ``joined_prompt``."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the rows whose prompt is in the loss, and its share of it."""
        data, material = case.context.data, case.material
        if marked(data):
            # Rendered for another model they have the wrong template, which comes first.
            task = material.task if material is not None else None
            if not isinstance(task, Generation):
                return
            if not all(own for _, own in rendered(data, task.tokenizer).values()):
                return
        for finding in case.found("joined_prompt"):
            yield self.named(finding.evidence, finding.cure, finding.rows)
