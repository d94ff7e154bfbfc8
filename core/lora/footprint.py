"""How many numbers a LoRA holds, and how many a training step keeps, from a backbone's layers alone.

Nothing is kept before the first layer with a LoRA. Knows no weights; all counts are for one sample unless
said.
"""

from __future__ import annotations

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


def lora_numbers(blocks: Sequence[Block], targets: Sequence[str], rank: int, dora: bool) -> int:
    """Numbers of the LoRA: down, up, and DoRA's magnitudes."""
    return sum(
        rank * (layer.fan_in * layer.area + layer.fan_out) + (layer.fan_out if dora else 0)
        for block in blocks
        for layer in block.layers
        if has_lora(layer, targets)
    )


def kept(
    blocks: Sequence[Block],
    targets: Sequence[str],
    rank: int,
    half: bool,
    checkpointing: bool = False,
    dora: bool = False,
    flowing: bool = False,
) -> Kept:
    """What a forward pass keeps for the backward pass; `flowing`: its captions' encoder is trained too."""
    total, once, most_rerun = 0, 0, 0
    for block in blocks:
        mine = 0
        for layer in block.layers:
            if has_lora(layer, targets):
                flowing = True
                mine += _of_lora(layer, rank, half, dora)
                once += rank * (layer.fan_in * layer.area + layer.fan_out) if half else 0
                once += layer.fan_in * layer.fan_out * layer.area if dora else 0  # rows whose length is taken
            if flowing:
                mine += layer.keeps_half if half else layer.keeps
        if checkpointing and block.entry:
            most_rerun = max(most_rerun, mine)
            mine = block.entry
        total += mine
    largest = max(max(layer.fan_in, layer.fan_out) * layer.places for b in blocks for layer in b.layers)
    return Kept(total + most_rerun, once, TEMPORARIES * largest)


def _of_lora(layer: Layer, rank: int, half: bool, dora: bool) -> int:
    """A LoRA keeps its layer's input (with autocast always a copy) and what `down` makes of it."""
    copied = layer.fan_in * layer.places if half or layer.own else 0
    return copied + rank * layer.places + (3 * layer.fan_out * layer.places if dora else 0)
