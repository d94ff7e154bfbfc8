"""Draws tokens from a causal language model: rows of answers, each from a generator of its own.

Works on token ids; knows no words, no chats and no LoRAs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.messages import Mistake
from core.texts.template import turn_end

if TYPE_CHECKING:
    import torch

TOP_K = 60
OPENING_TOKENS, OPENING_HEAT = 2, 1.6  # the first tokens are drawn hotter: openings vary, the rest stays sane


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: at most `limit` a row, of the likeliest that together have `top_p`.

    temperature 0 takes the likeliest.
    """

    limit: int
    temperature: float
    top_p: float


@dataclass(frozen=True)
class Marks:
    """Token ids that are no words: what fills rows up, what ends an answer, and what is never drawn."""

    pad: int
    ends: set[int]
    never: list[int]


def written(
    model: Any,
    prompts: Sequence[list[int]],
    draws: Sequence[np.random.Generator],
    how: Sampling,
    marks: Marks,
) -> Generator[None, None, list[list[int]]]:
    """New token ids of as many rows a prompt as there are `draws` for it, each drawn from its own.

    They are given without the token that ends them. The prompts run once each; their keys and values are then
    repeated for the rows. It stops after each token; gradients are the caller's affair. Raises Mistake where
    the model gives no numbers.
    """
    import torch
    from transformers import DynamicCache

    place, count = model.device, len(draws) // len(prompts)
    cache = DynamicCache(config=model.config)
    ids, mask = _pad(prompts, marks.pad, place)
    positions = _positions(mask)
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
    )
    if count > 1:
        cache.batch_repeat_interleave(count)
    droppable = all(hasattr(layer, "batch_select_indices") for layer in cache.layers)
    logits = out.logits[:, -1].repeat_interleave(count, 0)
    mask = mask.repeat_interleave(count, 0)
    position = positions[:, -1:].repeat_interleave(count, 0)
    rows: list[list[int]] = [[] for _ in draws]
    alive = list(range(len(rows)))
    for step in range(how.limit):
        heat = how.temperature * (OPENING_HEAT if step < OPENING_TOKENS else 1)
        tokens = draw(logits, [draws[row] for row in alive], heat, how.top_p, marks.never)
        for row, token in zip(alive, tokens, strict=True):
            rows[row].append(token)
        yield
        going = [at for at, row in enumerate(alive) if marks.ends.isdisjoint(rows[row])]
        if not going or step == how.limit - 1:
            break
        if droppable and len(going) < len(alive):
            keep = torch.tensor(going, device=place)
            cache.batch_select_indices(keep)
            mask, position = mask[keep], position[keep]
            alive = [alive[at] for at in going]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], 1)
        position = position + 1
        last = torch.tensor([[rows[row][-1]] for row in alive], device=place)
        out = model(input_ids=last, attention_mask=mask, position_ids=position, past_key_values=cache)
        logits = out.logits[:, -1]
    return [list(itertools.takewhile(lambda token: token not in marks.ends, row)) for row in rows]


def _pad(rows: Sequence[list[int]], pad: int, place: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded token ids and mask, both [rows, longest]."""
    import torch

    longest = max(len(row) for row in rows)
    ids = [[pad] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=place), torch.tensor(mask, device=place)


def ends_of(model: Any, tokenizer: Any) -> set[int]:
    """Every token id that ends an answer."""
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [ends]
    known = [*known, tokenizer.eos_token_id, turn_end(tokenizer)]
    return {end for end in known if end is not None}


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Positions of left-padded rows: the first real token is at 0."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def draw(
    logits: torch.Tensor,
    draws: list[np.random.Generator],
    temperature: float,
    top_p: float,
    never: list[int],
) -> list[int]:
    """One token a row from logits [rows, words], drawn by the row's generator from its top k's nucleus."""
    import torch

    logits[:, never] = -math.inf
    values, tokens = torch.topk(logits.float(), min(TOP_K, logits.shape[-1]))
    if temperature == 0:
        return tokens[:, 0].tolist()
    shares = torch.softmax(values / temperature, -1).cpu().numpy().astype(np.float64)
    if np.isnan(shares).any():
        raise Mistake(
            "The language model gives no numbers; it overflows in this machine's number format, so choose "
            "another."
        )
    before = shares.cumsum(1) - shares
    shares[before >= top_p] = 0
    totals = (shares / shares.sum(1, keepdims=True)).cumsum(1)
    picks = [int(np.searchsorted(total, draw.random())) for total, draw in zip(totals, draws, strict=True)]
    return [int(row[min(pick, len(row) - 1)]) for row, pick in zip(tokens, picks, strict=True)]
