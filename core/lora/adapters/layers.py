"""What a LoRA file holds for one module, in each of its kinds, and what that adds to the module's weight.

Names and shapes are sd-scripts' (LoRA) and LyCORIS' (LoHa, LoKr). The scale of an addition is alpha / rank
in AUTOMATIC1111, ComfyUI and LyCORIS alike. They take the rank from `hada_w1_b`, and from
`lokr_w2_b`, else `lokr_w1_b`; where both of LoKr's matrices are whole the scale is 1, whatever alpha says.
Knows nothing about files, models or training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from core.weights import addable

if TYPE_CHECKING:
    import torch

LEAST_LENGTH = 1e-30  # a row of zeros has no direction
Parts: TypeAlias = "Mapping[str, torch.Tensor]"  # one module's tensors by the ends of their names in a file


class Layer(Protocol):
    """One module's addition; `dora_scale` is DoRA's magnitude, [out], [out, 1, …] or by column [1, in, …]."""

    @property
    def alpha(self) -> float:
        """As it stands in a file."""

    @property
    def dora_scale(self) -> torch.Tensor | None:
        """None where the addition has no lengths of its own."""

    @property
    def rank(self) -> int:
        """The rank that alpha is divided by; 0: alpha counts for nothing."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the addition: out and in·k·k."""

    def delta(self) -> torch.Tensor:
        """What is added to the module's weight at weight 1, in fp32, flattened to [out, in·k·k]."""

    def parts(self) -> dict[str, torch.Tensor]:
        """Its tensors by the ends of their names in a file, without alpha and dora_scale."""


@dataclass(frozen=True)
class Lora:
    """down [r, in, …] and up [out, r, …]; `mid` [r, r, k, k] stands between them in some convolutions."""

    down: torch.Tensor
    up: torch.Tensor
    alpha: float
    mid: torch.Tensor | None = None
    dora_scale: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """Rows of `down`."""
        return self.down.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Rows of `up`, columns of `down`."""
        return self.up.shape[0], self.down[0].numel() * (1 if self.mid is None else self.mid[0, 0].numel())

    def delta(self) -> torch.Tensor:
        """Up · down at scale."""
        down, up = self.down.float().flatten(1), self.up.float().flatten(1)
        product = up @ down if self.mid is None else _tucker(self.mid, up.T, down)
        return product * (self.alpha / self.rank)

    def parts(self) -> dict[str, torch.Tensor]:
        """Under sd-scripts' names."""
        found = {"lora_down.weight": self.down, "lora_up.weight": self.up, "lora_mid.weight": self.mid}
        return {name: tensor for name, tensor in found.items() if tensor is not None}


@dataclass(frozen=True)
class Loha:
    """Two low-rank matrices multiplied number by number (FedPara, Hyeon-Woo 2021), with rank up to r².

    a [out, r] and b [r, in·k·k]; in Tucker form a [r, out], t [r, r, k, k] and b [r, in].
    """

    hada_w1_a: torch.Tensor
    hada_w1_b: torch.Tensor
    hada_w2_a: torch.Tensor
    hada_w2_b: torch.Tensor
    alpha: float
    hada_t1: torch.Tensor | None = None
    hada_t2: torch.Tensor | None = None
    dora_scale: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """Rows of `hada_w1_b`."""
        return self.hada_w1_b.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """That of the first of its two matrices."""
        return _size(self.hada_w1_a, self.hada_w1_b, self.hada_t1)

    def delta(self) -> torch.Tensor:
        """The product of the two at scale."""
        first = _product(self.hada_w1_a, self.hada_w1_b, self.hada_t1)
        return first * _product(self.hada_w2_a, self.hada_w2_b, self.hada_t2) * (self.alpha / self.rank)

    def parts(self) -> dict[str, torch.Tensor]:
        """Under LyCORIS' names."""
        return _parts(self)


@dataclass(frozen=True)
class Lokr:
    """The Kronecker product of a small matrix w1 and a larger w2 (LyCORIS, Yeh 2023).

    Each is whole, w1 [o1, i1] and w2 [o2, i2, …], or a [o, r] and b [r, i·k·k]; w2 in Tucker form is
    a [r, o2], t2 [r, r, k, k] and b [r, i2].
    """

    alpha: float
    lokr_w1: torch.Tensor | None = None
    lokr_w1_a: torch.Tensor | None = None
    lokr_w1_b: torch.Tensor | None = None
    lokr_w2: torch.Tensor | None = None
    lokr_w2_a: torch.Tensor | None = None
    lokr_w2_b: torch.Tensor | None = None
    lokr_t2: torch.Tensor | None = None
    dora_scale: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """Rows of `lokr_w2_b`, else of `lokr_w1_b`; 0 where both matrices are whole."""
        found = (b.shape[0] for b in (self.lokr_w2_b, self.lokr_w1_b) if b is not None)
        return next(found, 0)

    @property
    def size(self) -> tuple[int, int]:
        """The product of its two matrices' sizes."""
        (o1, i1), (o2, i2) = (
            (whole.shape[0], whole[0].numel()) if whole is not None else _size(a, b, core)
            for whole, a, b, core in self._matrices()
        )
        return o1 * o2, i1 * i2

    def delta(self) -> torch.Tensor:
        """Each number of w1 times all of w2, at scale."""
        import torch

        w1, w2 = (
            whole.float().flatten(1) if whole is not None else _product(a, b, core)
            for whole, a, b, core in self._matrices()
        )
        return torch.kron(w1, w2) * (self.alpha / self.rank if self.rank else 1.0)

    def parts(self) -> dict[str, torch.Tensor]:
        """Under LyCORIS' names."""
        return _parts(self)

    def _matrices(self) -> tuple[tuple[Any, Any, Any, Any], ...]:
        return (
            (self.lokr_w1, self.lokr_w1_a, self.lokr_w1_b, None),
            (self.lokr_w2, self.lokr_w2_a, self.lokr_w2_b, self.lokr_t2),
        )


NAMES = (
    "lora_down.weight", "lora_up.weight", "lora_mid.weight",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    "alpha", "dora_scale",
)  # fmt: skip


def build(parts: Parts, quotient: Callable[[int], float]) -> Layer | None:
    """The layer that a module's tensors make; None where they make none, or don't go together.

    quotient: alpha / rank by the rank, asked where they have no alpha.
    """
    said = parts.get("alpha")
    if said is not None and said.numel() != 1:
        return None
    if not all(addable(tensor) for name, tensor in parts.items() if name != "alpha"):
        return None
    layer = _named(parts)
    if layer is None or not _whole(layer):
        return None
    rank = layer.rank
    alpha = float(said) if said is not None else quotient(rank) * rank
    return replace(layer, alpha=alpha)  # type: ignore[type-var]  # each is a dataclass


def _named(parts: Parts) -> Layer | None:
    """The layer that tensors make by their names, with no alpha yet."""
    dora_scale = parts.get("dora_scale")
    mine = {name: tensor for name, tensor in parts.items() if name.startswith(("hada_", "lokr_"))}
    if {"lora_down.weight", "lora_up.weight"} <= parts.keys():
        down, up, mid = (parts.get(f"lora_{name}.weight") for name in ("down", "up", "mid"))
        assert down is not None and up is not None
        return Lora(down, up, 0.0, mid, dora_scale)
    if {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= parts.keys():
        return Loha(**mine, alpha=0.0, dora_scale=dora_scale)
    if all({w} <= parts.keys() or {f"{w}_a", f"{w}_b"} <= parts.keys() for w in ("lokr_w1", "lokr_w2")):
        return Lokr(**mine, alpha=0.0, dora_scale=dora_scale)
    return None


def _whole(layer: Layer) -> bool:
    """Whether a layer's tensors go together: its addition is reckoned in shapes alone, in no memory."""
    try:
        bare = {name: tensor.to("meta") for name, tensor in _parts(layer).items()}
        shape = replace(layer, **bare).delta().shape  # type: ignore[type-var]
        return tuple(shape) == layer.size and shape.numel() > 0
    except (RuntimeError, IndexError, ZeroDivisionError, ValueError, TypeError):
        return False


def merged(weight: torch.Tensor, layer: Layer, share: float = 1.0) -> torch.Tensor:
    """A module's weight with `share` of a layer's addition, in fp32; `weight` itself stays."""
    old = weight.float()
    new = old + layer.delta().to(old.device).view_as(old)
    if layer.dora_scale is not None:
        new = at_length(new, layer.dora_scale.float().to(old.device))
    return old + share * (new - old)


def at_length(weight: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """DoRA (Liu 2024): the weight's direction at the learnt lengths, by output row or by input channel."""
    import torch

    over = [axis for axis in range(weight.dim()) if axis != int(not by_row(lengths, len(weight)))]
    length = torch.linalg.vector_norm(weight, dim=over, keepdim=True)
    return weight / length.clamp_min(LEAST_LENGTH) * lengths.reshape(length.shape)


def apart(numbers: torch.Tensor, wanted: torch.Tensor) -> float:
    """The relative error of numbers against those that are wanted; infinity where it is no number."""
    error = float((numbers - wanted).norm() / wanted.norm().clamp_min(1e-30))
    return error if math.isfinite(error) else math.inf


def by_row(lengths: torch.Tensor, rows: int) -> bool:
    """Whether DoRA's lengths are those of a weight's output rows.

    Those of its input channels are [1, in, …]: LyCORIS before version 3 and OneTrainer write them.
    """
    return lengths.numel() == rows and not (lengths.dim() > 1 and lengths.shape[0] == 1 != rows)


def _parts(layer: Any) -> dict[str, torch.Tensor]:
    found = {field.name: getattr(layer, field.name) for field in fields(layer)}
    return {
        name: tensor
        for name, tensor in found.items()
        if tensor is not None and name not in ("alpha", "dora_scale")
    }


def _size(a: torch.Tensor, b: torch.Tensor, core: torch.Tensor | None) -> tuple[int, int]:
    if core is None:
        return a.shape[0], b[0].numel()
    return a.shape[1], b.shape[1] * core[0, 0].numel()


def _product(a: torch.Tensor, b: torch.Tensor, core: torch.Tensor | None = None) -> torch.Tensor:
    """A factored matrix in fp32, flattened to [out, in·k·k]."""
    a, b = a.float(), b.float()
    return a @ b.flatten(1) if core is None else _tucker(core, a, b)


def _tucker(core: torch.Tensor, out: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Core [r, r, k, k], out [r, out] and inner [r, in] multiplied: the kernel lives in the core."""
    import torch

    return torch.einsum("ijkl,io,jn->onkl", core.float(), out, inner).flatten(1)
