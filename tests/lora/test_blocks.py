"""A row's attention in blocks: torch's own numbers and gradients, for every way that samples can stand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.lora.kernels import block_attention
from core.lora.text import packing
from core.lora.text.packing import Attention
from core.lora.text.tokens import Tokens

HEADS, KEYS, WIDTH = 6, 2, 8
SHORT = [33, 30, 41, 25, 40, 28, 36, 31]


def rows(lengths: list[int], shared: int, window: int | None, dtype: torch.dtype) -> list[dict[str, Any]]:
    """The same row with a mask of its own and in blocks."""
    tokens = [Tokens(list(range(shared + length)), shared + 1) for length in lengths]
    return [
        packing.row_tensors(tokens, shared, dtype, "cpu", Attention(window, blocks=kind))
        for kind in (False, True)
    ]


def attended(row: dict[str, Any], dtype: torch.dtype) -> list[torch.Tensor]:
    """Output, and the gradients of query, key and value."""
    torch.manual_seed(0)
    length = row["ids"].shape[1]
    made = [torch.randn(1, length, heads, WIDTH, dtype=dtype) for heads in (HEADS, KEYS, KEYS)]
    inputs = [x.transpose(1, 2).requires_grad_() for x in made]
    module = SimpleNamespace(num_key_value_groups=HEADS // KEYS)
    out, _ = block_attention.attend(module, *inputs, row["mask"], scaling=0.3, blocks=row.get("blocks"))
    return [out.detach(), *torch.autograd.grad((out.float() ** 2).sum(), inputs)]


def apart(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    assert [x.shape for x in ours] == [x.shape for x in theirs]
    return max(float((a - b).float().norm() / b.float().norm()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("shared", [0, 5, 70])
@pytest.mark.parametrize("window", [None, 17])
@pytest.mark.parametrize("lengths", [SHORT * 3, [60] * 9 + [3] * 7, [9, 80, 81, 70] * 4])
def test_blocks_give_what_a_whole_row_gives(lengths, window, shared):
    plain, row = rows(lengths, shared, window, torch.float32)
    standing = row["blocks"]
    assert "blocks" not in plain and len(standing.places) > 1
    assert (standing.places.shape[1] + shared) % block_attention.VECTOR == 0
    assert sorted(standing.home.tolist() + standing.empty.tolist()) == list(range(standing.places.numel()))
    assert apart(attended(row, torch.float32), attended(plain, torch.float32)) < 1e-5


def test_in_half_their_scores_are_rounded_once_more_at_most():
    truth = attended(rows(SHORT, 21, None, torch.float32)[0], torch.float32)
    plain, row = rows(SHORT, 21, None, torch.bfloat16)
    errors = [apart(attended(one, torch.bfloat16), truth) for one in (row, plain)]
    assert errors[0] < 1.5 * errors[1]


@pytest.mark.parametrize("lengths", [[9], [600, 600, 600], [300, 20, 30]])
def test_a_row_that_blocks_would_only_blow_up_is_left_whole(lengths):
    plain, row = rows(lengths, 5, None, torch.float32)
    assert "blocks" not in row and torch.equal(row["mask"], plain["mask"])


def test_numbers_of_two_kinds_become_the_masks():
    """Rotated queries and keys come in fp32 where a model keeps its states so."""
    row = rows(SHORT, 5, None, torch.bfloat16)[1]
    length = row["ids"].shape[1]
    query, key = (torch.randn(1, heads, length, WIDTH, requires_grad=True) for heads in (HEADS, KEYS))
    value = torch.randn(1, KEYS, length, WIDTH, dtype=torch.bfloat16)
    out, _ = block_attention.attend(None, query, key, value, row["mask"], blocks=row["blocks"])
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert query.grad is not None and query.grad.dtype == torch.float32


def test_what_has_an_attention_of_its_own_keeps_it():
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "vocab_size": 10}  # fmt: skip
    eager = LlamaForCausalLM._from_config(LlamaConfig(**size), attn_implementation="eager")
    assert not block_attention.put_on(eager) and eager.config._attn_implementation == "eager"
    assert not block_attention.put_on(LlamaForCausalLM(LlamaConfig(**size, attention_dropout=0.1)))
    model = LlamaForCausalLM(LlamaConfig(**size)).eval()
    ids = torch.tensor([[1, 2, 3]])
    before = model(ids).logits
    assert block_attention.put_on(model) and model.config._attn_implementation == block_attention.NAME
    assert torch.equal(model(ids).logits, before)
    block_attention.take_off(model)
    assert model.config._attn_implementation == "sdpa"
