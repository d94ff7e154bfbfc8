"""Image LoRA files: sd-scripts', AUTOMATIC1111's and ComfyUI's format written and read, diffusers' read.

A file's layers are named by sd-scripts' keys (core.families.keys); which of them a pipeline's modules have,
its family says. Scale = alpha / rank. Knows nothing about training.
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
from typing import TYPE_CHECKING, Any

from core import families
from core.families.keys import TEXT_ENCODER, TEXT_ENCODER_2, UNET, text_encoder_key, unet_key
from core.jobs import Mistake
from core.project import write_atomic

if TYPE_CHECKING:
    import torch

OWNERS = {"unet": UNET, "text_encoder": TEXT_ENCODER, "text_encoder_2": TEXT_ENCODER_2}  # in diffusers' files
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
PARTS = ("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale")


@dataclass(frozen=True)
class Layer:
    """One module's LoRA: down [r, in, …] and up [out, r, …]; `alpha` / r is its scale.

    `mid` [r, r, k, k] stands between them in some convolutions; `dora_scale` is DoRA's magnitude [out or in].
    """

    down: torch.Tensor
    up: torch.Tensor
    alpha: float
    mid: torch.Tensor | None = None
    dora_scale: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """Rows of `down`."""
        return self.down.shape[0]

    def delta(self) -> torch.Tensor:
        """What the layer adds to its module's weight at weight 1, in fp32, flattened to [out, in·k·k]."""
        import torch

        down, up = self.down.float().flatten(1), self.up.float().flatten(1)
        if self.mid is not None:
            # Tucker form of LoCon: up · mid · down, the kernel lives in mid.
            core = torch.einsum("or,rskl,si->oikl", up, self.mid.float(), down)
            return core.flatten(1) * (self.alpha / self.rank)
        return (up @ down) * (self.alpha / self.rank)


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
        tensors[f"{key}.lora_down.weight"] = layer.down.detach().to("cpu", dtype).contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.detach().to("cpu", dtype).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(layer.alpha, dtype=dtype)
        if layer.dora_scale is not None:  # one length for each output row: [out, 1], or [out, 1, 1, 1]
            lengths = layer.dora_scale.detach().to("cpu", dtype).flatten()
            tensors[f"{key}.dora_scale"] = lengths.reshape(-1, *[1] * (layer.up.dim() - 1)).contiguous()
    plain = {name: value for name, value in metadata.items() if name.startswith("ss_")}
    hashes = model_hashes(save(tensors, plain))
    spec = {"modelspec.hash_sha256": f"0x{hashes['sshs_model_hash']}"} if _has_spec(metadata) else {}
    return write_atomic(path, save(tensors, metadata | hashes | spec))


def _has_spec(metadata: dict[str, str]) -> bool:
    return any(name.startswith("modelspec.") for name in metadata)


def model_hashes(file: bytes) -> dict[str, str]:
    """sd-scripts' two hashes of a safetensors file: of all after the header, and the legacy one."""
    header = int.from_bytes(file[:8], "little") + 8
    old = io.BytesIO(file)
    old.seek(0x100000)
    return {
        "sshs_model_hash": hashlib.sha256(file[header:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(old.read(0x10000)).hexdigest()[:8],
    }


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
        parts.setdefault(key, {})[part] = tensor
    whole = {
        key: found
        for key, found in parts.items()
        if "lora_down.weight" in found and "lora_up.weight" in found
    }
    if not whole:
        raise Mistake(
            "{path} holds no LoRA layers this studio knows; it may be a model or another kind of adapter.",
            path=path,
        )
    alphas = _adapter_alphas(metadata)
    layers = {}
    for key, found in whole.items():
        rank = found["lora_down.weight"].shape[0]
        quotient = next((value for prefix, value in alphas.items() if key.startswith(prefix)), 1.0)
        alpha = float(found["alpha"]) if "alpha" in found else quotient * rank
        layers[key] = Layer(
            found["lora_down.weight"],
            found["lora_up.weight"],
            alpha,
            found.get("lora_mid.weight"),
            found.get("dora_scale"),
        )
    return layers


def _split(name: str) -> tuple[str, str]:
    """(sd-scripts' key, part) of a tensor's name in either format; an unknown name is its own key."""
    for part in PARTS:
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
        if not known or not all(_fits(modules[key], layer) for key, layer in known.items()):
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


def _fits(module: Any, layer: Layer) -> bool:
    out, inner = module.weight.shape[0], module.weight[0].numel()
    kernel = layer.mid[0, 0].numel() if layer.mid is not None else 1
    return layer.up.shape[0] == out and layer.down.flatten(1).shape[1] * kernel == inner


def fuse(module: Any, layer: Layer, weight: float) -> None:
    """Adds `weight` times a layer's delta to its module's weight, reckoned in fp32."""
    import torch

    with torch.no_grad():
        old = module.weight.float()
        new = old.flatten(1) + layer.delta().to(old.device)
        if layer.dora_scale is not None:
            # DoRA (Liu 2024): the direction W + delta at the learnt length, by output row or input column.
            scale = layer.dora_scale.float().to(old.device).flatten()
            axis = 1 if len(scale) == new.shape[0] else 0
            length = torch.linalg.vector_norm(new, dim=axis, keepdim=True)
            new = new / length * scale.reshape(length.shape)
        moved = old.flatten(1) + weight * (new - old.flatten(1))
        module.weight.copy_(moved.view_as(old).to(module.weight.dtype))
