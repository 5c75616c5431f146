"""What the plan's section ``measure`` asks for: seen to be there before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from fewtune.data.canaries import canaries
from fewtune.errors import FewtuneError, PlanError
from fewtune.measures.observe.lm_eval import HarnessResult, observe_lm_eval, require_lm_eval
from fewtune.measures.probes.own import load_probes
from fewtune.plan.plan import Plan
from fewtune.records import Dataset, Score
from fewtune.select.material import Material
from fewtune.tasks.generation import Generation
from fewtune.verbs.earlier import answers_of, refuse_unlike

__all__ = ["asked_for", "harness_scores", "refuse_unmeasurable"]

OF_GENERATION = ("canaries", "harness")
"""Settings that ask something of what a model writes."""


def refuse_unmeasurable(plan: Plan, data: Dataset) -> None:
    """Raise where something cannot be measured; say in the plan that made-up rows will train.

    Raises
    ------
    DataError
        If the file of probes is faulty.
    RunError, ModelError
        If the earlier run, its model or its base is gone.
    PlanError
        If something is asked that goes with another task.
    MissingExtra
        If lm-evaluation-harness is asked for and is not installed.
    """
    asked = plan.measure
    for name in OF_GENERATION:
        if getattr(asked, name) and plan.task.name != "generation":
            raise PlanError(
                f"generation with measure.{name}",
                plan.task.name.replace("_", " "),
                f"measure.{name}",
                "Leave it out",
            )
    if asked.probes:
        # Read now, so that a faulty file is told before anything is trained.
        load_probes(asked.probes)
    if asked.earlier:
        refuse_unlike(Path(asked.earlier), plan.task.name, data)
    if asked.harness:
        require_lm_eval()
    if asked.canaries:
        canaries(data.shape, asked.canaries, plan.seed)
        plan.reasons["measure.canaries"] = (
            f"set by the user: {asked.canaries} made-up rows with a secret each train beside the "
            "others, and judge nothing"
        )


def asked_for(material: Material, tuned: nn.Module) -> dict[str, Any]:
    """Return the fields of ``Evidence`` that the plan asks for: an earlier version, the harness.

    What cannot be had any more is said: a finished training is not lost for it.
    """
    asked, task = material.plan.measure, material.task
    found: dict[str, Any] = {}
    unsaid: dict[str, str] = {}
    try:
        if asked.earlier:
            material.journal.write("stage", name="earlier", sentence=f"asking {asked.earlier}")
            found["earlier"] = answers_of(Path(asked.earlier), material.test)
    except FewtuneError as error:
        unsaid["flips"] = f"the earlier run could not be asked. {error}".rstrip(".")
    try:
        if asked.harness:
            said = f"asking lm-evaluation-harness for {', '.join(asked.harness)}"
            material.journal.write("stage", name="harness", sentence=said)
            language = cast(Generation, task)
            found["harness"] = observe_lm_eval(language, material.base(), tuned, asked.harness)
    except FewtuneError as error:
        unsaid["harness"] = f"lm-evaluation-harness could not be asked. {error}".rstrip(".")
    return found | {"unsaid": unsaid}


def harness_scores(results: Sequence[HarnessResult]) -> dict[str, Score]:
    """Return tuned minus base of each figure of the harness, by ``harness_<task>_<metric>``.

    The interval takes the two for independent, though both answer the same items: it is wider than
    a paired one. NaN where the harness gives no error.
    """
    found = {}
    for one in results:
        if math.isnan(one.after):
            continue
        name = f"harness_{one.task}_{one.metric}"
        gain = one.after - one.before
        reach = 1.96 * math.hypot(one.error_before, one.error_after)
        score = Score(name, gain, gain - reach, gain + reach, one.n, "higher")
        found[name] = score if one.higher else replace(score, direction="lower")
    return found
