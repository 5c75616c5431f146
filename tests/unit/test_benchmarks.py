"""The benchmarks: every figure is printed from what is kept, and says what it was made with."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import common
from benchmarks.quality import _few_shot_judged, _target_judged, few_shot

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`python -m (benchmarks\.\w+\.\w+ [^`]*--print)`", GUIDE)
ROOMS = ("quality", "diagnosis")


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """A copy of the kept results that programs keep in one file, in the place of the originals."""
    for room in ROOMS:
        (tmp_path / room / "results").mkdir(parents=True)
        for path in (ROOT / "benchmarks" / room / "results").glob("*.json"):
            shutil.copy(path, tmp_path / room / "results")
    monkeypatch.setattr(common, "ROOMS", tmp_path)
    return tmp_path


def bytes_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.json")}


def call(monkeypatch, module: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.setenv("FEWTUNE_DEVICE", "cpu")  # a program may set it: put back afterwards
    importlib.import_module(module).main()


class TestPrinting:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_figure_is_printed_and_nothing_is_written(
        self, command, rooms, monkeypatch, capsys
    ):
        before = bytes_of(rooms)
        call(monkeypatch, *command.split())
        told = capsys.readouterr().out
        assert len(told.splitlines()) >= 3
        assert "nothing is kept" not in told
        assert bytes_of(rooms) == before

    def test_every_program_with_a_protocol_is_in_the_table(self):
        told = {command.split()[0] for command in COMMANDS}
        rooms = [ROOT / "benchmarks" / room for room in ROOMS]
        programs = {
            f"benchmarks.{room.name}.{path.stem}"
            for room in rooms
            for path in room.glob("*.py")
            if not path.stem.startswith("_")
        }
        assert told == programs

    def test_draws_that_are_all_kept_leave_the_file_as_it_was(self, rooms, monkeypatch, capsys):
        before = bytes_of(rooms)
        call(monkeypatch, "benchmarks.quality.value_curve")
        runs = common.kept("quality/value_curve", [])
        silent = sum(run["doubt"] != "" for run in runs)
        told = f"all sizes: {len(runs)} draws, {silent} without an answer"
        assert told in capsys.readouterr().out
        assert bytes_of(rooms) == before

    def test_where_nothing_is_kept_a_sentence_says_so(self, rooms, monkeypatch, capsys):
        (rooms / "quality" / "results" / "intervals.json").unlink()
        with pytest.raises(SystemExit) as left:
            call(monkeypatch, "benchmarks.quality.intervals", "--print")
        assert left.value.code == 0
        assert capsys.readouterr().out == "nothing is kept in quality/results/intervals.json\n"


class TestFewShot:
    @pytest.mark.slow
    def test_a_fit_is_kept_with_what_its_own_process_ran_with(
        self, tmp_path, encoder, monkeypatch, capsys
    ):
        """The rival of frozen states with a tiny encoder: the program that peers run as well."""
        import sklearn

        monkeypatch.setitem(_few_shot_judged.RESULTS, "cpu", tmp_path)
        monkeypatch.setattr(few_shot, "_model", lambda: str(encoder))
        asked = ("--cells", "front_desk", "--only", "frozen10", "--seeds", "3")
        call(monkeypatch, "benchmarks.quality.few_shot", *asked)
        [path] = tmp_path.iterdir()
        file = json.loads(path.read_text(encoding="utf-8"))
        about = file["environment"]
        assert about["versions"]["scikit-learn"] == sklearn.__version__
        assert "setfit" in about["versions"]  # which ours do not name
        assert (about["threads"], about["device"], about["seed"]) == (1, "cpu", 3)
        assert about["commit"]
        assert len(file["results"]["right"]) == 181
        assert "environment" not in file["results"]
        told = capsys.readouterr().out
        assert "kept no versions" not in told

    def test_files_of_before_are_read_and_told_to_have_no_versions(self, tmp_path, capsys):
        old = {"cell": "front_desk", "seed": 0, "accuracy": 0.75, "n": 4, "seconds": 9.0}
        setfit = {**old, "contender": "setfit", "processor_seconds": 8.0, "right": "1101"}
        quick = {**old, "contender": "quick", "processor_seconds": 2.0, "right": "1101"}
        alone = {**quick, "seed": 1, "processor_seconds": 100.0}
        (tmp_path / "a.json").write_text(json.dumps(setfit))
        common.write(tmp_path / "b.json", quick, 0, {"accelerator": "a card"})
        common.write(tmp_path / "c.json", alone, 1)
        there = _few_shot_judged.kept(tmp_path)["front_desk"]
        assert there["setfit"][0]["environment"] is None
        assert there["quick"][0]["environment"]["versions"]
        assert there["quick"][0]["accelerator"] == "a card"
        # Seed 1 has no fit of SetFit to stand beside.
        assert _few_shot_judged.spent(there, "quick") == (2.0, 8.0, [0])
        _few_shot_judged.table(tmp_path)
        told = capsys.readouterr().out
        assert "quick took 0.25 of SetFit's processor seconds (aim 0.33): 2 for 8" in told
        assert "1 of 3 fits are of before 2026-11-28 and kept no versions" in told


def fit(forgotten: float, low: float, high: float, difference: float = -1.0) -> dict:
    return {
        "scores": {"forgetting": {"value": forgotten, "low": low, "high": high}},
        "paired": {
            "base": {"value": difference, "low": difference - 0.2, "high": difference + 0.2}
        },
    }


class TestDrift:
    def test_rank_correlations_are_those_of_scipy(self):
        from scipy.stats import spearmanr

        from benchmarks.quality.kl_proxy import correlations

        drawn = np.random.default_rng(0).integers(6, size=(2, 20, 9))  # with many ties
        expected = [spearmanr(one, other).statistic for one, other in zip(*drawn, strict=True)]
        assert correlations(*drawn) == pytest.approx(expected)
        assert np.isnan(correlations(np.ones((1, 4)), np.arange(4.0)[None]))


class TestTargetAndForgetting:
    def test_what_is_forgotten_of_the_probes_is_a_mean_over_seeds(self):
        pairs = [
            (fit(0.10, 0.05, 0.15), fit(0.02, 0.00, 0.06)),
            (fit(0.06, 0.01, 0.11), fit(0.02, 0.01, 0.03)),
        ]
        seen = _target_judged.probed(pairs)
        assert seen.lost == pytest.approx((0.08, 0.02))
        assert seen.saved == pytest.approx(0.75)
        # Half of 0.10 and 0.10; half of 0.06 and 0.02.
        assert seen.noise == pytest.approx((0.05, 0.02))
        assert seen.unsure == 1

    def test_nothing_is_said_where_the_base_knows_too_few_probes(self):
        silent = {**fit(0, 0, 0), "scores": {}}
        assert _target_judged.probed([(fit(0.1, 0, 0.2), silent)]) is None

    def test_worse_than_the_base_is_by_more_than_a_standard_error(self):
        # An interval of 0.4 is 2 · 1.96 standard errors: one is 0.102.
        assert _target_judged.worse_than_base(fit(0, 0, 0, difference=0.11))
        assert not _target_judged.worse_than_base(fit(0, 0, 0, difference=0.09))


class TestFiguresOfTheReadme:
    def test_gains_that_were_not_told_are_counted(self):
        from benchmarks.figures import figures

        rows = {place: figure for _, figure, place in figures()}
        runs = common.kept("quality/value_curve", [])
        told = [run for run in runs if run["doubt"] == ""]
        figure = rows["quality/results/value_curve.json"]
        assert f" of the {len(told)} told, of {len(runs)}, inside" in figure
        assert 0 < len(told) < len(runs)

    def test_coverage_has_a_row_that_names_what_misses(self):
        from benchmarks.figures import figures

        [figure] = [f for _, f, place in figures() if place == "quality/results/intervals.json"]
        cells = common.kept("quality/intervals", [])
        missed = [c for c in cells if not 0.93 <= c["covered"] <= 0.97]
        assert figure.startswith(f"{len(cells) - len(missed)} of {len(cells)} cells")
        assert all(cell["cell"] in figure for cell in missed)

    def test_time_beside_setfit_and_missing_versions_are_told(self, tmp_path, monkeypatch):
        from benchmarks.few_shot_figures import few_shot_figures

        monkeypatch.setitem(_few_shot_judged.RESULTS, "cpu", tmp_path)
        one = {"cell": "banking77-4", "seed": 0, "accuracy": 0.75, "n": 3080}
        quick = {**one, "contender": "quick", "processor_seconds": 30.0}
        setfit = {**one, "contender": "setfit", "processor_seconds": 120.0}
        common.write(tmp_path / "quick.json", quick)
        (tmp_path / "setfit.json").write_text(json.dumps(setfit))
        rows = [f for _, f, place in few_shot_figures() if place.endswith(tmp_path.name)]
        assert rows == [
            "75.00%; SetFit 75.00%; 3,080 test rows; 1 fit kept without versions",
            "Banking77, 4 rows a class 30 for 120 (0.25, 1 seed); 1 fit kept without versions",
        ]
        common.write(tmp_path / "setfit.json", setfit)
        rows = [f for _, f, place in few_shot_figures() if place.endswith(tmp_path.name)]
        assert not any("versions" in figure for figure in rows)
        (tmp_path / "quick.json").write_text(json.dumps(quick))
        (tmp_path / "setfit.json").write_text(json.dumps(setfit))
        rows = [f for _, f, place in few_shot_figures() if place.endswith(tmp_path.name)]
        assert all(figure.endswith("; kept without versions") for figure in rows)

    def test_what_is_saved_by_the_probes_stands_beside_what_is_saved_of_general_text(self):
        from benchmarks.figures import figures

        rows = [f for _, f, place in figures() if place.startswith("quality/results/target_and")]
        assert rows
        assert all("loss on general text" in f and "of the probes" in f for f in rows)
