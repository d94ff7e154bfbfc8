"""The optimizers that a LoRA can be trained with, by the settings' name, and their state as plain values.

One that can't run here falls back to AdamW and says so. Knows nothing about models or data.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core import device
from core.lora.engine.recipe import Group
from core.messages import Sentence
from core.settings.training import Training

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Chosen:
    """An optimizer, each group's learning rate at its height, and what is to be told about the choice."""

    optimizer: torch.optim.Optimizer
    rates: list[float]
    note: Sentence | None = None


def build(settings: Training, groups: Sequence[Group], place: torch.device) -> Chosen:
    """The settings' optimizer over the groups' parameters, on `place`."""
    import torch

    rates = [group.rate for group in groups]
    parts: list[dict[str, Any]] = [
        {"params": list(group.parameters.values()), "lr": group.rate} for group in groups
    ]
    decay = settings.weight_decay
    if settings.optimizer == "adafactor":
        # eps 1: the rate is not scaled by the weights' size, which is 0 in a new LoRA.
        return Chosen(torch.optim.Adafactor(parts, weight_decay=decay, eps=(None, 1.0)), rates)
    if settings.optimizer == "prodigy":
        from prodigyopt import Prodigy

        for part in parts:
            part["lr"] = 1.0
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its own result belongs
            found = Prodigy(parts, weight_decay=decay, safeguard_warmup=True, use_bias_correction=True)
        said = Sentence("Prodigy finds the learning rate itself: learning_rate is not used")
        return Chosen(found, [1.0] * len(parts), said)
    note = None
    if settings.optimizer == "adamw8bit":
        if device.bitsandbytes(place):
            from bitsandbytes.optim import AdamW8bit

            return Chosen(AdamW8bit(parts, weight_decay=decay), rates)
        note = Sentence(
            "8-bit AdamW needs an NVIDIA card and the package bitsandbytes in working order; plain AdamW is "
            "used instead"
        )
    fused = place.type in ("cuda", "cpu")
    return Chosen(torch.optim.AdamW(parts, weight_decay=decay, fused=fused), rates, note)


def tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The state's tensors by `<parameter's number>/<name>`."""
    return {name: value for name, value in _state(optimizer).items() if hasattr(value, "dtype")}


def scalars(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The rest of the state, and what each group holds in plain numbers (Prodigy's estimate, for one)."""
    plain = {name: value for name, value in _state(optimizer).items() if isinstance(value, int | float)}
    groups = [
        {name: value for name, value in group.items() if isinstance(value, int | float)}
        for group in optimizer.param_groups
    ]
    return {"state": plain, "groups": groups}


def load(optimizer: torch.optim.Optimizer, held: Mapping[str, torch.Tensor], rest: Mapping[str, Any]) -> None:
    """Puts what `tensors` and `scalars` gave back into a new optimizer over the same parameters."""
    whole = optimizer.state_dict()
    for name, value in {**held, **rest["state"]}.items():
        number, _, part = name.partition("/")
        whole["state"].setdefault(int(number), {})[part] = value
    for group, values in zip(whole["param_groups"], rest["groups"], strict=True):
        group.update(values | {"weight_decay": group["weight_decay"]})  # it may have been changed since
    optimizer.load_state_dict(whole)


def _state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        f"{number}/{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
