"""Muon: momentum whose update is made (nearly) orthogonal, for the matrices of the network.

Keller Jordan's optimiser (https://kellerjordan.github.io/posts/muon/), as ``torch.optim.Muon`` has it. Here matrices of
one shape are stacked, and every worker makes its share of a stack orthogonal: one after the other they cost a third of
a training step on a CPU, and far more on a busy one.
"""
from __future__ import annotations

import torch
import torch.distributed as dist


def orthogonal(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration on a stack of matrices (n, rows, columns), rows <= columns."""
    x = g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315) @ x
    return x


def wide(x: torch.Tensor) -> torch.Tensor:
    return x if x.shape[0] <= x.shape[1] else x.T


class Muon:
    """The matrices ``params``; ``rank`` of ``ranks`` workers, all of which hold the same weights and gradients."""

    def __init__(self, params, lr: float, rank: int = 0, ranks: int = 1, weight_decay: float = 0.01, momentum: float = 0.95):
        self.lr, self.rank, self.ranks, self.decay, self.momentum = lr, rank, ranks, weight_decay, momentum
        shapes: dict = {}
        for p in params:
            shapes.setdefault(tuple(wide(p).shape), []).append(p)
        self.stacks = [(small, torch.zeros(len(small), *shape)) for shape, small in shapes.items()]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One step at ``scale`` times the learning rate."""
        lr = self.lr * scale
        for small, momentum in self.stacks:
            grads = torch.stack([wide(p.grad) for p in small])
            momentum.lerp_(grads, 1 - self.momentum)
            updates = self.shared(torch.lerp(grads, momentum, self.momentum))
            for p, u in zip(small, updates):
                rows, columns = p.shape
                p.mul_(1 - lr * self.decay).add_(u if rows <= columns else u.T, alpha=-lr * max(1.0, rows / columns) ** 0.5)

    def shared(self, stack: torch.Tensor) -> torch.Tensor:
        if self.ranks == 1:
            return orthogonal(stack)
        each = -(-len(stack) // self.ranks)
        mine = torch.zeros(each, *stack.shape[1:])
        part = stack[self.rank * each:(self.rank + 1) * each]
        if len(part):
            mine[:len(part)] = orthogonal(part)
        parts = [torch.empty_like(mine) for _ in range(self.ranks)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)[:len(stack)]
