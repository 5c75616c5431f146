"""Splits that cannot leak, are spread evenly, and stay as they are when rows are appended."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fewtune.data import certificate
from fewtune.data.folds import folds
from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.data.units import Units, link_rows
from fewtune.errors import DataError, PlanError
from fewtune.records import Dataset, Example, Message, Split

WORDS = [
    a + b + c
    for a in ("bra", "klo", "dru", "spe", "wim")
    for b in "lmnrst"
    for c in ("ak", "ed", "ig", "op", "ux")
]


def text(number: int) -> str:
    """Return a sentence of five words that no other number shares more than one of by chance."""
    rng = random.Random(number)
    return " ".join(rng.sample(WORDS, 5))


def noise(number: int) -> Image.Image:
    """Return a small picture that is like no other number's."""
    colours = random.Random(number).randbytes(12 * 12 * 3)
    return Image.frombytes("RGB", (12, 12), colours)


def labelled(count: int, labels: int = 2, **fields: object) -> Dataset:
    rows = [Example(text(n), f"c{n % labels}", f"a.csv:{n + 2}") for n in range(count)]
    return Dataset(tuple(replace(row, **fields) for row in rows), "labelled_text", "a.csv")


def parts_of(found: Split) -> dict[int, str]:
    named = (("train", found.train), ("validation", found.validation), ("test", found.test))
    return {row: name for name, rows in named for row in rows}


def check_whole(dataset: Dataset, found: Split) -> None:
    """Every row is in one part; what belongs together is in one part."""
    rows = [*found.train, *found.validation, *found.test]
    assert sorted(rows) == list(range(len(dataset)))
    part = parts_of(found)
    for unit in link_rows(dataset).members():
        assert len({part[row] for row in unit}) == 1
    for rows_of_part in (found.train, found.validation, found.test):
        assert list(rows_of_part) == sorted(rows_of_part)
    if dataset.labels:
        trained = {dataset[row].target for row in found.train}
        assert trained == set(dataset.labels)


@pytest.mark.parametrize(("count", "labels"), [(10, 2), (12, 3), (60, 5), (500, 10), (500, 77)])
def test_shares_are_met_within_each_label(count: int, labels: int) -> None:
    data = labelled(count, labels)
    found = split(data)
    check_whole(data, found)
    for rows in (found.validation, found.test):
        assert abs(len(rows) - 0.2 * count) <= 4
        held = Counter(data[row].target for row in rows)
        for label, total in Counter(e.target for e in data).items():
            assert abs(held[label] - 0.2 * total) <= 1.5


def test_another_seed_gives_another_split_and_the_same_the_same() -> None:
    data = labelled(100)
    assert split(data) == split(data)
    assert split(data, seed=1).test != split(data).test


def test_near_duplicates_groups_and_equal_inputs_stay_together() -> None:
    rows = list(labelled(120, 3))
    rows[40] = replace(rows[40], input=rows[3].input.upper() + "!")
    rows[77] = replace(rows[77], input=" ".join(reversed(rows[3].input.split())))
    for row in (5, 60, 100):
        rows[row] = replace(rows[row], group="caller 7")
    data = Dataset(tuple(rows), "labelled_text", "a.csv")
    for seed in range(8):
        found = split(data, seed=seed)
        check_whole(data, found)
        part = parts_of(found)
        assert part[3] == part[40] == part[77]
        assert part[5] == part[60] == part[100]
        assert found.certificate.crossing == 0
        assert found.certificate.clusters == 1
        assert found.certificate.groups == 1
    # Six pairs belong together; each crosses with probability 1 - (0.6² + 0.2² + 0.2²) = 0.56.
    crossing = [split(data, seed=seed).certificate.crossing_random for seed in range(40)]
    assert sum(crossing) / 40 == pytest.approx(6 * 0.56, abs=0.6)


@pytest.mark.parametrize("labels", [1, 4, 40])
def test_old_rows_stay_where_they_are_when_rows_are_appended(labels: int) -> None:
    data = labelled(400, labels)
    for size in (50, 200, 399):
        part = parts_of(split(replace(data, examples=data.examples[:size])))
        later = parts_of(split(data))
        assert all(later[row] == name for row, name in part.items())


def test_a_copy_of_a_test_row_joins_it_in_test() -> None:
    data = labelled(60, 2)
    old = split(data)
    row = old.test[0]
    bridge = replace(data[row], input=data[row].input.title(), source="a.csv:900")
    grown = replace(data, examples=(*data.examples, bridge))
    assert set(old.test) | {60} <= set(split(grown).test)


def test_a_row_that_joins_test_and_training_takes_both_to_test() -> None:
    rows = [replace(row, group=f"g{n}") for n, row in enumerate(labelled(60, 2))]
    data = Dataset(tuple(rows), "labelled_text", "a.csv")
    old = split(data)
    judged = old.test[0]
    trained = next(row for row in old.train[10:] if data[row].target == data[judged].target)
    bridge = replace(data[judged], group=data[trained].group, source="a.csv:900")
    grown = Dataset((*rows, bridge), "labelled_text", "a.csv")
    now = set(split(grown).test)
    assert set(old.test) <= now
    assert {trained, 60} <= now


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 6)),
        min_size=12,
        max_size=40,
    ),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_whatever_the_rows_nothing_leaks_and_every_label_is_trained(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    examples = tuple(
        Example(text(n), f"c{label}", f"a.csv:{i}", group=f"g{group}" if group else "")
        for i, (n, label, group) in enumerate(rows)
    )
    data = Dataset(examples, "labelled_text", "a.csv")
    try:
        found = split(data, seed=seed)
    except DataError as error:
        assert "independent" in str(error)
        return
    check_whole(data, found)
    assert found.validation
    assert found.test


def test_the_newest_rows_are_the_test() -> None:
    rows = [replace(row, time=f"2025-01-{30 - n:02d}") for n, row in enumerate(labelled(20, 2))]
    data = Dataset(tuple(rows), "labelled_text", "a.csv")
    found = split(data, by_time=True)
    assert found.test == (0, 1, 2, 3)
    assert found.validation == (4, 5, 6, 7)
    undated = replace(
        data, examples=(*data.examples[:5], replace(data[5], time=""), *data.examples[6:])
    )
    with pytest.raises(DataError, match=r"1 rows without \(a\.csv:7\)"):
        split(undated, by_time=True)


def test_a_test_file_of_its_own() -> None:
    data = labelled(50, 2)
    copy = replace(data[4], input=data[4].input.upper(), source="t.csv:2")
    other = Dataset(
        (copy, Example("quite another thing", "c0", "t.csv:3")), "labelled_text", "t.csv"
    )
    found = split(data, given_test=other)
    assert found.test == ()
    assert len(found.train) + len(found.validation) == 50
    assert abs(len(found.validation) - 10) <= 2
    assert found.certificate.crossing == 1
    both = split(data, given_test=other, given_validation=other)
    assert both.train == tuple(range(50))


@pytest.mark.parametrize("count", [10, 11, 15])
def test_ten_rows_are_enough(count: int) -> None:
    for labels in (1, 2, 3):
        found = split(labelled(count, labels))
        assert found.train
        assert found.validation
        assert found.test


@pytest.mark.parametrize(
    "data",
    [
        labelled(2, 1),
        labelled(3, 3),
        labelled(30, 30),
        labelled(30, 2, input="always the same words"),
        labelled(30, 2, group="one"),
    ],
)
def test_too_few_independent_rows_are_an_error_that_says_how_many(data: Dataset) -> None:
    with pytest.raises(DataError, match="at least 10 rows to split, 3 of them independent"):
        split(data)


@pytest.mark.parametrize("seed", range(8))
def test_half_of_the_rows_in_one_group_do_not_all_validate(seed: int) -> None:
    """Of 60 rows 30 are of one group and the others of groups of 5; a fifth is 12 rows."""
    rows = [
        Example(text(n), "c", f"a.csv:{n + 2}", group="large" if n % 2 else f"g{n // 10}")
        for n in range(60)
    ]
    found = split(Dataset(tuple(rows), "prompt", "a.csv"), seed=seed)
    assert not set(range(1, 60, 2)) & set(found.validation)
    assert 5 <= len(found.validation) <= 15


@pytest.mark.parametrize("seed", range(8))
def test_a_few_large_groups_leave_more_than_a_row_to_choose_by(seed: int) -> None:
    """Groups of 22, 12, 11, 4 and 1 of 50 rows: nearest to a fifth are 12, 11, or 4 with others."""
    sizes = (22, 12, 11, 4, 1)
    groups = [name for name, size in zip("abcde", sizes, strict=True) for _ in range(size)]
    random.Random(seed).shuffle(groups)
    rows = [Example(text(n), "c", f"a.csv:{n}", group=group) for n, group in enumerate(groups)]
    found = split(Dataset(tuple(rows), "prompt", "a.csv"), test=0, seed=seed)
    assert 5 <= len(found.validation) <= 16
    assert len(found.train) >= 34


@pytest.mark.parametrize(
    "shares", [{"test": 1.0}, {"test": -0.1}, {"test": 0.5, "validation": 0.5}]
)
def test_shares_that_leave_nothing(shares: dict[str, float]) -> None:
    with pytest.raises(PlanError):
        split(labelled(50), **shares)  # type: ignore[arg-type]


def test_one_label_with_one_row_trains() -> None:
    rows = [*labelled(40, 2), Example("a lonely row of its own", "rare", "a.csv:99")]
    found = split(Dataset(tuple(rows), "labelled_text", "a.csv"))
    assert 40 in found.train


def test_chats_are_compared_without_their_system_prompt() -> None:
    def chat(n: int, said: str) -> Example:
        turns = (
            Message("system", "You are the assistant of a clinic and always polite."),
            Message("user", said),
            Message("assistant", "Yes."),
        )
        return Example("user: " + said, "Yes.", f"a.jsonl:{n}", messages=turns)

    rows = [chat(n, text(n)) for n in range(30)]
    assert split(Dataset(tuple(rows), "chat", "a.jsonl")).certificate.clusters == 0
    rows.append(chat(30, text(4).upper()))
    assert split(Dataset(tuple(rows), "chat", "a.jsonl")).certificate.clusters == 1


def test_a_folder_of_images_is_split_alike_wherever_it_lies(tmp_path: Path) -> None:
    found = []
    for place in (tmp_path / "here", tmp_path / "elsewhere" / "deeper"):
        for n in range(40):
            path = place / f"c{n % 2}" / f"{n:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(n).save(path)
        found.append(split(load(place)))
    assert found[0].validation == found[1].validation
    assert found[0].test == found[1].test


def test_equal_images_stay_together(tmp_path: Path) -> None:
    for n in range(20):
        path = tmp_path / f"c{n // 10}" / f"{n:02}.png"
        path.parent.mkdir(exist_ok=True)
        noise(n % 15).save(path)
    found = split(load(tmp_path))
    part = parts_of(found)
    assert all(part[n] == part[n + 15] for n in range(5))


def test_the_probe_sees_what_a_random_split_claims() -> None:
    # Twenty sentences, each ten times with another name: copies make a random split look good.
    rng = random.Random(0)
    rows = [
        Example(f"{text(n)} {text(n + 500)}", f"c{rng.randrange(2)}", f"a.csv:{n}", group=f"g{n}")
        for n in range(40)
    ]
    copies = [
        replace(row, input=row.input + " " + WORDS[k], source=f"{row.source}/{k}")
        for row in rows
        for k in range(10)
    ]
    data = Dataset(tuple(copies), "labelled_text", "a.csv")
    claimed = split(data, certify=True).certificate.claimed
    assert claimed > 20  # labels are coin flips: what is above half is leaked
    assert split(data).certificate.claimed is None


@pytest.mark.parametrize("k", [2, 5])
def test_folds_are_whole_even_and_keep_units_together(k: int) -> None:
    rows = list(labelled(103, 4))
    rows[90] = replace(rows[90], input=rows[2].input.upper())
    data = Dataset(tuple(rows), "labelled_text", "a.csv")
    found = folds(data, k)
    assert sorted(row for fold in found for row in fold) == list(range(103))
    assert found == folds(data, k)
    assert found != folds(data, k, seed=1)
    assert len({fold for fold in found for row in (2, 90) if row in fold}) == 1
    for label, total in Counter(e.target for e in data).items():
        for fold in found:
            assert abs(sum(data[row].target == label for row in fold) - total / k) <= 1.5


def test_folds_of_some_rows() -> None:
    data = labelled(60, 3)
    chosen = [n for n in range(60) if n % 4]
    found = folds(data, 3, rows=chosen)
    assert sorted(row for fold in found for row in fold) == chosen


def test_folds_that_cannot_be() -> None:
    with pytest.raises(PlanError):
        folds(labelled(20), 1)
    with pytest.raises(DataError, match="1 of them independent"):
        folds(labelled(20, 2, group="one"), 2)


def test_fewer_folds_do_where_rows_are_few() -> None:
    """Three groups are three folds at most; one group is still none."""
    rows = [replace(row, group=f"g{n % 3}") for n, row in enumerate(labelled(30))]
    data = Dataset(tuple(rows), "labelled_text", "a.csv")
    assert len(folds(data, 5, fewer=True)) == 3
    assert len(folds(data, 2, fewer=True)) == 2
    with pytest.raises(DataError, match="3 of them independent"):
        folds(data, 5)
    with pytest.raises(DataError, match="1 of them independent"):
        folds(labelled(20, 2, group="one"), 5, fewer=True)


def test_e2e_prompts_stay_together(shared: Path) -> None:
    data = load(shared / "data/e2e/devset.csv")
    found = split(data)
    part = parts_of(found)
    sides: dict[str, set[str]] = {}
    for row, example in enumerate(data):
        sides.setdefault(example.input, set()).add(part[row])
    assert len(sides) == 547
    assert all(len(side) == 1 for side in sides.values())
    assert abs(len(found.test) / len(data) - 0.2) < 0.02


def _pictures(folder: Path, start: int = 0) -> Dataset:
    """Return 20 pictures of random spots, each four times as bright as one likes."""
    import numpy as np
    from PIL import ImageEnhance

    draw = np.random.default_rng(start)
    rows = []
    folder.mkdir()
    for n in range(20):
        spots = Image.fromarray(draw.integers(0, 200, (7, 7, 3), dtype=np.uint8))
        picture = spots.resize((48, 48), Image.Resampling.BICUBIC)
        for k in range(4):
            path = folder / f"{n}-{k}.png"
            ImageEnhance.Brightness(picture).enhance(1 + 0.1 * k).save(path)
            rows.append(Example(str(path), "ab"[n % 2], str(path)))
    return Dataset(tuple(rows), "labelled_image", str(folder))


def test_a_random_split_of_copied_images_claims_too_much(tmp_path: Path) -> None:
    found = split(_pictures(tmp_path / "one"), certify=True).certificate
    assert (found.clusters, found.crossing) == (20, 0)
    # Spots say nothing of the label, so that only a copy on the other side does.
    assert found.claimed is not None and found.claimed > 20
    better = f"would have made a fast probe look {found.claimed:.1f} points of accuracy better."
    assert found.sentences[-1] == f"A random split {better}"


def test_images_that_cross_to_a_given_test_are_counted(tmp_path: Path) -> None:
    data, other = _pictures(tmp_path / "one"), _pictures(tmp_path / "two", 7)
    assert split(data, given_test=other).certificate.crossing == 0
    leaky = Dataset((*other.examples, data[5]), "labelled_image", "two")
    assert split(data, given_test=leaky).certificate.crossing == 4


def test_a_certificate_counts_in_words_and_leaves_out_what_there_is_none_of():
    def told(clusters: int, groups: int, crossing: int) -> tuple[str, ...]:
        units = Units((), (), (), clusters, groups)
        return certificate._sentences(units, crossing, 1.0, None, given=True)

    assert told(1, 2, 1)[0] == "Kept together: 1 cluster of near-duplicates and 2 groups."
    assert told(1, 2, 1)[1] == "1 pair of rows crosses to the files given for test."
    assert told(0, 0, 2)[0] == "2 pairs of rows cross to the files given for test."
    assert told(0, 0, 2)[1] == "A random split would have let 1 pair cross."
    unseen = certificate._sentences(Units((), (), (), 0, 0), 0, 0.0, -13.3, given=False)
    assert unseen[-1] == (
        "A random split would not have made a fast probe look better (-13.3 points)."
    )
