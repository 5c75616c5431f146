"""An interpolated Kneser-Ney model with modified discounts, for comparison.

The unit is a token of the built-in model's tokenizer; the text is the rows of
tokens that the built-in model has seen. Orders 1 to 5; three discounts for each
order (counts of one, two, three and more), from Chen and Goodman (1999).

An n-gram is known by a number: its place in the sorted list of
``(number of its first n-1 tokens, last token)``. All counting is sorting.
"""

from __future__ import annotations

import numpy as np

Numbers = np.ndarray


class Order:
    """The n-grams of one length: keys, discounted shares, and what is left to shorter ones."""

    def __init__(self, keys: Numbers, counts: Numbers, parents: Numbers, contexts: int) -> None:
        discounts = self._discounts(counts)
        discount = discounts[np.minimum(counts, 3)]
        total = np.bincount(parents, counts, contexts)
        taken = np.bincount(parents, discount, contexts)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.left = np.where(total > 0, taken / total, 1.0).astype(np.float32)
            # What is met only at the beginning of rows has no count: shorter n-grams decide.
            share = (counts - discount) / total[parents]
            self.share = np.where(counts > 0, share, 0.0).astype(np.float32)
        self.keys = keys

    @staticmethod
    def _discounts(counts: Numbers) -> Numbers:
        """Return the discounts of counts 0, 1, 2 and 3 or more."""
        n1, n2, n3, n4 = (max(1, int((counts == k).sum())) for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        return np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])


class KneserNey:
    """Probabilities of tokens after at most four tokens.

    Parameters
    ----------
    rows
        ``[rows, length]`` of tokens; n-grams do not cross rows.
    vocab
        Number of tokens.
    """

    def __init__(self, rows: Numbers, vocab: int, longest: int = 5) -> None:
        self.vocab = vocab
        self.orders: list[Order] = []
        # numbers[i, j]: number of the n-gram that begins at token j of row i.
        numbers = rows.astype(np.int64)
        uniques = np.arange(vocab, dtype=np.int64)
        firsts = np.zeros(0, np.int64)
        for length in range(1, longest + 1):
            if length > 1:
                ahead = rows[:, length - 1 :].astype(np.int64)
                keys = numbers[:, : ahead.shape[1]] * vocab + ahead
                shorter, shorter_keys = numbers, uniques
                uniques, firsts, flat, counts = np.unique(
                    keys, return_index=True, return_inverse=True, return_counts=True
                )
                numbers = flat.reshape(keys.shape)
                # How many different tokens stand before each shorter n-gram.
                row, column = np.divmod(firsts, keys.shape[1])
                before = np.bincount(shorter[row, column + 1], minlength=len(shorter_keys))
                self._add(shorter_keys, before, length - 1)
        self._add(uniques, counts, longest)

    def _add(self, keys: Numbers, counts: Numbers, length: int) -> None:
        parents = keys // self.vocab if length > 1 else np.zeros(len(keys), np.int64)
        contexts = len(self.orders[-1].keys) if length > 1 else 1
        self.orders.append(Order(keys, counts.astype(np.int64), parents, contexts))

    def log_probabilities(self, ids: Numbers) -> Numbers:
        """Return the natural logarithm of each token's probability after the tokens before it."""
        ids = ids.astype(np.int64)
        probability = np.full(len(ids), 1 / self.vocab)
        for length, order in enumerate(self.orders, 1):
            context = np.zeros(len(ids), np.int64)
            if length > 1:
                context = self._context(ids, length - 1)
            known = context >= 0
            keys = context * self.vocab + ids if length > 1 else ids
            place = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            found = known & (order.keys[place] == keys)
            share = np.where(found, order.share[place], 0.0)
            left = np.where(known, order.left[np.maximum(context, 0)], 1.0)
            probability = share + left * probability
        return np.log(probability)

    def _context(self, ids: Numbers, length: int) -> Numbers:
        """Return the number of the ``length`` tokens before each token, -1 where unknown."""
        number = np.full(len(ids), -1, np.int64)
        number[length:] = ids[: len(ids) - length]
        for step in range(1, length):
            order = self.orders[step]
            following = np.zeros(len(ids), np.int64)
            following[length:] = ids[step : len(ids) - length + step]
            keys = number * self.vocab + following
            place = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            number = np.where((number >= 0) & (order.keys[place] == keys), place, -1)
        return number
