"""Image LoRA files: sd-scripts', AUTOMATIC1111's and ComfyUI's format written, others' read too.

Layers go by the keys of their file (core.lora.adapters.key_names); which of them a pipeline's modules have,
its family says (core.families.keys). Knows nothing about training.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core import weights
from core.adapter_config import CONFIG, WEIGHTS
from core.lora.adapters import key_names
from core.lora.adapters.layers import Layer, build
from core.messages import Mistake, Sentence
from core.project import write_atomic

if TYPE_CHECKING:
    import torch


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
                kinds=key_names.kinds(self.unread),
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

    Raises Mistake for a missing, damaged or pickled file, one with numbers that are none or beyond all
    reckoning, and one that holds no LoRA this studio knows. Of what it gives, each layer's tensors go
    together.
    """
    weights.refuse_pickle(path)
    if not path.exists():
        raise Mistake("There is no LoRA {path}; check the name.", path=path)
    tensors, metadata = weights.read(path)
    if path.name == WEIGHTS and (beside := path.with_name(CONFIG)).is_file():
        metadata.setdefault(key_names.ADAPTER, json.dumps(weights.read_json(beside)))
    try:
        layers, unread = _layers(tensors, metadata)
    except ValueError as error:
        raise weights.senseless(path, str(error)) from None
    if not layers:
        raise Mistake(
            "{path} holds no LoRA layers this studio knows, only {kinds}; it may be a model or another kind "
            "of adapter.",
            path=path,
            kinds=key_names.kinds(unread) or 0,
        )
    for key, layer in layers.items():
        weights.check_product(layer.parts().values(), layer.alpha / (layer.rank or 1), path, key)
    return LoraFile(layers, metadata, tuple(unread))


def trigger(path: Path) -> str:
    """The trigger phrase in a LoRA's metadata, empty where it names none; reads no layers."""
    return weights.metadata(path).get("modelspec.trigger_phrase", "")


def about(path: Path) -> str:
    """What a LoRA's metadata says of it in words: its title, its description, its maker's comment."""
    said = weights.metadata(path)
    names = ("modelspec.title", "modelspec.description", "ss_training_comment", "ss_output_name")
    return " ".join(said.get(name, "") for name in names)


def _layers(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[dict[str, Layer], list[str]]:
    """The layers that the tensors make, by key, and the names of the tensors that make none."""
    parts: dict[str, dict[str, Any]] = {}
    names: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        key, part = key_names.split(name)
        parts.setdefault(key, {})[part] = tensor.flatten() if key_names.by_row(name) else tensor
        names.setdefault(key, []).append(name)
    layers = {}
    for key, found in parts.items():
        layer = build(found, partial(key_names.quotient, metadata, key))
        if layer is not None:
            layers[key] = layer
    return layers, sorted(name for key, found in names.items() if key not in layers for name in found)
