"""Attention of a packed row on a CPU, a block of whole samples at a time.

A mask over the whole row has each token scored against all others, most of it for nothing, and backward
torch's own attention takes several times as long as the multiplications in it (torch 2.15, measured). Here
a row's samples stand in blocks of equal room, each with the tokens that all samples share in front, and
attention's few operations run on all blocks at once, forward and backward: a third of the time for eight
short samples, a sixth for sixteen. Exact: a token sees what the row's mask lets it see. Rows with a long
sample are left to torch, for a block is a whole square in memory, and so are other devices, whose kernels
do well.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "blocks"  # among transformers' attention functions
VECTOR = 32  # bf16 numbers in a register: keys are rounded up to it, as softmax is slow with other widths
LEAST = 40  # room for at least so many tokens: smaller blocks cost more operations than they save
MOST = 512  # keys in a block at most: from here on torch is as fast


@dataclass(frozen=True)
class Blocks:
    """Where the tokens of a row stand; all counted on the row's L tokens.

    places [blocks, room]: the token at each place, 0 where there is none; home [L]: each token's place,
    counted through all blocks; empty [E]: places without one; shared: tokens at the row's start that all see.
    """

    places: torch.Tensor
    home: torch.Tensor
    empty: torch.Tensor
    shared: int
    indices: dict[int, _Indices] = field(default_factory=dict)

    def visible(self, tokens: torch.Tensor) -> torch.Tensor:
        """What each place may look at, [blocks, 1, room, shared + room], from what each token may, [L, L]."""
        import torch

        rows = tokens[self.places]
        own = rows.gather(2, self.places[:, None].expand(-1, self.places.shape[1], -1))
        # The shared tokens are in front already, and an empty place, which says token 0, holds none.
        counts = (self.places >= self.shared).flatten().index_fill_(0, self.empty, False)
        own &= counts.view(len(self.places), 1, -1)
        return torch.cat([rows[:, :, : self.shared], own], 2)[:, None]

    def of_heads(self, heads: int) -> _Indices:
        """The indices for so many heads, made once a row."""
        if heads not in self.indices:
            self.indices[heads] = _indices(self, heads)
        return self.indices[heads]


@dataclass(frozen=True)
class _Indices:
    """Which of a row's L · heads stands where, and where each is found again, by heads.

    queries [blocks · heads · room] and back [L · heads]: queries; keys [blocks · heads · (shared + room)] and
    back_keys [L · heads]: keys and values, behind the shared ones; empty: places of queries without one.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    back: torch.Tensor
    back_keys: torch.Tensor
    empty: torch.Tensor


def _indices(blocks: Blocks, heads: int) -> _Indices:
    import torch

    places, shared = blocks.places, blocks.shared
    count, room = places.shape
    head = torch.arange(heads, device=places.device)
    front = torch.arange(shared, device=places.device).expand(count, -1)
    keys = torch.cat([front, places], 1)

    def placed(at: torch.Tensor, width: int, before: int) -> torch.Tensor:
        """Places counted through all blocks, as places of each head, of blocks with `before` in front."""
        block, place = at // room, at % room
        return (block[:, None] * heads + head) * width + before + place[:, None]

    return _Indices(
        (places[:, None] * heads + head[:, None]).flatten(),
        (keys[:, None] * heads + head[:, None]).flatten(),
        placed(blocks.home, room, 0).flatten(),
        placed(blocks.home, shared + room, shared).flatten(),
        placed(blocks.empty, room, 0).flatten(),
    )


def room(longest: int, shared: int) -> int | None:
    """Places in a block for samples of at most `longest` tokens of their own; None where that is too many."""
    keys = -(-(shared + max(longest, shared, LEAST)) // VECTOR) * VECTOR
    return keys - shared if keys <= MOST else None


def arrange(blocks: Sequence[Sequence[range]], places: int, shared: int, where: torch.device | str) -> Blocks:
    """Blocks of so many places from the tokens that each is to hold, all tokens of a row in all."""
    import torch

    held = [[token for span in spans for token in span] for spans in blocks]
    full = [tokens + [-1] * (places - len(tokens)) for tokens in held]
    taken = torch.tensor(full).to(where)
    flat = taken.flatten()
    home = torch.empty(sum(map(len, held)), dtype=torch.long, device=flat.device)
    at = torch.arange(len(flat), device=flat.device)
    home[flat[flat >= 0]] = at[flat >= 0]
    return Blocks(taken.clamp_min(0), home, at[flat < 0], shared)


def put_on(model: Any) -> bool:
    """Has a model's attention understand `blocks`; False where it has one of its own, or isn't on a CPU."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = model.config.get_text_config()
    if model.device.type != "cpu" or config._attn_implementation != "sdpa":
        return False
    if getattr(config, "attention_dropout", 0.0):
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return True


def take_off(model: Any) -> None:
    """Leaves a model's attention to torch, as it was."""
    if model.config.get_text_config()._attn_implementation == NAME:
        model.set_attn_implementation("sdpa")


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    blocks: Blocks | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers: from [1, heads, L, D] to [1, L, heads, D].

    attention_mask [blocks, 1, room, shared + room] is added to the scores. Without `blocks` it is torch's.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if blocks is None or attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    rows = (x[0].transpose(0, 1).to(attention_mask.dtype) for x in (query, key, value))
    return _attention_function().apply(*rows, attention_mask, blocks, scale)[None], None


@functools.cache
def _attention_function() -> Any:
    """The function of torch's autograd, made at first use: the window starts without torch."""
    import torch

    def rows(tokens: Any, heads: int) -> Any:
        """[L, H, D] as [L · heads, H / heads · D]: the heads that share a key are one row."""
        return tokens.reshape(len(tokens) * heads, -1)

    def summed(placed: Any, blocks: Blocks, heads: int) -> Any:
        """Gradients of keys or values [blocks · heads, shared + room, D] added up: [L, heads, D]."""
        width = placed.shape[-1]
        own = placed.view(-1, width).index_select(0, blocks.of_heads(heads).back_keys).view(-1, heads, width)
        if blocks.shared:
            front = placed.view(len(blocks.places), heads, -1, width)[:, :, : blocks.shared]
            own[: blocks.shared] += front.sum(0).transpose(0, 1)
        return own

    class Attend(torch.autograd.Function):
        """softmax(scale · q·kᵗ + mask)·v in each block."""

        @staticmethod
        def forward(
            ctx: Any, query: Any, key: Any, value: Any, mask: Any, blocks: Blocks, scale: float
        ) -> Any:
            heads, width, at = key.shape[1], query.shape[-1], blocks.of_heads(key.shape[1])
            count, _, places, keys = mask.shape
            q = rows(query, heads).index_select(0, at.queries).view(count * heads, -1, width)
            k = rows(key, heads).index_select(0, at.keys).view(count * heads, keys, width)
            v = rows(value, heads).index_select(0, at.keys).view(count * heads, keys, -1)
            each = mask[:, :, :, None].expand(count, heads, places, q.shape[1] // places, keys)
            scores = torch.baddbmm(each.reshape(len(q), -1, keys), q, k.transpose(1, 2), alpha=scale)
            shares = scores.softmax(-1)
            ctx.save_for_backward(q, k, v, shares)
            ctx.blocks, ctx.scale, ctx.heads = blocks, scale, heads
            out = (shares @ v).view(count * heads * places, -1).index_select(0, at.back)
            return out.view(*query.shape[:2], -1)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            q, k, v, shares = ctx.saved_tensors
            blocks, heads, at = ctx.blocks, ctx.heads, ctx.blocks.of_heads(ctx.heads)
            placed = rows(gradient, heads).index_select(0, at.queries).index_fill_(0, at.empty, 0)
            g = placed.view(len(v), -1, v.shape[-1])
            of_scores = torch._softmax_backward_data(g @ v.transpose(1, 2), shares, -1, shares.dtype)
            of_scores.mul_(ctx.scale)
            of_q = (of_scores @ k).view(len(at.queries), -1).index_select(0, at.back)
            of_k = summed(of_scores.transpose(1, 2) @ q, blocks, heads)
            of_v = summed(shares.transpose(1, 2) @ g, blocks, heads)
            return of_q.view(*gradient.shape[:2], -1), of_k, of_v, None, None, None

    return Attend
