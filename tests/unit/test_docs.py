"""The documents: generated parts are up to date, links lead somewhere, examples run."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fewtune.records import Dataset, Example

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"<!-- example: (\w+) of (\w+) -->\n```python\n(.*?)\n```", re.DOTALL)
FOLDERS = ("docs", "examples", "benchmarks", "src", "pretraining")


def written() -> list[Path]:
    found = list(ROOT.glob("*.md"))
    for folder in FOLDERS:
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestPages:
    def test_generated_parts_are_up_to_date(self):
        made = generator().pages()
        stale = [p.name for p, text in made.items() if p.read_text(encoding="utf-8") != text]
        assert not stale, "run: .venv/bin/python docs/generate.py"

    def test_every_family_and_every_verb_has_a_page(self):
        from fewtune.cli.main import VERBS

        assert set(VERBS) <= {page.stem for page in (DOCS / "verbs").glob("*.md")}
        assert set(generator().FAMILIES) == {p.stem for p in (DOCS / "families").glob("*.md")}

    def test_a_member_and_its_option_stand_in_the_page_with_default_and_range(self):
        page = generator().pages()[DOCS / "families" / "methods.md"]
        assert "| `rank` | `16` | integer ≥ 1 | width of the low-rank change |" in page

    def test_a_setting_of_the_plan_stands_with_default_and_range(self):
        page = generator().pages()[DOCS / "verbs" / "plan.md"]
        assert "| `training.warmup` | `0.1` | number ≥ 0 and < 1 |" in page
        assert "| `seed` | `0` | integer ≥ 0 |" in page


class TestLinks:
    @pytest.mark.parametrize("page", written(), ids=lambda p: str(p.relative_to(ROOT)))
    def test_relative_links_resolve(self, page):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            if anchor:
                assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


EXAMPLES = {
    name: (family, code)
    for name, family, code in EXAMPLE.findall(
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )
}
CLASSES = {name: re.search(r"^__all__ = \[\"(\w+)\"\]", code, re.M)[1]
           for name, (_, code) in EXAMPLES.items()}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package ``own_house`` that holds the examples of CONTRIBUTING.md, one file each."""
    folder = tmp_path_factory.mktemp("packages") / "own_house"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, (_, code) in EXAMPLES.items():
        (folder / f"{name}.py").write_text(code + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.parent))
        yield "own_house"
    for module in [m for m in sys.modules if m.split(".")[0] == "own_house"]:
        del sys.modules[module]


@pytest.fixture(scope="module")
def tuned(package, encoder, data_folder, tmp_path_factory):
    """A run whose method and only monitor are examples."""
    import fewtune

    monitor = {"name": name_of(package, "good_enough"), "options": {"headline": 0.0}}
    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={
            "training.updates": 20,
            "method.name": name_of(package, "biases"),
            "select.rungs": [],
            "monitors": [monitor],
        },
        output=tmp_path_factory.mktemp("runs") / "biases",
    )


def name_of(package: str, example: str) -> str:
    return f"{package}.{example}:{CLASSES[example]}"


def load(package: str, example: str):
    family, _ = EXAMPLES[example]
    module, attribute = generator_families()[family]
    return getattr(importlib.import_module(module), attribute).load(name_of(package, example))


def generator_families() -> dict[str, tuple[str, str]]:
    return {name: (module, name) for module, name in generator().FAMILIES.values()}


class TestExamplesOfContributing:
    def test_there_is_one_for_each_family_that_users_extend(self):
        families = [family for family, _ in EXAMPLES.values()]
        assert families == ["CHECKS", "METHODS", "REGULARIZERS", "MONITORS", "MEASURES"]

    def test_check(self, package):
        from fewtune.checks.base import Context
        from fewtune.checks.run import run

        load(package, "shouting")
        texts = ("CALL ME BACK", "OK", "please call me", "WHERE ARE YOU")
        rows = [Example(text, "a", f"t.csv:{line}") for line, text in enumerate(texts, 2)]
        data = Dataset(tuple(rows), "labelled_text", "t.csv")
        [finding] = run(Context(data), [name_of(package, "shouting")]).findings
        assert finding.rows == ("t.csv:2", "t.csv:5")
        assert finding.evidence.startswith("2 of 4 inputs")

    def test_measure(self, package):
        from fewtune.tasks.outcomes import Outcomes

        truth = np.array([0, 0, 0, 1, 1])
        shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]])
        seen = Outcomes(
            sources=tuple("abcde"), groups=np.arange(5), losses=np.zeros(5),
            units=np.ones(5, dtype=int), bytes=np.zeros(5, dtype=int), truth=truth,
            probabilities=shares, labels=("no", "yes"),
        )  # fmt: skip
        measure = load(package, "worst_class")()
        # Two of three "no" are right and one of two "yes".
        assert measure.of(seen).value == pytest.approx(1 / 2)
        only_no = np.array([[1.0, 1.0, 1.0, 0.0, 0.0]])
        assert measure.values(seen, only_no) == pytest.approx([2 / 3])

    def test_regularizer(self, package, causal_lm, data_folder, tmp_path):
        import fewtune
        from fewtune.models.load import Source
        from fewtune.tasks.base import TaskSettings
        from fewtune.tasks.generation import Generation

        source = Source(str(causal_lm), str(causal_lm))
        task = Generation(source, TaskSettings(), "prompt")
        rows = [Example("the", "cat", "g:1"), Example("the", "cat sat on the mat today", "g:2")]
        batch = task.collate(task.encode(rows))
        weighed = load(package, "equal_rows")().batch(None, batch)
        per_row = [float(weighed.weights[weighed.owners == row].sum()) for row in (0, 1)]
        assert per_row == pytest.approx([1.0, 1.0])
        run = fewtune.fit(
            data_folder / "prompts.jsonl",
            str(causal_lm),
            settings={
                "training.updates": 10,
                "select.samples": 0,
                "regularizers": [{"name": name_of(package, "equal_rows")}],
            },
            output=tmp_path / "run",
        )
        assert run.chosen["regularizers"]

    def test_method_and_monitor(self, tuned):
        lines = (tuned.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        said = [e["values"] for e in events if e["kind"] == "monitor"]
        # Any accuracy is good enough here, so the first evaluation in training ends it.
        assert [(s["monitor"].partition(".")[2], s["action"]) for s in said] == [
            ("good_enough:GoodEnough", "stop")
        ]
        steps = [e for e in events if e["kind"] == "step"]
        # Trained again on all rows it goes on as long in epochs, not in updates.
        assert max(e["update"] for e in steps if not e["stage"].endswith("+all")) == 2
        trained = json.loads((tuned.path / "scores.json").read_text())["parameters"]
        assert 0 < trained["trainable"] < trained["total"] / 10

    def test_a_run_of_a_users_method_answers(self, tuned):
        answer = tuned.predict("please book a visit")
        assert answer["label"] in ("billing", "booking", "results")
