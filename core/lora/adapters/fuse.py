"""An image LoRA's numbers on a pipeline: as layers beside the weights, or added to them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core import families
from core.bases import picture_base
from core.families.family import Family
from core.lora.adapters import key_names
from core.lora.adapters.image_file import read
from core.lora.adapters.layers import Layer, by_row, merged
from core.messages import Mistake, Sentence


def modules_by_key(pipeline: Any) -> dict[str, Any]:
    """The pipeline's linear layers and convolutions by each of their keys, seen through peft's wrappers."""
    return {key: module for name, path, module in modules_of(pipeline) for key in keys(pipeline, name, path)}


def modules_of(pipeline: Any) -> Iterator[tuple[str, str, Any]]:
    """(the pipeline's attribute, path, module) of each linear layer and convolution of its models."""
    import torch

    for name, model in families.models(pipeline).items():
        for path, module in model.named_modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)) and ".lora_" not in path:
                yield name, path.removesuffix(".base_layer"), module


def keys(pipeline: Any, model: str, path: str) -> tuple[str, ...]:
    """All keys of a layer in LoRA files: its family's, the one that is written first, and diffusers'."""
    return spelled(families.of(pipeline), model, path)


def spelled(family: Family, model: str, path: str) -> tuple[str, ...]:
    """The same by the family alone."""
    return (*family.keys(model, path), *key_names.dotted(model, path, model == family.BACKBONE))


def load_into(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> list[Sentence]:
    """Adds LoRA files, each with its weight, to a pipeline's own weights, so that drawing costs nothing more.

    Gives what is to be told of the parts that are left out. Raises Mistake where none of a file's keys has a
    place in this pipeline, or one has another shape: the LoRA was made for another kind of base model.
    """
    modules = modules_by_key(pipeline)
    told: list[Sentence] = []
    for path, weight in loras:
        held = read(path)
        layers = held.layers
        known = {key: layer for key, layer in layers.items() if key in modules}
        if len(known) < len(layers):
            told.append(
                Sentence(
                    "{count} of {all} layers of {name} have no place in this base and are left out.",
                    count=len(layers) - len(known),
                    all=len(layers),
                    name=path.name,
                )
            )
        told += held.left_out(path)
        if not known or not all(fits(modules[key], layer) for key, layer in known.items()):
            raise Mistake(
                "{path} was made for another kind of base model; train or choose one for this base.",
                path=path,
            )
        for key, layer in known.items():
            fuse(modules[key], layer, weight)
    return told


def check(base: str, path: Path) -> None:
    """Raises Mistake where a LoRA file is damaged, or was made for another kind of picture base.

    By the base's configuration alone, before anything is loaded; one that isn't here yet is not compared.
    """
    layers = read(path).layers
    config = picture_base.read_config(base)
    if config is None:
        return
    family, side = config.family, config.family.side_unit(config.parts)
    sizes = {
        key: (layer.fan_out, layer.fan_in * layer.area)
        for block in family.blocks(config.parts, (side, side))
        for layer in block.layers
        if layer.fan_in
        for key in spelled(family, family.BACKBONE, layer.name)
    }
    backbone = {key: layer for key, layer in layers.items() if key in sizes}
    texts = [key for key in layers if "text" in key.split(".")[0] or key.startswith("lora_te")]
    if (not backbone and not texts) or any(layer.size != sizes[key] for key, layer in backbone.items()):
        raise Mistake(
            "{path} was made for another kind of base model; train or choose one for this base.", path=path
        )


@contextlib.contextmanager
def fused(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> Iterator[list[Sentence]]:
    """`load_into` for the length of a `with`; the pipeline's weights are put back bit by bit.

    Raises Mistake as that does.
    """
    before = plain_weights(pipeline, loras)
    try:
        yield load_into(pipeline, loras)
    finally:
        for module, weight in before:
            module.weight.data.copy_(weight)


def plain_weights(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> list[tuple[Any, Any]]:
    """The modules that LoRA files change, each with a copy of its weight as it stands."""
    modules = modules_by_key(pipeline)
    changed = {
        id(modules[key]): modules[key] for path, _ in loras for key in read(path).layers if key in modules
    }
    return [(module, module.weight.detach().clone()) for module in changed.values()]


def fits(module: Any, layer: Layer) -> bool:
    """Whether a layer's addition has the size of its module's weight, and its lengths their number."""
    weight, lengths = module.weight, layer.dora_scale
    if layer.size != (weight.shape[0], weight[0].numel()):
        return False
    return lengths is None or by_row(lengths, len(weight)) or lengths.numel() == weight.shape[1]


def fuse(module: Any, layer: Layer, weight: float) -> None:
    """Adds `weight` times a layer's delta to its module's weight, reckoned in fp32."""
    import torch

    with torch.no_grad():
        module.weight.copy_(merged(module.weight, layer, weight).to(module.weight.dtype))
