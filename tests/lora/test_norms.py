"""Norms in one function: transformers' own numbers and gradients; other kinds are left alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from core.lora.kernels import rms_norm

WIDTH = 24


class Centred(LlamaRMSNorm):
    """Named as the others, and another thing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(-1, keepdim=True))


def frozen(kind: type, dtype: torch.dtype = torch.float32) -> nn.Module:
    norm = kind(WIDTH, eps=1e-3)
    torch.manual_seed(0)
    norm.weight.data = torch.randn(WIDTH)
    return norm.to(dtype).requires_grad_(False)


def answers(norm: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    made = norm(x)
    (made.float() ** 3).sum().backward()
    return made.detach(), x.grad


@pytest.mark.parametrize("kind", [LlamaRMSNorm, Qwen3RMSNorm])
@pytest.mark.parametrize("shape", [(WIDTH,), (2, 3, WIDTH), (2, 5, 3, WIDTH)])
def test_output_and_gradient_are_those_of_transformers(kind, shape):
    plain, ours = nn.Sequential(frozen(kind)), nn.Sequential(frozen(kind))
    assert rms_norm.put_on(ours) == 1
    x = torch.randn(shape)
    before = x.clone()
    torch.testing.assert_close(answers(ours, x), answers(plain, x), rtol=1e-4, atol=1e-5)
    assert torch.equal(x, before)


def test_in_half_the_output_is_the_same_and_the_gradient_as_near():
    plain, ours = (nn.Sequential(frozen(LlamaRMSNorm, torch.bfloat16)) for _ in range(2))
    rms_norm.put_on(ours)
    x = torch.randn(50, WIDTH).bfloat16()
    truth = answers(copy.deepcopy(plain).float(), x.float())
    made, theirs = answers(ours, x), answers(plain, x)
    assert torch.equal(made[0], theirs[0]) and made[1].dtype == torch.bfloat16
    errors = [float((one[1].float() - truth[1]).norm()) for one in (made, theirs)]
    assert errors[0] < 1.2 * errors[1]


@pytest.mark.parametrize("kind", [GemmaRMSNorm, Centred])
def test_a_norm_of_another_kind_is_left_alone(kind):
    assert rms_norm.put_on(nn.Sequential(frozen(kind), nn.LayerNorm(WIDTH))) == 0


def test_a_norm_that_is_trained_is_left_alone_and_what_is_taken_off_is_transformers_again():
    model = nn.Sequential(frozen(LlamaRMSNorm), LlamaRMSNorm(WIDTH))
    assert rms_norm.put_on(model) == 1 and "forward" in vars(model[0])
    rms_norm.take_off(model)
    assert "forward" not in vars(model[0])
