"""Which rows make an update, and how an update is cut: properties over any lengths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fewtune.data.batches import POOL, Order, chunks

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=80)


def epoch(order, number):
    per = order.updates_per_epoch
    return [order.rows(update) for update in range(number * per, (number + 1) * per)]


@given(LENGTHS, st.integers(1, 100), st.integers(0, 10**6), st.integers(0, 5))
def test_an_epoch_holds_every_row_once(lengths, size, seed, number):
    updates = epoch(Order(lengths, size, seed), number)
    assert sorted(row for rows in updates for row in rows) == list(range(len(lengths)))
    assert all(1 <= len(rows) <= size for rows in updates)
    short = [rows for rows in updates if len(rows) < min(size, len(lengths))]
    assert len(short) <= 1, "only one update of an epoch may be smaller"


@given(LENGTHS, st.integers(1, 20), st.integers(0, 1000), st.lists(st.integers(0, 60), max_size=9))
def test_an_update_is_a_function_of_its_number_alone(lengths, size, seed, asked):
    """Whatever was asked before: a resumed training sees the same rows."""
    once = Order(lengths, size, seed)
    for update in asked:
        assert once.rows(update) == Order(lengths, size, seed).rows(update)


def test_epochs_and_seeds_differ():
    lengths = list(range(1, 41))
    order = Order(lengths, 4, 0)
    assert epoch(order, 0) != epoch(order, 1)
    assert epoch(order, 0) != epoch(Order(lengths, 4, 1), 0)


def test_rows_of_like_length_meet():
    """Padding of an epoch with lengths drawn at random stays well below that of random batches."""
    import random

    draw = random.Random(0)
    lengths = [draw.randint(1, 100) for _ in range(16 * POOL)]

    def padded(batches):
        return sum(max(lengths[i] for i in rows) * len(rows) for rows in batches) / sum(lengths)

    shuffled = list(range(len(lengths)))
    draw.shuffle(shuffled)
    random_batches = [shuffled[i : i + 16] for i in range(0, len(shuffled), 16)]
    assert padded(random_batches) > 1.7
    assert padded(epoch(Order(lengths, 16, 0), 0)) < 1.15


@given(LENGTHS, st.integers(1, 1000), st.integers(0, 10))
def test_chunks_hold_every_row_within_the_budget(lengths, budget, most):
    rows = list(range(len(lengths)))
    batches = list(chunks(rows, lengths, budget, most))
    assert sorted(row for batch in batches for row in batch) == rows
    for batch in batches:
        widest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or widest * len(batch) <= budget
        assert not most or len(batch) <= most


@given(LENGTHS, st.integers(1, 1000))
def test_chunks_are_as_few_as_taking_the_longest_first_allows(lengths, budget):
    """No batch could have taken the first row of the next one."""
    batches = list(chunks(range(len(lengths)), lengths, budget))
    for batch in batches[:-1]:
        widest = max(lengths[row] for row in batch)
        assert widest * (len(batch) + 1) > budget


def test_chunks_of_nothing():
    assert list(chunks([], [], 100)) == []
