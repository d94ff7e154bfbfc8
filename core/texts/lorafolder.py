"""A text LoRA's folder as it is read: its configuration, its weights, and how it is put on a language model.

Works on peft's folders of any program. Knows nothing about training or what the model is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, weights
from core.jobs import Mistake

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's adapter_config.json. Raises Mistake where it isn't a text LoRA, or a damaged one."""
    if not (folder / CONFIG).is_file():
        raise Mistake(
            "{folder} is not a text LoRA (it has no adapter_config.json); give a PEFT folder.", folder=folder
        )
    said = weights.read_json(folder / CONFIG)
    if not {"r", "lora_alpha"} <= said.keys():
        raise Mistake(
            "{path} tells no rank and alpha, so it is no LoRA's; give another folder.", path=folder / CONFIG
        )
    return said


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The LoRA's matrices by peft's names. Raises Mistake where they are missing, damaged or no numbers."""
    if not (folder / WEIGHTS).is_file():
        raise Mistake("{path} is not a text LoRA (it has no adapter_model.safetensors).", path=folder)
    return weights.read(folder / WEIGHTS)[0]


def put_on(model: Any, folder: Path, base: str, name: str = "default") -> Any:
    """The language model `base` with the LoRA on it, as its adapter `name`; on top of those it has already.

    Raises Mistake where the folder is no text LoRA, a damaged one, or one of another model.
    """
    from peft import PeftModel

    read_config(folder)
    read_weights(folder)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=name)
            return model
        return PeftModel.from_pretrained(model, str(folder), adapter_name=name).eval()
    except Exception as error:  # what its configuration says may be of any kind
        if device.out_of_memory(error):
            raise
        raise Mistake(
            "The text LoRA {folder} doesn't fit the language model {base}; train it again on this one.",
            folder=folder,
            base=base,
        ) from error
