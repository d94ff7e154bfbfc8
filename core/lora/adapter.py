"""The LoRA on a picture base's pipeline: put on, gone on from an earlier one, switched off, read out.

Works on the pipeline's backbone and text encoders; knows nothing about pictures or how it is trained.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import families
from core.jobs import Mistake
from core.lora import formats
from core.lora.earlier import put, refit
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch

KNOWN_TARGETS = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "out_proj": "to_out.0",
}
DOWN = ".lora_A.default.weight"  # how peft ends the name of a `down` matrix


def meant(wanted: Sequence[str], layers: Sequence[str]) -> list[str]:
    """Target modules by the backbone's own names, whether it has them or not; `all`: all of `layers`."""
    named = [KNOWN_TARGETS.get(name, name) for name in wanted]
    return list(dict.fromkeys(layers if "all" in named else named))


def targets(wanted: Sequence[str], backbone: Any, layers: Sequence[str]) -> list[str]:
    """Names of the backbone's layers that get a LoRA; `all` means all of the family's `layers`.

    Raises Mistake for a name that no layer has.
    """
    names = [module for module, _ in backbone.named_modules()]
    wanted = meant(wanted, layers)
    for name in wanted:
        if not any(module.endswith(f".{name}") for module in names) and name not in layers:
            raise Mistake(
                "The picture base has no layer {target}; target_modules can be {known} or all.",
                target=name,
                known=", ".join(layers),
            )
    return wanted


def add_loras(pipeline: Any, settings: ImageTraining, dtype: torch.dtype) -> None:
    """Puts the LoRA into the models that the pipeline holds: backbone, and text encoders that are trained.

    Trained numbers are fp32, all else is frozen in `dtype`.
    """
    from peft import LoraConfig, inject_adapter_in_model

    family = families.of(pipeline)
    for name, model in families.models(pipeline).items():
        backbone = name == family.BACKBONE
        model.requires_grad_(False)
        config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=targets(settings.target_modules, model, family.LAYERS)
            if backbone
            else family.text_layers(name, model.config.to_dict()),
            use_dora=settings.network == "dora",
        )
        inject_adapter_in_model(config, model)
        freeze(model, dtype)
        model.train()
    if settings.continue_from:
        _continue(pipeline, settings, settings.continue_from)
    pipeline.vae.requires_grad_(False)


def _continue(pipeline: Any, settings: ImageTraining, path: Path) -> None:
    """Puts an earlier LoRA's numbers into the new one. Raises Mistake where none of its layers fits."""
    earlier = formats.read(path).layers
    scale, found = settings.alpha / settings.lora_rank, 0
    family = families.of(pipeline)
    for model_name, model in families.models(pipeline).items():
        held = dict(model.named_parameters())
        for name, down in held.items():
            if not name.endswith(DOWN):
                continue
            keys = family.keys(model_name, name.removesuffix(DOWN))
            layer = next((earlier[key] for key in keys if key in earlier), None)
            if layer is None:
                continue
            up = held[name.replace(".lora_A.", ".lora_B.")]
            if layer.down.shape[1:] != down.shape[1:] or layer.up.shape[0] != up.shape[0]:
                continue
            new = refit(layer.down, layer.up, layer.alpha / layer.rank, settings.lora_rank, scale)
            put(down, new[0])
            put(up, new[1])
            length = held.get(_magnitude(name))
            if length is not None and layer.dora_scale is not None:
                put(length, layer.dora_scale.reshape(length.shape))
            found += 1
    if not found:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=path
        )


@contextlib.contextmanager
def without_lora(pipeline: Any) -> Iterator[None]:
    """Within it the base draws alone."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    models = families.models(pipeline).values()
    layers = [layer for model in models for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def layers(pipeline: Any, alpha: float) -> dict[str, formats.Layer]:
    """The LoRA on a pipeline's models, by the key that its family writes."""
    family = families.of(pipeline)
    found: dict[str, formats.Layer] = {}
    for model_name, model in families.models(pipeline).items():
        held = dict(model.named_parameters())
        for name, down in held.items():
            if name.endswith(DOWN):
                key, *_ = family.keys(model_name, name.removesuffix(DOWN))
                up, length = held[name.replace(".lora_A.", ".lora_B.")], held.get(_magnitude(name))
                found[key] = formats.Layer(down, up, alpha, dora_scale=length)
    return found


def difference(pipeline: Any, filed: dict[str, formats.Layer]) -> float:
    """How far a file's layers are from the LoRA on the pipeline: the largest relative error of a layer.

    What the one adds is reckoned by peft, the other by `formats`. Infinity where their keys differ.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    modules: dict[str, Any] = {
        key: module
        for name, model in families.models(pipeline).items()
        for path, module in model.named_modules()
        if isinstance(module, LoraLayer)
        for key in families.of(pipeline).keys(name, path)[:1]
    }
    if modules.keys() != filed.keys():
        return math.inf
    errors = [0.0]
    with torch.no_grad():
        for key, module in modules.items():
            pairs = [(module.get_delta_weight("default").flatten(1).cpu(), filed[key].delta())]
            if "default" in module.lora_magnitude_vector:
                length = filed[key].dora_scale
                trained = module.lora_magnitude_vector["default"].weight.flatten().cpu()
                pairs.append((trained, torch.zeros(1) if length is None else length.float().flatten()))
            errors += [float((b - a).norm() / a.norm().clamp_min(1e-30)) for a, b in pairs]
    return max(errors)


def _magnitude(down: str) -> str:
    """DoRA's parameter beside that of a `down` matrix."""
    return down.replace(".lora_A.", ".lora_magnitude_vector.")


def freeze(model: Any, dtype: torch.dtype) -> None:
    """Frozen weights in `dtype`, trained ones in fp32."""
    import torch

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)
