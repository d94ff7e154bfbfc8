"""Image LoRA files: sd-scripts', AUTOMATIC1111's and ComfyUI's format written and read, diffusers' read.

A file's layers are named by sd-scripts' keys (core.families.keys), LoHa's and LoKr's too; which of them a
pipeline's modules have, its family says. Knows nothing about training.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core import families
from core.families.keys import TEXT_ENCODER, TEXT_ENCODER_2, UNET, text_encoder_key, unet_key
from core.jobs import Mistake
from core.lora.layers import NAMES, Layer, build
from core.project import write_atomic

if TYPE_CHECKING:
    import torch

OWNERS = {"unet": UNET, "text_encoder": TEXT_ENCODER, "text_encoder_2": TEXT_ENCODER_2}  # in diffusers' files
PICKLED = (".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as read from disk: layers by sd-scripts' key, metadata as it stands in the file."""

    layers: dict[str, Layer]
    metadata: dict[str, str]


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

    Raises Mistake for a missing, damaged or pickled file, and for one that holds no LoRA this studio knows.
    """
    from safetensors import SafetensorError, safe_open

    if path.suffix.lower() in PICKLED:
        raise Mistake(
            "{path} is a pickled file, which can run any program when it is opened; "
            "use a .safetensors file instead.",
            path=path,
        )
    if not path.is_file():
        raise Mistake("There is no LoRA {path}; check the name.", path=path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise Mistake(
            "{path} can't be read as a LoRA ({reason}); get it again.", path=path, reason=error
        ) from None
    return LoraFile(_layers(path, tensors, metadata), metadata)


def trigger(path: Path) -> str:
    """The trigger phrase in a LoRA's metadata, empty where it names none."""
    return read(path).metadata.get("modelspec.trigger_phrase", "")


def _layers(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> dict[str, Layer]:
    parts: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        key, part = _split(name)
        diffusers = part == "dora_scale" and not name.endswith(part)  # by output row, whatever its shape
        parts.setdefault(key, {})[part] = tensor.flatten() if diffusers else tensor
    alphas = _adapter_alphas(metadata)
    layers = {}
    for key, found in parts.items():
        quotient = next((value for prefix, value in alphas.items() if key.startswith(prefix)), 1.0)
        layer = build(found, quotient)
        if layer is not None:
            layers[key] = layer
    if not layers:
        raise Mistake(
            "{path} holds no LoRA layers this studio knows; it may be a model or another kind of adapter.",
            path=path,
        )
    return layers


def _split(name: str) -> tuple[str, str]:
    """(sd-scripts' key, part) of a tensor's name in either format; an unknown name is its own key."""
    for part in NAMES:
        if name.endswith(f".{part}") and name.startswith("lora_"):
            return name[: -len(part) - 1], part
    match = re.fullmatch(
        r"(?:base_model\.model\.)?(unet|text_encoder|text_encoder_2)\.(.+?)(?:\.lora|\.lora_linear_layer|_lora)?"
        r"\.(lora_A|lora_B|down|up|lora_magnitude_vector|alpha)(?:\.default)?(?:\.weight)?",
        name,
    )
    if match is None:
        return name, ""
    owner, module, kind = match.groups()
    module = module.replace(".processor", "")  # diffusers' first format named the attention processor
    module = re.sub(r"\.to_out$", ".to_out.0", module)
    part = {
        "lora_A": "lora_down.weight",
        "down": "lora_down.weight",
        "lora_B": "lora_up.weight",
        "up": "lora_up.weight",
        "lora_magnitude_vector": "dora_scale",
        "alpha": "alpha",
    }[kind]
    return unet_key(module) if owner == "unet" else text_encoder_key(module, OWNERS[owner]), part


def _adapter_alphas(metadata: dict[str, str]) -> dict[str, float]:
    """The quotient alpha / rank by key prefix, from diffusers' adapter metadata; without it it is 1."""
    try:
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    found = {}
    for owner, prefix in OWNERS.items():
        alpha, rank = said.get(f"{owner}.lora_alpha"), said.get(f"{owner}.r")
        if alpha and rank:
            found[prefix] = alpha / rank
    return found


def modules_by_key(pipeline: Any) -> dict[str, Any]:
    """The pipeline's linear layers and convolutions by each of their keys, seen through peft's wrappers."""
    import torch

    family = families.of(pipeline)
    return {
        key: module
        for name, model in families.models(pipeline).items()
        for path, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)) and ".lora_" not in path
        for key in family.keys(name, path.removesuffix(".base_layer"))
    }


def load_into(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> list[str]:
    """Adds LoRA files, each with its weight, to a pipeline's own weights, so that drawing costs nothing more.

    Gives the keys that have no place in this pipeline. Raises Mistake where none of a file's keys has one, or
    one has another shape: the LoRA was made for another kind of base model.
    """
    modules = modules_by_key(pipeline)
    lost: list[str] = []
    for path, weight in loras:
        layers = read(path).layers
        known = {key: layer for key, layer in layers.items() if key in modules}
        lost += sorted(layers.keys() - known.keys())
        if not known or not all(fits(modules[key], layer) for key, layer in known.items()):
            raise Mistake(
                "{path} was made for another kind of base model; train or choose one for this base.",
                path=path,
            )
        for key, layer in known.items():
            fuse(modules[key], layer, weight)
    return lost


@contextlib.contextmanager
def fused(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> Iterator[list[str]]:
    """`load_into` for the length of a `with`; the pipeline's weights are put back bit by bit."""
    modules = modules_by_key(pipeline)
    keys = {key for path, _ in loras for key in read(path).layers if key in modules}
    before = {key: modules[key].weight.detach().clone() for key in keys}
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
        old = module.weight.float()
        new = old + layer.delta().to(old.device).view_as(old)
        if layer.dora_scale is not None:
            new = _at_length(new, layer.dora_scale.float().to(old.device))
        module.weight.copy_((old + weight * (new - old)).to(module.weight.dtype))


def _at_length(weight: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """DoRA (Liu 2024): the weight's direction at the learnt lengths, by output row.

    Lengths of [1, in, …], which LyCORIS writes, are by input channel.
    """
    import torch

    by_input = lengths.numel() != len(weight) or (lengths.dim() > 1 and lengths.shape[0] == 1)
    over = [axis for axis in range(weight.dim()) if axis != int(by_input)]
    length = torch.linalg.vector_norm(weight, dim=over, keepdim=True)
    return weight / length * lengths.reshape(length.shape)
