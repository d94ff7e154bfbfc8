"""peft's layers of each network: how one is asked for, read out, and started from an earlier one.

Works on one model's layers at a time; knows nothing about files or whole pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.lora.adapters.layers import Layer, Loha, Lokr, Lora, by_row, merged
from core.lora.adapters.refit import nearest, put, refit
from core.lora.kernels import lora_linear
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

ADAPTER = "default"  # peft's name for the one adapter


def config(settings: ImageTraining, targets: Sequence[str]) -> Any:
    """Peft's configuration of the settings' network on the layers `targets`.

    LoHa and LoKr drop rows of what they add instead of inputs, and the rest is made larger for it; their
    kernels are kept in Tucker form. A network adds nothing at first: a factor of each product is zero.
    """
    from peft import LoHaConfig, LoKrConfig, LoraConfig

    common: dict[str, Any] = {"r": settings.lora_rank, "target_modules": list(targets)}
    if settings.network in ("lora", "dora"):
        return LoraConfig(
            **common,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            use_dora=settings.network == "dora",
        )
    common |= {"alpha": settings.alpha, "rank_dropout": settings.dropout, "use_effective_conv2d": True}
    return (
        LoHaConfig(**common) if settings.network == "loha" else LoKrConfig(**common, rank_dropout_scale=True)
    )


def put_on(model: Any, settings: ImageTraining, targets: Sequence[str]) -> None:
    """Puts the settings' network on a model's layers `targets`.

    peft starts LoHa's first product so small that the second learns a tenth as fast as a LoRA at the same
    rate (measured). Here its numbers get the spread that makes the two alike: the second's other factors are
    larger than a LoRA's `down` by sqrt(in / r), or in Tucker form about as large.
    """
    import torch
    from peft import inject_adapter_in_model
    from peft.tuners.loha import LoHaLayer

    inject_adapter_in_model(config(settings, targets), model)
    lora_linear.put_on(model)
    for _, module in adapted(model):
        if isinstance(module, LoHaLayer):
            held = _held(module)
            first = [held[name] for name in ("hada_w1_a", "hada_w1_b", "hada_t1") if name in held]
            rank, columns = held["hada_w1_b"].shape
            spread = 1.0 if "hada_t1" in held else (rank / columns) ** 0.5
            summed = rank ** (len(first) - 1)  # products that make one number
            for parameter in first:
                torch.nn.init.normal_(parameter, std=(spread / summed**0.5) ** (1 / len(first)))


def adapted(model: Any) -> Iterator[tuple[str, Any]]:
    """(path, peft's layer) of each layer of a model that has a network on it."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return ((path, part) for path, part in model.named_modules() if isinstance(part, BaseTunerLayer))


def read(module: Any) -> Layer:
    """What peft's layer has learnt, as a file shall hold it; tensors of parameters are the parameters."""
    from peft.tuners.loha import LoHaLayer
    from peft.tuners.lokr import LoKrLayer

    if isinstance(module, LoHaLayer):
        return Loha(**_held(module), alpha=float(module.alpha[ADAPTER]))
    if isinstance(module, LoKrLayer):
        layer = Lokr(**_held(module), alpha=float(module.alpha[ADAPTER]))
        if layer.rank or layer.lokr_w1 is None:
            return layer
        # Programs add two whole matrices at scale 1, peft at alpha / rank; LyCORIS writes the rank as alpha.
        scaled = layer.lokr_w1 * module.scaling[ADAPTER]
        return replace(layer, lokr_w1=scaled, alpha=float(module.r[ADAPTER]))
    down, up = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    trained = magnitude(module)  # one for each output row: [out, 1], or [out, 1, 1, 1]
    length = None if trained is None else trained.flatten().reshape(-1, *[1] * (up.dim() - 1))
    return Lora(down, up, float(module.lora_alpha[ADAPTER]), dora_scale=length)


def magnitude(module: Any) -> torch.nn.Parameter | None:
    """DoRA's lengths on peft's layer; None where it has none."""
    vectors = getattr(module, "lora_magnitude_vector", {})
    return vectors[ADAPTER].weight if ADAPTER in vectors else None


def start(module: Any, earlier: Layer) -> bool:
    """Starts peft's layer from an earlier addition of its size; whether that could be done.

    A LoRA takes every kind: the nearest product of its own rank; a DoRA also the lengths that the earlier
    one gives the rows. The factors of LoHa and LoKr can't be found anew, so the earlier ones must have the
    same shapes.
    """
    if hasattr(module, "lora_A"):
        return _start_lora(module, earlier)
    old, held = earlier.parts(), _held(module)
    alike = {name: t.shape for name, t in old.items()} == {name: p.shape for name, p in held.items()}
    if not alike or earlier.dora_scale is not None:
        return False
    scale = earlier.alpha / earlier.rank if earlier.rank else 1.0
    first = next(iter(held))
    for name, parameter in held.items():
        put(parameter, old[name] * (scale / module.scaling[ADAPTER]) if name == first else old[name])
    return True


def _start_lora(module: Any, earlier: Layer) -> bool:
    """Lengths that the new layer can't have are folded into what it adds."""
    import torch

    down, up = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    scale, rank, length = module.scaling[ADAPTER], down.shape[0], magnitude(module)
    base = module.get_base_layer().weight.detach().float()
    whole, lengths = merged(base, earlier), earlier.dora_scale
    own = lengths is None or (length is not None and by_row(lengths, len(base)))
    plain = isinstance(earlier, Lora) and earlier.mid is None and earlier.down.shape[1:] == down.shape[1:]
    if isinstance(earlier, Lora) and plain and own:
        new_down, new_up = refit(earlier.down, earlier.up, earlier.alpha / earlier.rank, rank, scale)
    else:
        new_down, new_up = nearest((earlier.delta() if own else (whole - base).flatten(1)) / scale, rank)
    put(down, new_down.view_as(down))
    put(up, new_up.view_as(up))
    if length is not None:
        rows = torch.linalg.vector_norm(whole.flatten(1), dim=1) if lengths is None or not own else lengths
        put(length, rows.reshape(length.shape))
    return True


def trained(module: Any) -> list[torch.nn.Parameter]:
    """The parameters of peft's layer that are trained."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _held(module: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters of peft's LoHa or LoKr layer by LyCORIS' names, which peft gives them too."""
    found = ((name, getattr(module, name)) for name in module.adapter_layer_names)
    return {name: held[ADAPTER] for name, held in found if ADAPTER in held}
