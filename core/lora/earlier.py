"""Starts a LoRA from an earlier one, whatever its rank and alpha were.

Works on pairs of matrices; knows nothing about files or models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def refit(
    down: torch.Tensor, up: torch.Tensor, scale: float, rank: int, new_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Down [rank, …] and up [out, rank, …] that give at `new_scale` what the old pair gave at `scale`.

    The same rank keeps the matrices. Another gets the nearest product of that rank, by singular values
    (Eckart & Young 1936), which is exact where the rank grows; the rest of a larger rank starts as in a new
    LoRA: down random, up zero.
    """
    import torch

    if down.shape[0] == rank:
        return down.float(), up.float() * (scale / new_scale)
    left, values, right = torch.linalg.svd(
        up.float().flatten(1) @ down.float().flatten(1), full_matrices=False
    )
    kept = min(rank, down.shape[0], len(values))
    root = (values[:kept] * (scale / new_scale)).sqrt()
    new_down = torch.empty(rank, right.shape[1])
    torch.nn.init.kaiming_uniform_(new_down, a=5**0.5)
    new_up = torch.zeros(left.shape[0], rank)
    new_down[:kept] = root[:, None] * right[:kept]
    new_up[:, :kept] = left[:, :kept] * root
    return new_down.view(rank, *down.shape[1:]), new_up.view(left.shape[0], rank, *up.shape[2:])


def put(parameter: torch.nn.Parameter, values: torch.Tensor) -> None:
    """Copies `values` into a trained parameter."""
    import torch

    with torch.no_grad():
        parameter.copy_(values)
