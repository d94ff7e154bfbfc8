"""LoRA's linear layers, forward and backward, in as few operations as they take.

peft casts a layer's input to the LoRA's fp32 and autocast casts it back, then multiplies, scales and adds
one after another, and backward undoes each of them. Here base and LoRA are one function whose gradients are
written out: y = x·Wᵗ + b + s·(x·Aᵗ)·Bᵗ; layers that are given the same input (query, key and value; gate
and up) are one together, which multiplies it by their A's and adds up its gradient once. A step of a small
model, whose time goes into the number of operations, takes a fifth less (measured, SmolLM2-135M); on all
models the input is held once rather than once for each layer that reads it. Layers that are more than that
(dropout, DoRA, other networks, 4-bit bases, merged) stay peft's.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Layers of a language model that its other layers ask one after another with the same input.
TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


def put_on(model: Any) -> int:
    """Has peft's LoRA layers of a model computed so wherever they can be; the number of layers."""
    groups = {
        id(layer): group
        for module in model.modules()
        for group in map(_Group, _together(module))
        for layer in group.layers
    }
    found = [layer for layer in model.modules() if _serves(layer)]
    for layer in found:
        group = groups.get(id(layer)) or _Group([layer])
        layer.forward = functools.partial(_forward, layer, group, layer.forward)
    return len(found)


def take_off(model: Any) -> None:
    """Leaves the model's layers to peft again: a compiler sees through peft's operations and fuses them."""
    for layer in model.modules():
        if isinstance(vars(layer).get("forward"), functools.partial):
            del layer.forward


def _serves(layer: Any) -> bool:
    import torch
    from peft.tuners.lora import Linear

    return isinstance(layer, Linear) and type(layer.get_base_layer()) is torch.nn.Linear


def _together(module: Any) -> list[list[Any]]:
    """A module's layers that share an input, by group."""
    named = [[getattr(module, name, None) for name in names] for names in TOGETHER]
    groups = [[layer for layer in layers if _serves(layer)] for layers in named]
    return [layers for layers in groups if len(layers) > 1]


@dataclass
class _Group:
    """Layers that share an input; outputs for `given` that haven't been asked for yet wait in `made`."""

    layers: list[Any]
    given: torch.Tensor | None = None
    made: dict[int, torch.Tensor] = field(default_factory=dict)

    def output(self, layer: Any, x: torch.Tensor) -> torch.Tensor | None:
        """A layer's output [..., out] for x [..., in]; None where one of them is more than a plain LoRA."""
        if self.given is not x or id(layer) not in self.made:
            parts = [_parts(each, x) for each in self.layers]
            if None in parts:
                return None
            self.made = dict(zip(map(id, self.layers), _apply(x, parts), strict=True))  # type: ignore[arg-type]
        out = self.made.pop(id(layer))
        self.given = x if self.made else None
        return out


def _forward(
    layer: Any, group: _Group, pefts: Any, x: torch.Tensor, *args: Any, **kwargs: Any
) -> torch.Tensor:
    """The layer's output; peft's own where more than one plain LoRA is on."""
    out = None if args or kwargs else group.output(layer, x)
    made: torch.Tensor = pefts(x, *args, **kwargs) if out is None else out
    return made


def _parts(layer: Any, x: torch.Tensor) -> tuple[Any, ...] | None:
    """A plain LoRA layer's weight and bias in the numbers it computes with, its A, B and strength."""
    import torch

    adapter = _plain(layer)
    if adapter is None:
        return None
    base, held = layer.base_layer, x.device.type
    dtype = torch.get_autocast_dtype(held) if torch.is_autocast_enabled(held) else x.dtype
    weight, bias = (w if w is None or w.dtype == dtype else w.to(dtype) for w in (base.weight, base.bias))
    return weight, bias, layer.lora_A[adapter].weight, layer.lora_B[adapter].weight, layer.scaling[adapter]


def _apply(x: torch.Tensor, parts: list[tuple[Any, ...]]) -> tuple[torch.Tensor, ...]:
    """The outputs of layers with these parts for the same x."""
    weights, biases, downs, ups, scales = zip(*parts, strict=True)
    made: tuple[torch.Tensor, ...] = _linear_function().apply(
        x.to(weights[0].dtype), scales, *weights, *biases, *downs, *ups
    )
    return made


def _plain(layer: Any) -> str | None:
    """The name of a layer's one active adapter, where that is a plain LoRA without dropout."""
    import torch

    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return None
    (name,) = layer.active_adapters
    if name not in layer.lora_A or name in layer.lora_variant or layer.lora_bias.get(name):
        return None
    dropout = layer.lora_dropout[name]
    return name if isinstance(dropout, torch.nn.Identity) or not dropout.training else None


@functools.cache
def _linear_function() -> Any:
    """The function of torch's autograd, made at first use: the window starts without torch."""
    import torch

    def by_kind(tensors: tuple[Any, ...], count: int) -> list[tuple[Any, ...]]:
        return [tensors[at : at + count] for at in range(0, len(tensors), count)]

    class Fused(torch.autograd.Function):
        """Base and LoRA of layers with one input at once; the bases' weights and biases get no gradient.

        A's and B's are used in x's numbers and get gradients in their own.
        """

        @staticmethod
        def forward(ctx: Any, x: Any, scales: tuple[float, ...], *tensors: Any) -> Any:
            weights, biases, downs, ups = by_kind(tensors, len(scales))
            ctx.shape, ctx.scales, ctx.trained = x.shape, scales, [t.dtype for t in (*downs, *ups)]
            ups = tuple((up if s == 1 else up * s).to(x.dtype) for up, s in zip(ups, scales, strict=True))
            ctx.ranks = [len(down) for down in downs]
            down = torch.cat([down.to(x.dtype) for down in downs])
            rows = x.reshape(-1, x.shape[-1])
            inner = rows @ down.t()
            ctx.save_for_backward(rows, inner, down, *weights, *ups)
            made = []
            for weight, bias, up, mine in zip(weights, biases, ups, inner.split(ctx.ranks, 1), strict=True):
                out = torch.nn.functional.linear(rows, weight, bias).addmm_(mine, up.t())
                made.append(out.view(*x.shape[:-1], out.shape[-1]))
            return tuple(made)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            rows, inner, down, *tensors = ctx.saved_tensors
            weights, ups = by_kind(tensors, len(ctx.scales))
            gs = [g.reshape(-1, g.shape[-1]) for g in gradients]
            through = torch.empty_like(inner)
            for g, up, mine in zip(gs, ups, through.split(ctx.ranks, 1), strict=True):
                torch.mm(g, up, out=mine)
            of_x = None
            if ctx.needs_input_grad[0]:
                of_x = gs[0] @ weights[0]
                for g, weight in zip(gs[1:], weights[1:], strict=True):
                    of_x.addmm_(g, weight)
                of_x = of_x.addmm_(through, down).view(ctx.shape)
            of_downs = (through.t() @ rows).split(ctx.ranks)
            of_ups = [g.t() @ mine for g, mine in zip(gs, inner.split(ctx.ranks, 1), strict=True)]
            of_lora = [g.to(dtype) for g, dtype in zip((*of_downs, *of_ups), ctx.trained, strict=True)]
            for of_up, scale in zip(of_lora[len(ups) :], ctx.scales, strict=True):
                if scale != 1:
                    of_up.mul_(scale)
            return of_x, None, *[None] * (2 * len(ups)), *of_lora

    return Fused
