"""How programs spell the tensors of an image LoRA's file: sd-scripts and its kin, diffusers in three ages.

A tensor's name is its layer's key and what it is of it. Keys of sd-scripts, LyCORIS, OneTrainer and
ai-toolkit have the layer's path with `_`; diffusers' are the pipeline's attribute and the path with dots,
which fits any family. Works on names and metadata alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from core.adapter_config import Strengths
from core.families.keys import UNET
from core.lora.adapters.layers import NAMES

ADAPTER = "lora_adapter_metadata"  # diffusers' name for peft's configuration in a file's metadata
LYCORIS = "lycoris_"  # LyCORIS' own wrapper, around the model that is trained
TEXT_MODEL = "text_model."  # a level of CLIP's text encoder that transformers 5.6 dropped
BY_ROW = ("magnitude", "lora_magnitude_vector")  # DoRA's lengths in ai-toolkit and in peft
SHOWN = 3

_ENDINGS = {
    "lora_A": "lora_down.weight",
    "down": "lora_down.weight",
    "lora_B": "lora_up.weight",
    "up": "lora_up.weight",
    "lora_magnitude_vector": "dora_scale",
    "magnitude": "dora_scale",
}
_DIFFUSERS = re.compile(rf"(.+)\.({'|'.join(_ENDINGS)})(?:\.default)?(?:\.weight)?")


def split(name: str) -> tuple[str, str]:
    """(layer's key, part as in layers.NAMES) of a tensor's name; an unknown name is its own key, part ""."""
    for part in NAMES:
        if name.endswith(f".{part}"):
            return _key(name[: -len(part) - 1]), part
    match = _DIFFUSERS.fullmatch(name)
    return (_key(match[1]), _ENDINGS[match[2]]) if match else (name, "")


def _key(said: str) -> str:
    if "." not in said:
        return UNET + said.removeprefix(LYCORIS) if said.startswith(LYCORIS) else said
    said = said.removeprefix("base_model.model.")
    said = re.sub(r"(\.lora|\.lora_linear_layer|_lora)$", "", said)
    said = said.replace(".processor", "")  # diffusers' first format named the attention processor
    return re.sub(r"\.to_out$", ".to_out.0", said)


def by_row(name: str) -> bool:
    """Whether a tensor holds DoRA's lengths by output row, whatever its shape."""
    return any(part in BY_ROW for part in name.split(".")[-3:])


def dotted(model: str, path: str, backbone: bool) -> tuple[str, ...]:
    """Diffusers' keys of a layer: `model` is the pipeline's attribute, `path` the layer's in it.

    A backbone's own file names no model; a text encoder's path comes with and without `text_model`.
    """
    if backbone:
        return f"{model}.{path}", path
    short = path.removeprefix(TEXT_MODEL)
    return f"{model}.{TEXT_MODEL}{short}", f"{model}.{short}"


def quotient(metadata: Mapping[str, str], key: str, rank: int) -> float:
    """Alpha / rank of a layer without an alpha of its own: by the file's adapter metadata, else 1.

    Raises ValueError, with a setting's name, where that makes no sense.
    """
    model, _, path = key.partition(".")
    text = metadata.get(ADAPTER) or "{}"
    if f"{model}.lora_alpha" in _adapter(text):
        return _strengths(text, f"{model}.").quotient(path, rank)
    return _strengths(text, "").quotient(key, rank)


@lru_cache(maxsize=8)
def _strengths(text: str, model: str) -> Strengths:
    """Those of the layers whose settings begin with `model`; made once for all of them."""
    said = _adapter(text)
    return Strengths({name.removeprefix(model): v for name, v in said.items() if name.startswith(model)})


@lru_cache(maxsize=4)
def _adapter(text: str) -> dict[str, Any]:
    """Peft's configuration in a file's metadata, read once for all layers; what is none says nothing."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def kinds(names: Iterable[str]) -> str:
    """What tensors are of, by the ends of their names, the most frequent first: `12 × diff_b`."""
    counted = Counter(_kind(name) for name in names).most_common()
    more = f", {len(counted) - SHOWN} more" if len(counted) > SHOWN else ""
    return ", ".join(f"{count} × {kind}" for kind, count in counted[:SHOWN]) + more


def _kind(name: str) -> str:
    first, _, rest = name.partition(".")
    flat = first.startswith(("lora_", LYCORIS)) or not rest
    return rest or first if flat else f"{first}…{rest.rpartition('.')[2]}"


def adapter_metadata(model: str, layers: Mapping[str, Any]) -> dict[str, Any]:
    """Peft's configuration of a model's layers (layers.Lora, by path), named as diffusers reads it.

    What most layers have is said once, the rest by pattern. Raises ValueError where only some have lengths.
    """
    if len(doras := {layer.dora_scale is not None for layer in layers.values()}) > 1:
        raise ValueError("lengths on some layers alone")
    ranks = {path: layer.rank for path, layer in layers.items()}
    alphas = {path: layer.alpha for path, layer in layers.items()}
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    said = {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {path: value for path, value in ranks.items() if value != rank},
        "alpha_pattern": {path: value for path, value in alphas.items() if value != alpha},
        "target_modules": sorted(layers),
        "use_dora": doras.pop(),
        "use_rslora": False,
        "bias": "none",
        "peft_type": "LORA",
    }
    return {f"{model}.{name}": value for name, value in said.items()}
