"""Image LoRA files: sd-scripts', AUTOMATIC1111's and ComfyUI's format written, others' read too.

Layers go by the keys of their file (core.lora.spellings); which of them a pipeline's modules have, its family
says (core.families.keys). Knows nothing about training.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core import families, weights
from core.jobs import Mistake, Sentence
from core.lora import spellings
from core.lora.layers import Layer, build, merged
from core.project import write_atomic

if TYPE_CHECKING:
    import torch

PICKLED = (".ckpt", ".pt", ".pth", ".bin")
PEFT = "adapter_model.safetensors"  # in a folder of peft's own, whose configuration stands beside it


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as read from disk: layers by their key, metadata as it stands in the file.

    unread: names of the tensors that are of a kind this studio doesn't know.
    """

    layers: dict[str, Layer]
    metadata: dict[str, str]
    unread: tuple[str, ...] = ()

    def left_out(self, path: Path) -> list[Sentence]:
        """What is to be told of the tensors that are unread."""
        if not self.unread:
            return []
        return [
            Sentence(
                "{name} also holds what this studio doesn't know and leaves out: {kinds}.",
                name=path.name,
                kinds=spellings.kinds(self.unread),
            )
        ]


def write(path: Path, layers: dict[str, Layer], metadata: dict[str, str], dtype: torch.dtype) -> Path:
    """Writes `layers` with `metadata` and the hashes that programs know a LoRA by; numbers in `dtype`."""
    import torch
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    for key, layer in layers.items():
        parts = layer.parts() | ({} if layer.dora_scale is None else {"dora_scale": layer.dora_scale})
        for name, tensor in parts.items():
            tensors[f"{key}.{name}"] = tensor.detach().to("cpu", dtype).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(layer.alpha, dtype=dtype)
    plain = {name: value for name, value in metadata.items() if name.startswith("ss_")}
    hashes = model_hashes(save(tensors, plain))
    spec = {"modelspec.hash_sha256": f"0x{hashes['sshs_model_hash']}"} if _has_spec(metadata) else {}
    return write_atomic(path, save(tensors, metadata | hashes | spec))


def _has_spec(metadata: dict[str, str]) -> bool:
    return any(name.startswith("modelspec.") for name in metadata)


def model_hashes(file: bytes) -> dict[str, str]:
    """sd-scripts' two hashes of a safetensors file: of all after the header, and the legacy one."""
    header = int.from_bytes(file[:8], "little") + 8
    return {
        "sshs_model_hash": hashlib.sha256(file[header:]).hexdigest(),
        "sshs_legacy_hash": legacy_hash(io.BytesIO(file)),
    }


def legacy_hash(file: BinaryIO) -> str:
    """The 8 digits by which AUTOMATIC1111 first knew a model: of 64 KiB, 1 MiB into its file."""
    file.seek(0x100000)
    return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def read(path: Path) -> LoraFile:
    """A LoRA file's layers and metadata.

    Raises Mistake for a missing, damaged or pickled file, one with numbers that are none, and one that holds
    no LoRA this studio knows.
    """
    if path.suffix.lower() in PICKLED:
        raise Mistake(
            "{path} is a pickled file, which can run any program when it is opened; "
            "use a .safetensors file instead.",
            path=path,
        )
    if not path.is_file():
        raise Mistake("There is no LoRA {path}; check the name.", path=path)
    tensors, metadata = weights.read(path)
    if path.name == PEFT and (beside := path.with_name("adapter_config.json")).is_file():
        metadata.setdefault(spellings.ADAPTER, json.dumps(weights.read_json(beside)))
    layers, unread = _layers(tensors, metadata)
    if not layers:
        raise Mistake(
            "{path} holds no LoRA layers this studio knows, only {kinds}; it may be a model or another kind "
            "of adapter.",
            path=path,
            kinds=spellings.kinds(unread) or 0,
        )
    return LoraFile(layers, metadata, tuple(unread))


def trigger(path: Path) -> str:
    """The trigger phrase in a LoRA's metadata, empty where it names none."""
    return read(path).metadata.get("modelspec.trigger_phrase", "")


def _layers(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[dict[str, Layer], list[str]]:
    """The layers that the tensors make, by key, and the names of the tensors that make none."""
    parts: dict[str, dict[str, Any]] = {}
    names: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        key, part = spellings.split(name)
        parts.setdefault(key, {})[part] = tensor.flatten() if spellings.by_row(name) else tensor
        names.setdefault(key, []).append(name)
    layers = {}
    for key, found in parts.items():
        layer = build(found, partial(spellings.quotient, metadata, key))
        if layer is not None:
            layers[key] = layer
    return layers, sorted(name for key, found in names.items() if key not in layers for name in found)


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
    family = families.of(pipeline)
    return (*family.keys(model, path), *spellings.dotted(model, path, model == family.BACKBONE))


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


@contextlib.contextmanager
def fused(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> Iterator[list[Sentence]]:
    """`load_into` for the length of a `with`; the pipeline's weights are put back bit by bit."""
    modules = modules_by_key(pipeline)
    changed = {key for path, _ in loras for key in read(path).layers if key in modules}
    before = {key: modules[key].weight.detach().clone() for key in changed}
    try:
        yield load_into(pipeline, loras)
    finally:
        for key, weight in before.items():
            modules[key].weight.data.copy_(weight)


def fits(module: Any, layer: Layer) -> bool:
    """Whether a layer's addition has the size of its module's weight."""
    return layer.size == (module.weight.shape[0], module.weight[0].numel())


def fuse(module: Any, layer: Layer, weight: float) -> None:
    """Adds `weight` times a layer's delta to its module's weight, reckoned in fp32."""
    import torch

    with torch.no_grad():
        module.weight.copy_(merged(module.weight, layer, weight).to(module.weight.dtype))
