"""Two optimizers in one object: Muon for the layers' matrices, Adam for the rest.

Weights that take part in products are bf16; their float32 originals live here.
Muon (K. Jordan, 2024; scaled as in arXiv 2502.16982): the momentum of each
matrix is replaced by the nearest matrix with all singular values about one,
found with five Newton-Schulz steps on all matrices of a size at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """Return the stack ``[n, rows, columns]`` (rows <= columns) with near-unit singular values."""
    a, b, c = NEWTON_SCHULZ
    x = stack.bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = a * x + torch.bmm(b * gram + c * torch.bmm(gram, gram), x)
    return x


class Optimizer:
    """Float32 originals, momenta and one step of both optimizers.

    Parameters
    ----------
    model
        Its two-dimensional weights are turned to bf16 in place.
    splits
        Weight name ending -> row counts of the matrices stacked in that weight.
    matrix_rate, other_rate
        Peak rates of Muon and of Adam.
    """

    momentum = 0.95
    betas = (0.9, 0.95)

    def __init__(
        self,
        model: nn.Module,
        splits: dict[str, list[int]],
        matrix_rate: float,
        other_rate: float,
    ) -> None:
        self.rates = (matrix_rate, other_rate)
        self.weights = dict(model.named_parameters())
        self.originals = {name: w.detach().float().clone() for name, w in self.weights.items()}
        self.first = {name: torch.zeros_like(w) for name, w in self.originals.items()}
        self.second: dict[str, Tensor] = {}
        self.groups: dict[tuple[int, int], list[tuple[str, int, int]]] = {}
        for name, weight in self.weights.items():
            if weight.ndim == 2 and ".blocks." in f".{name}":
                self._plan(name, weight, splits)
            else:
                self.second[name] = torch.zeros_like(self.originals[name])
            if weight.ndim == 2:
                weight.data = weight.data.bfloat16()

    def _plan(self, name: str, weight: Tensor, splits: dict[str, list[int]]) -> None:
        """Note where the matrices of a stacked weight begin and end, by size."""
        start = 0
        for rows in splits.get(name.rsplit(".", 1)[-1], [weight.shape[0]]):
            size = (min(rows, weight.shape[1]), max(rows, weight.shape[1]))
            self.groups.setdefault(size, []).append((name, start, start + rows))
            start += rows

    @torch.no_grad()
    def step(self, number: int, scale: float) -> None:
        """Take update ``number`` (from 1) at ``scale`` times the peak rates; clear gradients."""
        for size, parts in self.groups.items():
            self._muon(size, parts, self.rates[0] * scale)
        for name in self.second:
            self._adam(name, number, self.rates[1] * scale)
        for name, weight in self.weights.items():
            weight.data.copy_(self.originals[name])
            weight.grad = None

    def _muon(self, size: tuple[int, int], parts: list[tuple[str, int, int]], rate: float) -> None:
        moved = []
        for name, start, stop in parts:
            grad = self.weights[name].grad
            assert grad is not None
            slow = self.first[name][start:stop]
            slow.lerp_(grad[start:stop].float(), 1 - self.momentum)
            ahead = grad[start:stop].float().lerp(slow, self.momentum)
            moved.append(ahead if ahead.shape[0] <= ahead.shape[1] else ahead.t())
        steps = orthogonalise(torch.stack(moved)).float()
        # The factor gives every matrix the update size that Adam would give.
        factor = rate * 0.2 * size[1] ** 0.5
        for (name, start, stop), step in zip(parts, steps, strict=True):
            target = self.originals[name][start:stop]
            target.sub_(step if step.shape == target.shape else step.t(), alpha=factor)

    def _adam(self, name: str, number: int, rate: float) -> None:
        grad = self.weights[name].grad
        assert grad is not None
        fast, slow = self.betas
        first = self.first[name].lerp_(grad.float(), 1 - fast)
        second = self.second[name].lerp_(grad.float().square(), 1 - slow)
        spread = (second / (1 - slow**number)).sqrt_().add_(1e-10)
        self.originals[name].addcdiv_(first, spread, value=-rate / (1 - fast**number))

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that a later sitting needs."""
        parts = {"weight": self.originals, "first": self.first, "second": self.second}
        return {f"{part}/{name}": t for part, ts in parts.items() for name, t in ts.items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Take back what :meth:`state` gave."""
        for key, tensor in self.state().items():
            tensor.copy_(state[key])
        for name, weight in self.weights.items():
            weight.data.copy_(self.originals[name])
