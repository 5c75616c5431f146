"""The model card of a run: what it is, what it scored against what, and what it is not good for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from fewtune.report import words
from fewtune.report.atomic import write_atomically
from fewtune.report.comparison import contest, differences, lead, others, shared_scores, unmeasured
from fewtune.report.folder import RunContents, as_mapping, read
from fewtune.report.kept import kept
from fewtune.report.rows import class_figures

__all__ = ["render", "write"]

PIPELINES = {
    "text_classification": "text-classification",
    "image_classification": "image-classification",
    "generation": "text-generation",
}
"""The hub's names of the tasks."""

KEPT_IN_CARD = ("fewtune", "python", "torch", "transformers", "peft", "device", "threads", "seed")


def write(run: Path) -> Path:
    """Write the model card ``README.md`` into a run folder and return its path.

    Raises
    ------
    RunError
        If the folder is not a run, or cannot be written to.
    """
    folder = read(run)
    return write_atomically(folder.path / "README.md", render(folder))


def render(run: RunContents) -> str:
    """Return the card as Markdown with front matter as the Hugging Face hub reads it."""
    import yaml

    body = _template().render(
        run=run,
        verdict=as_mapping(run.scores.get("verdict")),
        chosen=run.chosen(),
        kept=kept(run),
        lead=lead(run),
        tables=[(name, contest(run, name)) for name in _compared(run)],
        gains=differences(run),
        others=others(run),
        limits=_limits(run),
        certificate=as_mapping(run.data.get("certificate")),
        environment={k: run.environment[k] for k in KEPT_IN_CARD if k in run.environment},
    )
    front = yaml.safe_dump(_front_matter(run), sort_keys=False, allow_unicode=True, width=10**6)
    return f"---\n{front}---\n\n{body}"


@cache
def _template() -> Any:
    """Return the card's template, compiled once a process."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fewtune.report", "templates"),
        autoescape=False,  # Markdown, not HTML: the md filter escapes it
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["words"] = words
    environment.filters["md"] = escape
    environment.filters["sentence"] = words.sentence
    return environment.get_template("card.md.j2")


def escape(value: object) -> str:
    r"""Return a user's text so that Markdown shows it as it is, on one line.

    Examples
    --------
    >>> print(escape("a|b <script> *x*"))
    a\|b &lt;script&gt; \*x\*
    """
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*_\[\]|#~$!])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _compared(run: RunContents) -> list[str]:
    return [n for n in [run.headline, *shared_scores(run)] if n in run.tuned()]


def _front_matter(run: RunContents) -> dict[str, Any]:
    task = PIPELINES.get(run.task, run.task)
    method = str(run.chosen().get("method") or "")
    front: dict[str, Any] = {"license": "unknown"}
    if run.model:
        front["base_model"] = _hub_name(run.model)
    front["pipeline_tag"] = task
    front["library_name"] = "fewtune"
    front["tags"] = [tag for tag in ("fewtune", task, method) if tag]
    metrics = [
        {"type": name, "name": words.title(name), "value": round(score.value, 6)}
        for name, score in run.tuned().items()
    ]
    if metrics:
        name = " ".join(run.data_name.split())  # a line of dashes would end the front matter
        dataset = {"name": name, "type": Path(name).stem}
        results = [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]
        front["model-index"] = [{"name": run.name, "results": results}]
    return front


def _hub_name(model: str) -> str:
    """Return a hub id as it is, and of a local path only its last part, which names no machine."""
    is_path = "\\" in model or model.startswith((".", "/", "~")) or model.count("/") > 1
    return re.split(r"[\\/]", model.rstrip("\\/"))[-1] if is_path else model


def _limits(run: RunContents) -> list[str]:
    """Return what this model should not be trusted with, as far as the run itself shows it."""
    limits = []
    verdict = as_mapping(run.scores.get("verdict"))
    if not run.finished:
        limits.append("The run ended before its verdict; nothing here says that the model is good.")
    elif verdict.get("decision") == "hold":
        limits.append("fewtune advises against using it; the reasons stand above.")
    if (how := kept(run)) is not None:
        what = "images" if run.task == "image_classification" else "texts"
        limits.append(f"It was tuned on {how.told}; {what} unlike them were not tested.")
    if run.classifies:
        limits.append("It gives one of its classes to every input, however foreign.")
        limits += _weak_classes(run)
    else:
        limits.append("What it writes may be wrong, or stem from the base model's own data.")
    missing = unmeasured(run) if run.finished else []
    if missing:
        limits.append(f"Not measured: {', '.join(missing)}.")
    return limits


def _weak_classes(run: RunContents) -> list[str]:
    score = run.tuned().get("accuracy")
    if score is None:
        return []
    # Only where the whole interval lies below the average is a class known to be weaker.
    weak = [c for c in class_figures(run) if c.recall.high < score.value][:3]
    return [
        f"{escape(c.label)} is found less often than the rest: "
        f"{words.figure(c.recall.value, 'share')} "
        f"({words.bounds(c.recall.low, c.recall.high, 'share')}, n = {c.n})."
        for c in weak
    ]
