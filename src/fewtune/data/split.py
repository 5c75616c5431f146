"""Which rows train, choose and judge, so that nothing leaks and old test rows stay test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fewtune.data.certificate import certify_split
from fewtune.data.dealing import TEST, TRAIN, VALIDATION, Dealer
from fewtune.data.units import Units, link_rows
from fewtune.data.variations import may_judge, say_left_out, without_originals
from fewtune.errors import DataError, PlanError
from fewtune.records import Dataset, Split

__all__ = ["split"]

LARGE = 1.5
"""Times validation's share from which on a unit is too large for it."""


def split(
    dataset: Dataset,
    *,
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
    by_time: bool = False,
    given_test: Dataset | None = None,
    given_validation: Dataset | None = None,
    certify: bool = False,
) -> Split:
    """Return which rows train, which choose and which judge, with a certificate.

    Near-duplicates, equal inputs, rows of one group and a row with its variations stay together.
    Variations train and never judge: those of a row that validates or tests are in no part, unless
    the data has nothing else. Labels are spread evenly; the
    first independent row of each label trains, so that no label is only in test.

    Rows are dealt out in file order, each by a draw from its own content, which is overruled only
    where a part has run a row ahead of its share or behind it, within the label or, more loosely,
    over all. So a data set with rows appended is split as before up to the new rows, and **an old
    test row stays a test row**. A new row that is near to two old ones in different parts joins
    them, and the whole moves to test if one was there, else to validation. The price: parts are
    within a row or two of their shares for each label, not exact; the size of a large group is not
    known when its first row is dealt; and a cluster that grew together is in test more often than
    a lone row. Three things come before stability: where large units leave validation far from its
    share, units move between it and training; a label without a training row takes one back; and a
    part that would be empty takes the last row that training can spare.

    Parameters
    ----------
    dataset
        The rows.
    test, validation
        Shares of the rows, from 0 to below 1. With ``given_test`` the first, with
        ``given_validation`` the second is taken as 0.
    seed
        Another seed gives another split.
    by_time
        Test on the newest rows and validate on the next newest: no training row is newer than any
        test cluster. Not stable when rows are appended, by its nature.
    given_test, given_validation
        Rows that the user keeps in files of their own. The certificate counts near-duplicates and
        groups that cross to them.
    certify
        Also measure what a random split would have claimed, in about two seconds.

    Raises
    ------
    PlanError
        If the shares leave nothing to train on.
    DataError
        If there are too few independent rows for the parts, or times are missing.
    """
    shares = _check_shares(
        0.0 if given_test is not None else test,
        0.0 if given_validation is not None else validation,
    )
    units = link_rows(dataset)
    if by_time:
        parts = _by_time(dataset, units, shares)
    else:
        parts = _deal(dataset, units, shares, seed)
        _even_validation(units, parts, shares)
    judges = may_judge(dataset)
    alone = without_originals(units, judges)
    _move(alone, parts, TRAIN)
    _keep_labels_in_training(dataset, units, parts)
    _fill_empty_parts(dataset, units, parts, shares, judges)
    left_out, sentences = say_left_out(parts, judges, alone)
    certificate = certify_split(
        dataset,
        units,
        parts,
        seed,
        [d for d in (given_test, given_validation) if d],
        certify,
        sentences,
    )
    nowhere = set(left_out)
    chosen = [
        tuple(r for r, p in enumerate(parts) if p == part and r not in nowhere) for part in range(3)
    ]
    return Split(chosen[TRAIN], chosen[VALIDATION], chosen[TEST], certificate)


def _check_shares(test: float, validation: float) -> tuple[float, float, float]:
    for name, share in (("test", test), ("validation", validation)):
        if not 0 <= share < 1:
            raise PlanError("a share from 0 to below 1", f"{share}", name, "Write 20% as 0.2")
    if test + validation >= 1:
        raise PlanError(
            "shares that leave rows to train on",
            f"test {test} and validation {validation}",
            cure="Lower one of them",
        )
    return 1 - test - validation, validation, test


def _deal(dataset: Dataset, units: Units, shares: Sequence[float], seed: int) -> list[int]:
    """Return the part of each row; see ``split`` for the rule."""
    dealer = Dealer(shares, seed)
    labels = units.labels
    unit_of: list[int] = []
    members: dict[int, list[int]] = {}
    part_of: dict[int, int] = {}
    for row in range(len(dataset)):
        near = sorted({unit_of[earlier] for earlier in units.links[row]})
        if not near:
            members[row], part_of[row] = [], dealer.choose(labels[row], units.anchor(row))
            near = [row]
        home = near[0]
        part = max(part_of[unit] for unit in near)
        for unit in near:
            if part_of[unit] != part:
                for member in members[unit]:
                    dealer.move(labels[member], part_of[unit], part)
                part_of[unit] = part
            if unit != home:
                for member in members[unit]:
                    unit_of[member] = home
                members[home] += members.pop(unit)
        unit_of.append(home)
        members[home].append(row)
        dealer.take(labels[row], part)
    return [part_of[unit] for unit in unit_of]


def _by_time(dataset: Dataset, units: Units, shares: Sequence[float]) -> list[int]:
    """Return the part of each row, the newest units in test."""
    missing = [e.source for e in dataset if not e.time]
    if missing:
        raise DataError(
            "a time in each row, to split by time",
            f"{len(missing):,} rows without",
            missing[0],
            "Add a column time with ISO dates, or name it with --columns time=…",
        )
    newest = sorted(
        units.members(),
        key=lambda rows: (max(dataset[row].time for row in rows), max(rows)),
        reverse=True,
    )
    parts = [TRAIN] * len(dataset)
    placed: float = 0
    for rows in newest:
        # A unit is where its middle row falls, so that the shares are met as nearly as they can.
        middle = (placed + len(rows) / 2) / len(dataset)
        part = TEST if middle < shares[TEST] else VALIDATION
        part = part if middle < shares[TEST] + shares[VALIDATION] else TRAIN
        for row in rows:
            parts[row] = part
        placed += len(rows)
    return parts


def _even_validation(units: Units, parts: list[int], shares: Sequence[float]) -> None:
    """Have validation hold about its share where rows come in large units.

    How large a unit would be nobody knew when its first row was dealt. One that is far more than
    validation's whole share trains; where validation has less than half of its share, units of
    training join it, the largest first, as long as each brings it nearer. Test is left as it is:
    whoever has compared versions on old test rows goes on with them.
    """
    share = shares[VALIDATION] * len(parts)
    most = max(1, LARGE * share)
    for rows in units.members():
        if parts[rows[0]] == VALIDATION and len(rows) > most:
            _move(rows, parts, TRAIN)
    room = share - parts.count(VALIDATION)
    if not 0 < share / 2 < room:
        return
    for rows in sorted(units.members(), key=lambda rows: (-len(rows), rows[0])):
        if parts[rows[0]] == TRAIN and len(rows) <= most and len(rows) < 2 * room:
            _move(rows, parts, VALIDATION)
            room -= len(rows)


def _keep_labels_in_training(dataset: Dataset, units: Units, parts: list[int]) -> None:
    """Move the first unit of each label without training rows to training."""
    labels = units.labels
    trained = {labels[row] for row, part in enumerate(parts) if part == TRAIN}
    for row, label in enumerate(labels):
        if label not in trained:
            _move(units.unit_of(row), parts, TRAIN)
            trained |= {labels[member] for member in units.unit_of(row)}


def _move(rows: Iterable[int], parts: list[int], part: int) -> None:
    for row in rows:
        parts[row] = part


def _fill_empty_parts(
    dataset: Dataset,
    units: Units,
    parts: list[int],
    shares: Sequence[float],
    judges: Sequence[bool],
) -> None:
    """Give an empty part the last training unit that its labels can spare."""
    for part in (VALIDATION, TEST):
        if shares[part] == 0 or part in parts:
            continue
        training = Counter(units.labels[row] for row, p in enumerate(parts) if p == TRAIN)
        for rows in sorted(units.members(), key=lambda rows: (len(rows), -rows[0])):
            held = Counter(units.labels[row] for row in rows)
            spare = all(training[x] > held[x] for x in held)
            if parts[rows[0]] == TRAIN and spare and any(judges[row] for row in rows):
                _move(rows, parts, part)
                break
        else:
            raise _too_few(dataset, units, shares)


def _unlike(dataset: Dataset) -> str:
    """Return how new rows have to differ from these, which are tied to each other."""
    if len({e.group for e in dataset}) < len(dataset) / 2 and all(e.group for e in dataset):
        return "of other groups"
    if len({e.identity for e in dataset}) < len({e.fingerprint for e in dataset}) / 2:
        return "with other inputs"
    return "that are no copies of each other"


def _too_few(dataset: Dataset, units: Units, shares: Sequence[float]) -> DataError:
    needed = sum(share > 0 for share in shares)
    labelled = bool(dataset.labels)
    which = " of which a label has two or more" if labelled else ""
    count = len(units.members())
    got = f"{len(dataset)} rows, {count} of them independent"
    if labelled:
        got += f", in {len(dataset.labels)} labels"
    return DataError(
        f"at least {max(needed, 10)} rows to split, {needed} of them independent{which}",
        got,
        dataset.name,
        f"Add rows {_unlike(dataset)}, or give the other parts in files of their own",
    )
