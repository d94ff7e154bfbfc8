"""How many numbers a LoRA holds, and how many a training step keeps, from a backbone's layers alone.

LoHa and LoKr are counted as peft shapes them (core.lora.adapters.peft_layers). Nothing is kept before the
first layer with a LoRA. Knows no weights; all counts are for one sample unless said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.families.family import Block, Layer

# Of the largest layer, while its gradient is computed: measured on a CPU at batches of 1 to 16 and 256 px, in
# fp32 and bf16; the whole was then within 7 %.
TEMPORARIES = 16


@dataclass(frozen=True)
class Kept:
    """Numbers (fp32 or half) that a step keeps: for each sample, once, and a sample's for a while."""

    sample: int
    once: int
    temporary: int


def has_lora(layer: Layer, targets: Sequence[str]) -> bool:
    """Whether a LoRA is put on the layer, by peft's rule: the name's end."""
    return layer.fan_in > 0 and any(layer.name.endswith(f".{target}") for target in targets)


def lora_numbers(blocks: Sequence[Block], targets: Sequence[str], rank: int, network: str) -> int:
    """Numbers of the LoRA on all layers that get one."""
    return sum(
        layer_numbers(network, rank, layer.fan_in, layer.fan_out, layer.area)
        for block in blocks
        for layer in block.layers
        if has_lora(layer, targets)
    )


def layer_numbers(network: str, rank: int, fan_in: int, fan_out: int, area: int = 1) -> int:
    """Numbers that a network puts on one layer; `area`: of its kernel."""
    core = rank * rank * area if area > 1 else 0  # of LoHa's and LoKr's Tucker form
    if network == "loha":
        return 2 * (rank * (fan_in + fan_out) + core)
    if network == "lokr":
        (rows, more_rows), (columns, more_columns) = split(fan_out), split(fan_in)
        if whole(rank, more_rows, more_columns):
            return rows * columns + more_rows * more_columns * area
        return rows * columns + rank * (more_rows + more_columns) + core
    return rank * (fan_in * area + fan_out) + (fan_out if network == "dora" else 0)


def split(width: int) -> tuple[int, int]:
    """A layer's width as LoKr's two factors, as near to each other as they can be, the smaller first."""
    small = max(factor for factor in range(1, math.isqrt(width) + 1) if width % factor == 0)
    return small, width // small


def whole(rank: int, rows: int, columns: int) -> bool:
    """Whether LoKr keeps its larger matrix as it is, because two factors would hardly be smaller."""
    return rank >= max(rows, columns) / 2


def kept(
    blocks: Sequence[Block],
    targets: Sequence[str],
    rank: int,
    half: bool,
    checkpointing: bool = False,
    network: str = "lora",
    flowing: bool = False,
) -> Kept:
    """What a forward pass keeps for the backward pass; `flowing`: its captions' encoder is trained too."""
    total, once, most_rerun = 0, 0, 0
    for block in blocks:
        mine = 0
        for layer in block.layers:
            if has_lora(layer, targets):
                flowing = True
                mine += _of_lora(layer, rank, half, network)
                once += _of_weights(layer, rank, half, network)
            if flowing:
                mine += layer.keeps_half if half else layer.keeps
        if checkpointing and block.entry:
            most_rerun = max(most_rerun, mine)
            mine = block.entry
        total += mine
    largest = max(max(layer.fan_in, layer.fan_out) * layer.places for b in blocks for layer in b.layers)
    return Kept(total + most_rerun, once, TEMPORARIES * largest)


def _of_lora(layer: Layer, rank: int, half: bool, network: str) -> int:
    """A LoRA keeps its layer's input and what `down` makes of it; LoHa and LoKr keep the input alone.

    With autocast peft copies the input into the factors' format; for LoHa it has the right one already, and
    for a plain LoRA on a linear layer core.lora.kernels.lora_linear takes it as it is.
    """
    as_it_is = network == "loha" or (network == "lora" and layer.linear)
    copied = layer.fan_in * layer.places if layer.own or (half and not as_it_is) else 0
    if network in ("loha", "lokr"):
        return copied
    return copied + rank * layer.places + (3 * layer.fan_out * layer.places if network == "dora" else 0)


def _of_weights(layer: Layer, rank: int, half: bool, network: str) -> int:
    """Kept once: what is added as a whole, which LoRA never makes; with autocast the factors' copies."""
    dense = 0 if network == "lora" else layer.fan_in * layer.fan_out * layer.area
    if not half or network == "loha":
        return dense
    factors = "lora" if network == "dora" else network
    return dense + layer_numbers(factors, rank, layer.fan_in, layer.fan_out, layer.area)
