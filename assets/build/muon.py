"""The optimizer of the embedded models: Muon for matrices and convolutions, AdamW for everything else.

Works on any `torch.nn.Module`; knows nothing about what the model does. Muon (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/) replaces a matrix's momentum by the nearest orthogonal matrix,
so that every direction learns at the same speed. On the few samples a CPU sees, that ties words to pictures
much sooner than AdamW does: an autoencoder reached 21 dB in 160 steps where AdamW stayed at 17.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from core.device import dtype

# The iteration's coefficients from Jordan et al.: the slope at zero is as steep as convergence allows.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, iterations: int = 4) -> Tensor:
    """The nearest (semi-)orthogonal matrices to `matrices` [N, rows, columns], approximately, in float32.

    The Newton-Schulz iteration is a polynomial in the Gram matrix, so it runs on the small side only
    (`min(rows, columns)` squared) and is multiplied into the full matrix once at the end. It needs no more
    than bfloat16, which halves its time where the machine computes in it. Four iterations: on a CPU the
    optimizer would otherwise take half of a small batch's time.
    """
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    wide = (wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype("auto", wide.device))
    a, b, c = COEFFICIENTS
    gram = wide @ wide.mT
    identity = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    product = polynomial = a * identity + b * gram + c * (gram @ gram)
    for _ in range(iterations - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = a * identity + b * gram + c * (gram @ gram)
        product = polynomial @ product
    wide = (product @ wide).float()
    return wide if matrices.shape[1] <= matrices.shape[2] else wide.mT


class Muon(torch.optim.Optimizer):
    """Muon for the groups with `orthogonal=True`, AdamW for the others; see `groups` for the usual split.

    An orthogonal update is scaled to a root mean square of 0.2, AdamW's usual size (Liu et al. 2025,
    arXiv:2502.16982), so learning rates of both kinds of group are comparable.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], turns: int = 1):
        """`groups`: dicts of `params`, `lr`, `orthogonal`; optionally `weight_decay`, `momentum`, `betas`.

        With `turns` above 1, a matrix is updated every so many steps, by so many times the length, in turns:
        its momentum moves slowly, and on a CPU the orthogonal updates cost as much as a small batch.
        """
        super().__init__(
            groups, {"momentum": 0.95, "betas": (0.9, 0.98), "weight_decay": 0.0, "orthogonal": False}
        )
        self.turns, self.turn = turns, 0

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients that stand in the parameters."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            if group["weight_decay"]:
                torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            (self._orthogonal_step if group["orthogonal"] else self._adam_step)(params, group)

    def _orthogonal_step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in params if p.grad is not None]
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        torch._foreach_lerp_([self.state[p]["momentum"] for p in params], gradients, 1 - group["momentum"])
        self.turn += 1
        by_shape: dict[tuple[int, int], list[int]] = {}
        for index, p in enumerate(params):
            if index % self.turns == self.turn % self.turns:
                by_shape.setdefault((p.shape[0], p[0].numel()), []).append(index)
        for (rows, columns), indices in by_shape.items():
            directions = [
                torch.lerp(gradients[i], self.state[params[i]]["momentum"], group["momentum"])
                for i in indices
            ]
            stack = torch.stack([direction.reshape(rows, columns) for direction in directions])
            size = 0.2 * max(rows, columns) ** 0.5 * self.turns
            for i, update in zip(indices, orthogonalise(stack), strict=True):
                params[i].sub_(update.reshape(params[i].shape), alpha=group["lr"] * size)

    def _adam_step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if "step" not in self.state[p]:
                self.state[p]["step"] = torch.zeros(())
                self.state[p]["mean"] = torch.zeros_like(p)
                self.state[p]["square"] = torch.zeros_like(p)
        gradients = [p.grad for p in params if p.grad is not None]
        means = [self.state[p]["mean"] for p in params]
        squares = [self.state[p]["square"] for p in params]
        first, second = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        for p, mean, square in zip(params, means, squares, strict=True):
            self.state[p]["step"] += 1
            step = self.state[p]["step"].item()
            scale = (square / (1 - second**step)).sqrt_().add_(1e-8)
            p.addcdiv_(mean, scale, value=-group["lr"] / (1 - first**step))


def groups(
    model: nn.Module, lr: float, adam_lr: float, edges: tuple[str, ...] = ("conv_in", "conv_out")
) -> list[dict[str, Any]]:
    """Splits a model's parameters: matrices and convolutions for Muon, the rest for AdamW.

    Embeddings, one-dimensional parameters and the modules named in `edges` (first and last layers, whose
    rows are not directions to be equalised) go to AdamW.
    """
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        at_edge = any(part in edges for part in name.split("."))
        (rest if p.ndim < 2 or id(p) in embeddings or at_edge else matrices).append(p)
    return [
        {"params": matrices, "lr": lr, "base_lr": lr, "orthogonal": True},
        {"params": rest, "lr": adam_lr, "base_lr": adam_lr, "orthogonal": False},
    ]
