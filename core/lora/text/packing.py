"""Several samples in one row of tokens, with no attention between them, and the loss on their replies.

The tokens that all prompts begin with stand in a row once, and the head runs on supervised positions only.
Both are exact: the logits are those of each sample alone, within a sliding window too. What a model allows
of this is tried on it (`way_of`); one for which a row isn't exact gets one sample a row. Works on token ids
and a causal model; knows nothing about chats or LoRAs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.lora.kernels import block_attention, linear_cross_entropy
from core.lora.kernels.linear_cross_entropy import Head
from core.lora.text.tokens import Tokens

if TYPE_CHECKING:
    import torch

# What packed logits may differ by from those of a sample alone, as a share of their spread. Measured: 4e-7 in
# fp32 over nine architectures, 0.024 in bf16 with SmolLM2-135M, where attention across samples gave 0.98.
SAME, SAME_IN_HALF = 1e-3, 0.1
# Matrix units work on 16 rows at a time, so that filling up costs little; and each new length costs a CPU a
# tenth of a step and some 30 MB for code made to measure (oneDNN, SmolLM2-135M).
TILE = 16
SERVED = {"full_attention", "sliding_attention"}  # kinds of layers that a row's own mask says all about


@dataclass(frozen=True)
class Row:
    """Samples that share a row, by number."""

    members: tuple[int, ...]


@dataclass(frozen=True)
class Attention:
    """How a model's layers look back: all tokens, or the last `window` of them.

    mixed: some layers have the window and some see all; such models take a mask for each kind.
    blocks: the model's attention takes a row in blocks of samples (core.lora.kernels.block_attention).
    """

    window: int | None = None
    mixed: bool = False
    blocks: bool = False


def attention_of(model: Any) -> Attention | None:
    """A model's attention by its configuration; None where a row's own mask can't say all about it."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if not kinds <= SERVED:
        return None
    in_blocks = config._attn_implementation == block_attention.NAME
    if not kinds:
        return Attention(window, blocks=in_blocks)
    mixed = "sliding_attention" in kinds
    return Attention(window if mixed else None, mixed, in_blocks)


def pack(lengths: Sequence[int], members: Sequence[int], room_a_row: int) -> list[Row]:
    """Puts `members` (numbers into `lengths`) into rows of at most `room_a_row` tokens, first fit."""
    rows: list[list[int]] = []
    room: list[int] = []
    for member in members:
        length = lengths[member]
        at = next((i for i, free in enumerate(room) if free >= length), None)
        if at is None:
            rows.append([])
            room.append(room_a_row)
            at = len(rows) - 1
        rows[at].append(member)
        room[at] -= length
    return [Row(tuple(row)) for row in rows]


def shared_prefix(tokens: Sequence[Tokens]) -> int:
    """Tokens that all prompts begin with: a row holds them once (a third of a short sample's tokens).

    The last token of each prompt stays out of it, because the reply's first word is read off there.
    """
    first, most = tokens[0].ids, min(sample.start for sample in tokens) - 1
    for sample in tokens[1:]:
        most = next((at for at in range(most) if sample.ids[at] != first[at]), most)
    return max(most, 0)


def row_tensors(
    tokens: Sequence[Tokens],
    shared: int,
    dtype: torch.dtype,
    where: torch.device | str,
    attention: Attention = Attention(),
) -> dict[str, Any]:
    """A row of samples that all begin with the same `shared` tokens, which stand in it once.

    ids [1, L], L filled up to a multiple of TILE with tokens that no other sees; positions [1, L], counted on
    from the shared ones in each sample; mask [1, 1, L, L], 0 where a token may look (at the shared tokens and
    what precedes it in its own sample, within the window), else the lowest number of `dtype`, or such a mask
    for each kind of layer; keep [S], the places whose next token is supervised; targets [S]. Where attention
    goes in blocks and they are the better way, `blocks` says how the row stands in them, and the masks are of
    theirs, [blocks, 1, room, shared + room].
    """
    import torch

    ids = list(tokens[0].ids[:shared])
    positions = list(range(shared))
    segments = [-1] * shared
    spans = [range(shared)]
    keep: list[int] = []
    targets: list[int] = []
    for number, sample in enumerate(tokens):
        offset = len(ids) - shared
        keep += range(offset + sample.start - 1, offset + len(sample.ids) - 1)
        targets += sample.ids[sample.start :]
        positions += range(shared, len(sample.ids))
        segments += [number] * (len(sample.ids) - shared)
        spans.append(range(len(ids), len(ids) + len(sample.ids) - shared))
        ids += sample.ids[shared:]
    spans.append(range(len(ids), len(ids) + -len(ids) % TILE))
    for filled, value in ((ids, 0), (positions, 0), (segments, len(tokens))):
        filled += [value] * len(spans[-1])
    held = {"ids": [ids], "positions": [positions], "keep": keep, "targets": targets}
    row: dict[str, Any] = {
        name: torch.tensor(values).to(where, non_blocking=True) for name, values in held.items()
    }
    segment = torch.tensor(segments).to(where, non_blocking=True)
    mine = segment[:, None] == segment[None, :]
    visible = (mine | (segment == -1)[None, :]).tril()
    standing = _blocks(spans, where) if attention.blocks else None
    if standing:
        row["blocks"] = standing
    row["mask"] = _mask(visible, dtype, standing)
    if attention.window is not None and max(positions) >= attention.window:
        place = row["positions"][0]
        near = place[:, None] - place[None, :] < attention.window
        sliding = _mask(visible & near, dtype, standing)
        mixed = {"full_attention": row["mask"], "sliding_attention": sliding}
        row["mask"] = mixed if attention.mixed else sliding
    return row


def _blocks(spans: Sequence[range], where: torch.device | str) -> block_attention.Blocks | None:
    """How a row of these spans, the shared tokens first, stands in blocks; None where whole is better."""
    lengths = [len(span) for span in spans]
    places = block_attention.room(max(lengths), lengths[0])
    if places is None:
        return None
    together = pack(lengths, range(len(spans)), places)
    if 2 * len(together) * places * (lengths[0] + places) > sum(lengths) ** 2:
        return None
    held = [[spans[member] for member in one.members] for one in together]
    return block_attention.arrange(held, places, lengths[0], where)


def _mask(visible: torch.Tensor, dtype: torch.dtype, standing: block_attention.Blocks | None) -> torch.Tensor:
    """What is added to the scores, from what may be seen, [L, L]: [1, 1, L, L], or that of the blocks."""
    import torch

    seen = standing.visible(visible) if standing else visible[None, None]
    hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return hidden.masked_fill_(~seen, torch.finfo(dtype).min)


def alone_tensors(sample: Tokens, where: torch.device | str) -> dict[str, Any]:
    """A row of one sample, whose mask and positions are the model's own business."""
    import torch

    keep = range(sample.start - 1, len(sample.ids) - 1)
    held = {"ids": [sample.ids], "keep": list(keep), "targets": sample.ids[sample.start :]}
    return {name: torch.tensor(values).to(where, non_blocking=True) for name, values in held.items()}


def row_logits(model: Any, row: dict[str, Any]) -> torch.Tensor:
    """Logits [S, words] at the row's supervised positions."""
    if "mask" not in row:
        return model(**_inputs(row)).logits[0, row["keep"]]
    return model(**_inputs(row), logits_to_keep=row["keep"]).logits[0]


def row_loss(model: Any, row: dict[str, Any], head: Head | None = None) -> torch.Tensor:
    """Mean cross-entropy over the row's supervised tokens, in fp32; by `head` where the model has one."""
    import torch

    if head:
        return head.loss(_states(head, row), row["targets"])
    return torch.nn.functional.cross_entropy(row_logits(model, row).float(), row["targets"])


def _inputs(row: dict[str, Any]) -> dict[str, Any]:
    names = {"ids": "input_ids", "mask": "attention_mask", "positions": "position_ids", "blocks": "blocks"}
    return {theirs: row[ours] for ours, theirs in names.items() if ours in row} | {"use_cache": False}


def _states(head: Head, row: dict[str, Any]) -> torch.Tensor:
    """The decoder's last states [S, hidden] at the row's supervised positions."""
    states: torch.Tensor = head.decoder(**_inputs(row)).last_hidden_state[0]
    return states.index_select(0, row["keep"])


@dataclass(frozen=True)
class Way:
    """How a model takes its samples, found by trying.

    shared: tokens that all prompts begin with, which a row holds once; attention: None where each sample
    needs a row of its own; head: makes the loss without all logits, where that is exact.
    """

    shared: int = 0
    attention: Attention | None = None
    head: Head | None = None

    def row(self, tokens: Sequence[Tokens], dtype: torch.dtype, where: torch.device | str) -> dict[str, Any]:
        """The tensors of one row."""
        if self.attention is None:
            return alone_tensors(tokens[0], where)
        return row_tensors(tokens, self.shared, dtype, where, self.attention)


def way_of(model: Any, tokens: Sequence[Tokens], dtype: torch.dtype, where: torch.device | str) -> Way:
    """The best way of those that are exact for this model, in eval mode: in blocks, in rows, each alone."""
    shared = shared_prefix(tokens)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    packed = block_attention.put_on(base) and packs(model, tokens, shared, dtype, where)
    if not packed:
        block_attention.take_off(base)
        packed = packs(model, tokens, shared, dtype, where)
    way = Way(shared, attention_of(model)) if packed else Way()
    return replace(way, head=_head_of(model, base, way.row(tokens[:1], dtype, where)))


def packs(
    model: Any, tokens: Sequence[Tokens], shared: int, dtype: torch.dtype, where: torch.device | str
) -> bool:
    """Whether samples in one row get the logits that each gets alone: tried with the two shortest.

    `model` is in eval mode. Says no for attention that isn't known, and for recurrent layers, which heed no
    mask.
    """
    import torch

    attention = attention_of(model)
    if attention is None:
        return False
    pair = sorted(tokens, key=lambda sample: len(sample.ids))[:2]
    pair = [pair[0], pair[-1]]
    try:
        with torch.inference_mode():
            together = row_logits(model, row_tensors(pair, shared, dtype, where, attention)).float()
            alone = torch.cat([row_logits(model, alone_tensors(sample, where)) for sample in pair]).float()
    except Exception:  # whatever an unknown model says to a mask, or to positions, of this form
        return False
    return _same(together, alone, dtype)


def _head_of(model: Any, base: Any, row: dict[str, Any]) -> Head | None:
    """The head of a model without its LoRA, where a row's logits are its own: neither scaled nor capped."""
    import torch

    found = linear_cross_entropy.of(base)
    if found is None:
        return None
    try:
        with torch.inference_mode():
            states, theirs = _states(found, row), row_logits(model, row)
            if states.dtype != found.linear.weight.dtype:
                return None
            # The same multiplication in the same numbers, so that a cap's few hundredths are a difference.
            return found if _same(found.linear(states).float(), theirs.float(), torch.float32) else None
    except Exception:  # a decoder that isn't asked as most are
        return None


def _same(ours: torch.Tensor, theirs: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether logits are the same but for rounding."""
    import torch

    spread = (theirs - theirs.mean(-1, keepdim=True)).norm()
    limit = SAME if dtype == torch.float32 else SAME_IN_HALF
    return ours.shape == theirs.shape and bool((ours - theirs).norm() <= limit * spread)
