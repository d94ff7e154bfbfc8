"""Base and LoRA in one function: peft's own numbers and gradients, and peft's own path for all else."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from core.lora.kernels import lora_linear


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 7, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.nn.functional.silu(self.first(x)))


def pair(dtype: torch.dtype = torch.float32, **config: object) -> tuple[nn.Module, nn.Module]:
    """The same model twice: as peft runs it, and fused; no number of the LoRA is 0."""
    torch.manual_seed(0)
    model = Small()
    made = LoraConfig(r=4, lora_alpha=6, target_modules=["first", "second"], **config)
    inject_adapter_in_model(made, model)
    for name, p in model.named_parameters():
        p.requires_grad_("lora_" in name)
        p.data = torch.randn_like(p) * 0.3 if "lora_" in name else p.data.to(dtype)
    other = copy.deepcopy(model)
    assert lora_linear.put_on(other) == 2
    return model, other


def answers(model: nn.Module, x: torch.Tensor, mixed: bool = False) -> list[torch.Tensor]:
    """Output, the input's gradient, then each trained number's."""
    x = x.detach().clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        made = model(x)
    (made.float() ** 2).sum().backward()
    return [made.detach(), x.grad, *(p.grad for p in model.parameters() if p.requires_grad)]


def apart(ours: list[torch.Tensor], pefts: list[torch.Tensor]) -> float:
    assert [one.dtype for one in ours] == [one.dtype for one in pefts]
    return max(
        float((a.float() - b.float()).norm() / b.float().norm()) for a, b in zip(ours, pefts, strict=True)
    )


@pytest.mark.parametrize("shape", [(12,), (5, 12), (2, 3, 12), (2, 2, 3, 12)])
def test_output_and_gradients_are_pefts(shape: tuple[int, ...]) -> None:
    plain, ours = pair()
    x = torch.randn(shape)
    assert apart(answers(ours, x), answers(plain, x)) < 1e-5


def test_under_autocast_it_is_at_least_as_near_to_the_truth() -> None:
    x = torch.randn(64, 12)
    truth = answers(pair()[0], x)
    plain, ours = (answers(model, x, mixed=True) for model in pair(torch.bfloat16))
    assert [one.dtype for one in ours] == [one.dtype for one in plain]
    errors = [
        sum(float((a.float() - b).norm() / b.norm()) for a, b in zip(side, truth, strict=True))
        for side in (ours, plain)
    ]
    assert errors[0] < 1.05 * errors[1]


def test_without_the_lora_the_base_answers() -> None:
    plain, ours = pair()
    x = torch.randn(3, 12)
    for model in (plain, ours):
        for layer in (model.first, model.second):
            layer.enable_adapters(False)
    assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize("config", [{"use_dora": True}, {"lora_dropout": 0.5}, {"lora_bias": True}])
def test_what_is_more_than_a_plain_lora_is_left_to_peft(config: dict[str, object]) -> None:
    plain, ours = pair(**config)
    x = torch.randn(3, 12)
    made = []
    for model in (plain, ours):
        torch.manual_seed(1)
        made.append(answers(model, x))
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


def test_taken_off_it_is_pefts_again() -> None:
    plain, ours = pair()
    lora_linear.take_off(ours)
    assert "forward" not in vars(ours.first)
    x = torch.randn(3, 12)
    assert torch.equal(ours(x), plain(x))


def test_recomputed_activations_give_the_same_gradients() -> None:
    from torch.utils.checkpoint import checkpoint

    _, ours = pair()
    x = torch.randn(6, 12)
    whole = answers(ours, x)
    again = answers(copy.deepcopy(pair()[1]), x)
    assert apart(again, whole) == 0
    model = pair()[1]
    given = x.clone().requires_grad_()
    (checkpoint(model, given, use_reentrant=False) ** 2).sum().backward()
    assert torch.equal(given.grad, whole[1])


class Asked(nn.Module):
    """Three layers with one input, as attention has them; `apart` gives the third another."""

    def __init__(self, apart: bool = False) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(12, 20), nn.Linear(12, 7, bias=False)
        self.v_proj, self.apart = nn.Linear(12, 7), apart

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x * 2 if self.apart else x)], -1)


@pytest.mark.parametrize("apart_too", [False, True])
@pytest.mark.parametrize("targets", [("q_proj", "k_proj", "v_proj"), ("q_proj", "v_proj"), ("k_proj",)])
def test_layers_that_share_an_input_are_each_what_they_were(targets, apart_too):
    torch.manual_seed(0)
    model = Asked(apart_too)
    ranks = {"v_proj": 2} if "v_proj" in targets else {}
    config = LoraConfig(r=4, lora_alpha=6, target_modules=list(targets), rank_pattern=ranks)
    inject_adapter_in_model(config, model)
    for name, p in model.named_parameters():
        p.requires_grad_("lora_" in name)
        p.data = torch.randn_like(p) * 0.3
    plain, ours = model, copy.deepcopy(model)
    assert lora_linear.put_on(ours) == len(targets)
    for x in torch.randn(3, 5, 12):  # again and again: nothing of an earlier input may stay
        assert apart(answers(ours, x), answers(plain, x)) < 1e-5


def test_layers_that_share_an_input_share_its_multiplication(monkeypatch):
    torch.manual_seed(0)
    model = Asked()
    inject_adapter_in_model(LoraConfig(r=4, target_modules=["q_proj", "k_proj", "v_proj"]), model)
    lora_linear.put_on(model)
    asked = []
    applied = lora_linear._apply
    monkeypatch.setattr(lora_linear, "_apply", lambda x, parts: asked.append(len(parts)) or applied(x, parts))
    x = torch.randn(5, 12)
    model(x)
    model(x)
    assert asked == [3, 3]
    model.k_proj.merge()
    merged = model(x)  # one of them is peft's now: all are
    model.k_proj.unmerge()
    torch.testing.assert_close(merged, model(x))
