"""The loss in parts: the plain numbers and gradients; left alone where logits are more than the head's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from core.lora.kernels import linear_cross_entropy
from core.lora.kernels.linear_cross_entropy import Head
from core.lora.text import packing
from core.lora.text.tokens import Tokens

WORDS, WIDTH = 70, 12


def made(dtype: torch.dtype, places: int) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    linear = nn.Linear(WIDTH, WORDS, bias=False).to(dtype).requires_grad_(False)
    return linear, torch.randn(places, WIDTH).mul(3).to(dtype), torch.randint(0, WORDS, (places,))


def answers(states: torch.Tensor, loss_of: Any) -> tuple[torch.Tensor, torch.Tensor]:
    states = states.clone().requires_grad_()
    loss = loss_of(states)
    (3 * loss).backward()
    return loss.detach(), states.grad


@pytest.mark.parametrize("places", [1, 5, 23])
@pytest.mark.parametrize(("at_once", "in_cache"), [(2**23, 2**18), (WORDS * 7, WORDS * 3), (1, 1)])
def test_loss_and_gradient_are_the_plain_ones(places, at_once, in_cache, monkeypatch):
    monkeypatch.setitem(linear_cross_entropy.AT_ONCE, "cpu", at_once)
    monkeypatch.setitem(linear_cross_entropy.IN_CACHE, "cpu", in_cache)
    linear, states, targets = made(torch.float32, places)
    ours = answers(states, lambda x: Head(None, linear).loss(x, targets))
    plain = answers(states, lambda x: nn.functional.cross_entropy(linear(x), targets))
    torch.testing.assert_close(ours, plain, atol=1e-6, rtol=1e-5)


def test_in_half_the_gradient_is_rounded_once_more_at_most():
    linear, states, targets = made(torch.bfloat16, 23)
    wide = nn.Linear(WIDTH, WORDS, bias=False).requires_grad_(False)
    wide.weight.data = linear.weight.float()
    truth = answers(states.float(), lambda x: nn.functional.cross_entropy(wide(x), targets))
    plain = answers(states, lambda x: nn.functional.cross_entropy(linear(x).float(), targets))
    ours = answers(states, lambda x: Head(None, linear).loss(x, targets))
    errors = [float((x[1].float() - truth[1]).norm() / truth[1].norm()) for x in (ours, plain)]
    assert ours[0].dtype == torch.float32 and ours[1].dtype == torch.bfloat16
    assert errors[0] < 1.5 * errors[1]


def test_an_impossible_word_costs_a_finite_loss():
    linear, states, targets = made(torch.float32, 4)
    loss = Head(None, linear).loss(1e4 * states, targets)
    assert loss.isfinite() and float(loss) > 1000


def test_its_room_is_kept_grows_and_serves_judging_and_training():
    linear, states, targets = made(torch.float32, 23)
    one = Head(None, linear)
    with torch.inference_mode():
        judged = one.loss(states[:5], targets[:5])
    held = one.room["logits"]
    trained, gradient = answers(states[:5], lambda x: one.loss(x, targets[:5]))
    assert torch.equal(judged, trained) and gradient.any() and one.room["logits"] is held
    one.loss(states, targets)
    assert len(one.room["logits"]) == 23


def model_of(kind: str, **more: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 8, "vocab_size": WORDS}  # fmt: skip
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **size, **more))
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("kind", "more", "served"),
    [
        ("llama", {}, True),
        ("gemma2", {"final_logit_softcapping": None}, True),
        ("gemma2", {"final_logit_softcapping": 30.0}, False),
        ("granite", {"logits_scaling": 1.02}, False),
        ("cohere", {"logit_scale": 0.5}, False),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_serves_models_whose_logits_are_the_heads_own(kind, more, served, dtype):
    model = model_of(kind, **more).to(dtype)
    model.get_output_embeddings().weight.data *= 40  # logits of several units, as a trained model has them
    tokens = [Tokens([1, 2, 3, 4 + n, 5, 6], 3) for n in range(3)]
    way = packing.way_of(model, tokens, dtype, "cpu")
    assert (way.head is not None) == served


def test_a_head_that_is_more_than_a_linear_layer_is_left_alone():
    model = model_of("llama")
    assert linear_cross_entropy.of(model) is not None
    model.lm_head.register_forward_hook(lambda *_: None)
    assert linear_cross_entropy.of(model) is None
    model.set_output_embeddings(nn.Linear(16, WORDS))
    assert linear_cross_entropy.of(model) is None
