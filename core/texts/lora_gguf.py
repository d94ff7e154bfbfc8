"""A text LoRA as llama.cpp reads it: peft's tensors under GGUF's names, with their strength in them.

Works on a PEFT folder and the header of the base's GGUF file. Nothing is merged; it takes a moment. Layout:
llama.cpp's convert_lora_to_gguf.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core import gguf_file
from core.messages import Mistake
from core.texts import lorafolder

if TYPE_CHECKING:
    import torch

# Architectures whose query and key rows GGUF keeps in transformers' order, and those that it pairs anew.
PLAIN = {"qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "starcoder2", "olmo2"}
PAIRED = {"llama"}
PAIRED_LAYERS = {"q_proj": "head_count", "k_proj": "head_count_kv"}


def speaks(lora: Path, base: Path) -> bool:
    """Whether llama.cpp can add the LoRA: of a known architecture, and a plain one."""
    said = lorafolder.read_config(lora)
    plain = not said.get("use_dora") and said.get("bias") in (None, "none")
    return (
        plain
        and not said.get("modules_to_save")
        and not said.get("fan_in_fan_out")
        and architecture(base) in PLAIN | PAIRED
    )


def architecture(base: Path) -> str:
    """The name of a GGUF file's architecture; empty for one that tells none."""
    try:
        keys = gguf_file.numbers(base)
    except (OSError, ValueError):
        return ""
    return next((key.partition(".")[0] for key in keys if key.endswith(".block_count")), "")


def write(lora: Path, base: Path, name: str, target: Path) -> None:
    """Writes the LoRA in `lora` for the GGUF file `base`, called `name`.

    Raises Mistake where the folder is no text LoRA, or one of another model.
    """
    import gguf
    import torch

    keys, kind = gguf_file.numbers(base), architecture(base)
    arch = next((known for known, said in gguf.MODEL_ARCH_NAMES.items() if said == kind), None)
    if arch is None or kind not in PLAIN | PAIRED:
        raise Mistake(
            "A text LoRA can't be put on {name} as it is; choose the model's folder instead.", name=name
        )
    names = gguf.get_tensor_name_map(arch, keys[f"{kind}.block_count"])
    shapes = gguf_file.shapes(base)
    with_strength: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for path, (down, up, scale) in lorafolder.read_layers(lora).items():
        place = f"{names.get_name(path)}.weight"
        if shapes.get(place) != (len(up), down.shape[-1]):
            raise Mistake(
                "The text LoRA {folder} doesn't fit the language model {base}; train it again on this one.",
                folder=lora,
                base=name,
            )
        up = up.to(torch.float32) * scale
        layer = path.rpartition(".")[2]
        if kind in PAIRED and layer in PAIRED_LAYERS:
            up = _paired(up, keys[f"{kind}.attention.{PAIRED_LAYERS[layer]}"])
        with_strength[place] = (down.to(torch.float32), up)
    file = gguf.GGUFWriter(target, kind)
    file.add_type("adapter")
    file.add_string("adapter.type", "lora")
    file.add_float32("adapter.lora.alpha", 0.0)  # so that nothing is multiplied once more
    for place, (down, up) in with_strength.items():
        file.add_tensor(f"{place}.lora_a", down.contiguous().numpy())
        file.add_tensor(f"{place}.lora_b", up.contiguous().numpy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def _paired(up: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query's or key's LoRA in GGUF's order: what rotates together in a head stands together."""
    rows, rank = up.shape
    return up.reshape(heads, 2, rows // heads // 2, rank).swapaxes(1, 2).reshape(rows, rank)
