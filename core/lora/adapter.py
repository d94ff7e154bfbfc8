"""The LoRA on a Stable Diffusion pipeline: put on, gone on from an earlier one, switched off, read out.

Works on the pipeline's UNet and text encoder; knows nothing about pictures or how it is trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "proj_in", "proj_out")
ALL_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", *CONVOLUTIONS)
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


def wanted_targets(settings: ImageTraining) -> list[str]:
    """The settings' layers by the UNet's own names, whether it has them or not."""
    wanted = [KNOWN_TARGETS.get(name, name) for name in settings.target_modules]
    return list(dict.fromkeys(ALL_TARGETS if "all" in wanted else wanted))


def targets(settings: ImageTraining, unet: Any) -> list[str]:
    """Names of the UNet's layers that get a LoRA; `all` means attention, feed-forward and convolutions.

    Raises Mistake for a name that no layer has.
    """
    names = [module for module, _ in unet.named_modules()]
    wanted = wanted_targets(settings)
    for name in wanted:
        if not any(module.endswith(f".{name}") for module in names) and name not in ALL_TARGETS:
            raise Mistake(
                "The picture base has no layer {target}; target_modules can be {known} or all.",
                target=name,
                known=", ".join(ALL_TARGETS),
            )
    return wanted


def add_loras(pipeline: Any, settings: ImageTraining, dtype: torch.dtype) -> None:
    """Puts the LoRA into the UNet (and text encoder): trained numbers in fp32, all else frozen in `dtype`."""
    from peft import LoraConfig, inject_adapter_in_model

    wanted = [(pipeline.unet, targets(settings, pipeline.unet))]
    if settings.train_text_encoder:
        wanted.append((pipeline.text_encoder, list(TEXT_TARGETS)))
    for model, names in wanted:
        model.requires_grad_(False)
        config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=names,
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
    for model, key in ((pipeline.unet, formats.unet_key), (pipeline.text_encoder, formats.text_encoder_key)):
        held = dict(model.named_parameters()) if model is not None else {}
        for name, down in held.items():
            layer = earlier.get(key(name.removesuffix(".lora_A.default.weight")))
            if layer is None or not name.endswith(".lora_A.default.weight"):
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

    parts = (pipeline.unet, pipeline.text_encoder)
    layers = [
        m for part in parts if part is not None for m in part.modules() if isinstance(m, BaseTunerLayer)
    ]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def layers(unet: Any, text_encoder: Any | None, alpha: float) -> dict[str, formats.Layer]:
    """The LoRA on a UNet, and on a text encoder where one is given, by sd-scripts' key."""
    found = _layers(unet, formats.unet_key, alpha)
    return found if text_encoder is None else found | _layers(text_encoder, formats.text_encoder_key, alpha)


def _layers(model: Any, key: Any, alpha: float) -> dict[str, formats.Layer]:
    held = dict(model.named_parameters())
    return {
        key(name.removesuffix(".lora_A.default.weight")): formats.Layer(
            down, held[name.replace(".lora_A.", ".lora_B.")], alpha, dora_scale=held.get(_magnitude(name))
        )
        for name, down in held.items()
        if name.endswith(".lora_A.default.weight")
    }


def _magnitude(down: str) -> str:
    """DoRA's parameter beside that of a `down` matrix."""
    return down.replace(".lora_A.", ".lora_magnitude_vector.")


def freeze(model: Any, dtype: torch.dtype) -> None:
    """Frozen weights in `dtype`, trained ones in fp32."""
    import torch

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)
