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
from core.lora import formats, networks
from core.lora.layers import Layer
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
    family = families.of(pipeline)
    for name, model in families.models(pipeline).items():
        backbone = name == family.BACKBONE
        model.requires_grad_(False)
        wanted = (
            targets(settings.target_modules, model, family.LAYERS)
            if backbone
            else family.text_layers(name, model.config.to_dict())
        )
        networks.put_on(model, settings, wanted)
        freeze(model, dtype)
        model.train()
    if settings.continue_from:
        _continue(pipeline, settings, settings.continue_from)
    pipeline.vae.requires_grad_(False)


def _continue(pipeline: Any, settings: ImageTraining, path: Path) -> None:
    """Starts the new LoRA from an earlier one. Raises Mistake where none of its layers fits."""
    earlier, found = formats.read(path).layers, 0
    for keys, module in _modules(pipeline):
        layer = next((earlier[key] for key in keys if key in earlier), None)
        if layer is None or not formats.fits(module.get_base_layer(), layer):
            continue
        if not networks.start(module, layer):
            raise Mistake(
                "{path} is of another network or rank, so network {network} at rank {rank} can't go on from "
                "it; take those, or network lora, which goes on from any.",
                path=path,
                network=settings.network,
                rank=settings.lora_rank,
            )
        found += 1
    if not found:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=path
        )


@contextlib.contextmanager
def without_lora(pipeline: Any) -> Iterator[None]:
    """Within it the base draws alone."""
    modules = [module for _, module in _modules(pipeline)]
    for module in modules:
        module.enable_adapters(False)
    try:
        yield
    finally:
        for module in modules:
            module.enable_adapters(True)


def layers(pipeline: Any) -> dict[str, Layer]:
    """The LoRA on a pipeline's models, by the key that its family writes."""
    return {keys[0]: networks.read(module) for keys, module in _modules(pipeline)}


def _modules(pipeline: Any) -> list[tuple[Sequence[str], Any]]:
    """(keys, peft's layer) of each layer with a LoRA on it; the key that is written comes first."""
    family = families.of(pipeline)
    return [
        (tuple(family.keys(name, path)), module)
        for name, model in families.models(pipeline).items()
        for path, module in networks.adapted(model)
    ]


def difference(pipeline: Any, filed: dict[str, Layer]) -> float:
    """How far a file's layers are from the LoRA on the pipeline: the largest relative error of a layer.

    What the one adds is reckoned by peft, the other by `layers`. Infinity where their keys differ.
    """
    import torch

    modules = {keys[0]: module for keys, module in _modules(pipeline)}
    if modules.keys() != filed.keys():
        return math.inf
    errors = [0.0]
    with torch.no_grad():
        for key, module in modules.items():
            delta = module.get_delta_weight(networks.ADAPTER).flatten(1).cpu()
            pairs = [(delta, filed[key].delta())]
            trained, length = networks.magnitude(module), filed[key].dora_scale
            if trained is not None:
                pairs.append(
                    (trained.flatten().cpu(), torch.zeros(1) if length is None else length.float().flatten())
                )
            errors += [float((b - a).norm() / a.norm().clamp_min(1e-30)) for a, b in pairs]
    return max(errors)


def freeze(model: Any, dtype: torch.dtype) -> None:
    """Frozen weights in `dtype`, trained ones in fp32."""
    import torch

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)
