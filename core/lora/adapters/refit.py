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

    The same rank keeps the matrices; another gets the nearest product, exact where the rank grows.
    """
    if down.shape[0] == rank:
        return down.float(), up.float() * (scale / new_scale)
    product = up.float().flatten(1) @ down.float().flatten(1)
    new_down, new_up = nearest(product * (scale / new_scale), rank, down.shape[0])
    return new_down.view(rank, *down.shape[1:]), new_up.view(len(up), rank, *up.shape[2:])


def nearest(matrix: torch.Tensor, rank: int, most: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Down [rank, in] and up [out, rank] whose product is as near to `matrix` [out, in] as that rank can be.

    By singular values (Eckart & Young 1936). most: the matrix's own rank, where it is known; what is left of
    a larger `rank` starts as in a new LoRA: down random, up zero.
    """
    import torch

    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    kept = min(rank, most or rank, len(values))
    root = values[:kept].sqrt()
    down = torch.empty(rank, right.shape[1])
    torch.nn.init.kaiming_uniform_(down, a=5**0.5)
    up = torch.zeros(left.shape[0], rank)
    down[:kept] = root[:, None] * right[:kept]
    up[:, :kept] = left[:, :kept] * root
    return down, up


def put(parameter: torch.nn.Parameter, values: torch.Tensor) -> None:
    """Copies `values` into a trained parameter."""
    import torch

    with torch.no_grad():
        parameter.copy_(values)
