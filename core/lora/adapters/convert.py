"""Writes an image LoRA in another program's format: diffusers' with its adapter metadata, or sd-scripts'.

Reads any file that the studio reads; what a layer is called in the other format, the base's models say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, families
from core.bases import picture_base
from core.lora.adapters import fuse, image_file, key_names, versions
from core.lora.adapters.layers import Layer, Lora, apart, by_row
from core.messages import Mistake
from core.progress import Progress
from core.project import unused, write_atomic
from core.settings.lora_jobs import ExportSettings
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

ERROR = 1e-3  # relative, of what a layer adds
OF_THE_FILE = (
    "sshs_",
    "modelspec.hash",
    key_names.ADAPTER,
)  # metadata that another file has anew or not at all


def export(settings: ExportSettings) -> Iterator[Progress]:
    """Writes `settings.lora` in `settings.format`; the last report's `result` is the new file.

    The file is read again, and each layer must add what it added before. Raises Mistake where the LoRA
    doesn't fit its base, or is of a network that the format has no place for.
    """
    held = image_file.read(settings.lora)
    training = versions.training(settings.lora, ImageTraining)
    base = versions.base(settings.lora, settings.base, training)
    target = settings.output or settings.lora.with_name(f"{settings.lora.stem}_{settings.format}.safetensors")
    target = unused(target)
    yield Progress("Loading the base model")
    pipeline = picture_base.load(base)
    places = _placed(pipeline, settings.lora, held.layers)
    yield from (Progress("Saving the LoRA", text=line) for line in held.left_out(settings.lora))
    if lost := len(held.layers) - len(places):
        yield Progress("Saving the LoRA", text=f"{lost} layers have no place in {base} and are left out")
    said = {name: value for name, value in held.metadata.items() if not name.startswith(OF_THE_FILE)}
    if settings.format == "diffusers":
        _write_diffusers(target, settings.lora, places, said)
    else:
        layers = {fuse.keys(pipeline, *place)[0]: layer for place, layer in places.items()}
        names = families.of(pipeline).names(pipeline)
        image_file.write(target, layers, _least(layers, names) | said, _dtype(layers.values()))
    try:
        _check(pipeline, target, places)
    except Exception:
        target.unlink()
        raise
    del pipeline
    device.free()
    yield Progress("Done", text=f"{target.name}: {len(places)} layers, checked", result=target)


Place = tuple[str, str]  # the pipeline's attribute, the layer's path in it


def _placed(pipeline: Any, path: Path, layers: dict[str, Layer]) -> dict[Place, Layer]:
    """The layers by their place in the pipeline. Raises Mistake where none has one, or of another size."""
    found: dict[Place, Layer] = {}
    fit = True
    for model, inner, module in fuse.modules_of(pipeline):
        key = next((key for key in fuse.keys(pipeline, model, inner) if key in layers), None)
        if key is not None:
            found[model, inner] = _shaped(module, layers[key])
            fit = fit and fuse.fits(module, layers[key])
    if not found or not fit:
        raise Mistake(
            "{path} was made for another kind of base model; train or choose one for this base.", path=path
        )
    return found


def _shaped(module: Any, layer: Layer) -> Layer:
    """A LoRA's matrices with as many axes as its module's weight; lengths by row as one for each."""
    if not isinstance(layer, Lora) or layer.mid is not None:
        return layer
    kernel, lengths = module.weight.shape[1:], layer.dora_scale
    if lengths is not None and by_row(lengths, len(module.weight)):
        lengths = lengths.reshape(-1, *[1] * len(kernel))
    down = layer.down.reshape(layer.rank, *kernel) if layer.down[0].numel() == kernel.numel() else layer.down
    up = layer.up.reshape(len(layer.up), layer.rank, *[1] * (len(kernel) - 1))
    return Lora(down, up, layer.alpha, dora_scale=lengths)


def _write_diffusers(target: Path, lora: Path, places: dict[Place, Layer], said: dict[str, str]) -> None:
    """Layers under the pipeline's own names, alphas in peft's configuration.

    A text encoder's paths are written as the pipeline has them: programs add or drop `text_model`.
    """
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    for (model, path), layer in places.items():
        rows = layer.dora_scale is None or len(layer.dora_scale) == layer.size[0]
        if not isinstance(layer, Lora) or layer.mid is not None or not rows:
            raise Mistake(
                "{path} can't be written in diffusers' format, which holds LoRA, and DoRA with a length for "
                "each row, alone.",
                path=lora,
            )
        name = f"{model}.{path}"
        tensors[f"{name}.lora_A.weight"] = layer.down.contiguous()
        tensors[f"{name}.lora_B.weight"] = layer.up.contiguous()
        if layer.dora_scale is not None:
            shape = (1, -1, 1, 1) if layer.up.dim() > 2 else (-1,)
            tensors[f"{name}.lora_magnitude_vector.weight"] = layer.dora_scale.reshape(shape).contiguous()
    config: dict[str, Any] = {}
    for model in dict.fromkeys(model for model, _ in places):
        own = {path: layer for (other, path), layer in places.items() if other == model}
        config |= key_names.adapter_metadata(model, own)
    metadata = {**said, "format": "pt", key_names.ADAPTER: json.dumps(config, sort_keys=True)}
    write_atomic(target, save(tensors, metadata))


def _least(layers: dict[str, Layer], names: tuple[str, str]) -> dict[str, str]:
    """The metadata that programs need of a file which came without."""
    first = next(iter(layers.values()))
    return {
        "ss_v2": str(names[0] == "sd_v2"),
        "ss_base_model_version": names[0],
        "ss_network_module": "networks.lora" if isinstance(first, Lora) else "lycoris.kohya",
        "ss_network_dim": str(first.rank),
        "ss_network_alpha": str(first.alpha),
    }


def _dtype(layers: Any) -> torch.dtype:
    """The number format of the layers' tensors; fp32 where they have several, as some fit no other."""
    found = {tensor.dtype for layer in layers for tensor in layer.parts().values()}
    return found.pop() if len(found) == 1 else device.number_of("fp32")


def _check(pipeline: Any, target: Path, places: dict[Place, Layer]) -> None:
    """Raises RuntimeError where the file, read again, adds something else."""
    filed = image_file.read(target).layers
    for place, layer in places.items():
        again = next((filed[key] for key in fuse.keys(pipeline, *place) if key in filed), None)
        pairs = [] if again is None else [(layer.delta(), again.delta())]
        if again is not None and layer.dora_scale is not None and again.dora_scale is not None:
            pairs.append((layer.dora_scale.float().flatten(), again.dora_scale.float().flatten()))
        errors = [apart(held, before) for before, held in pairs]
        whole = len(pairs) == 1 + (layer.dora_scale is not None)
        if not whole or not all(error <= ERROR for error in errors):  # an error that is no number is one
            raise RuntimeError(f"{target} does not hold {'.'.join(place)} as it was")
