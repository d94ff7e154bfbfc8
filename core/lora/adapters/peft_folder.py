"""The PEFT folder that a text LoRA is: its files, its strength and base, and how other programs load it.

Works on a folder's files; loads no model.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.adapter_config import CONFIG, WEIGHTS
from core.bases.places import EMBEDDED, LANGUAGE, named_by
from core.lineage import read_lineage
from core.project import replacing, write_atomic
from core.settings.training import TextTraining
from core.texts.lorafolder import read_config
from core.texts.template import FILE as TEMPLATE

if TYPE_CHECKING:
    import torch

CARD = "README.md"
EMBEDDED_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what its --max-lora-rank may be


def write(path: Path, tensors: Mapping[str, torch.Tensor], config: dict[str, Any], template: str) -> None:
    """Writes the folder: weights in fp32, configuration, chat template, and a card on how to use it.

    It appears whole, in place of one that stands there, such as one kept before a kill.
    """
    from safetensors.torch import save

    held = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as part:
        write_atomic(part / WEIGHTS, save(held, metadata={"format": "pt"}))
        write_atomic(part / CONFIG, json.dumps(config, indent=2) + "\n")
        write_atomic(part / TEMPLATE, template)
        shutil.rmtree(path, ignore_errors=True)
    write_atomic(path / CARD, card(path))


def config_of(settings: TextTraining) -> dict[str, Any]:
    """The fields of adapter_config.json that every reader knows; older ones refuse newer fields."""
    alpha = settings.alpha
    return {
        "auto_mapping": None,
        "base_model_name_or_path": base_name(settings.base_model),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": settings.dropout,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": settings.lora_rank,
        "revision": None,
        "target_modules": sorted(settings.target_modules),
        "task_type": "CAUSAL_LM",
    } | ({"use_rslora": True} if settings.use_rslora else {})


def scale(config: Mapping[str, Any]) -> float:
    """What a LoRA's product is multiplied by; rsLoRA divides by the rank's root (Kalajdzievski 2023)."""
    return config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])


def base_name(name: str) -> str:
    """A base's name as other programs know it."""
    return EMBEDDED_ID if name == EMBEDDED else name


def base_of(folder: Path) -> str:
    """The base that a LoRA was trained on, as `base_model` names it.

    Raises Mistake where its files name one that is not on this machine.
    """
    trained = read_lineage(folder).get("base_model")
    found = str(trained or read_config(folder).get("base_model_name_or_path") or EMBEDDED)
    if found == EMBEDDED_ID:
        return EMBEDDED
    return named_by(folder / CONFIG, found, LANGUAGE)


def vllm_line(folder: Path) -> str:
    """A command that serves base and LoRA with vLLM. Raises Mistake where it is no text LoRA."""
    config = read_config(folder)
    rank = next((known for known in VLLM_RANKS if known >= config["r"]), VLLM_RANKS[-1])
    path = folder.absolute()
    words = [
        *("vllm", "serve", str(config.get("base_model_name_or_path") or "BASE"), "--enable-lora"),
        *("--max-lora-rank", str(rank), "--lora-modules", f"{folder.name}={path}"),
        *("--chat-template", str(path / TEMPLATE)),
    ]
    return shlex.join(words)


def peft_line(folder: Path) -> str:
    """A line of Python that loads base and LoRA with transformers and peft."""
    path = str(folder.absolute())
    return f"from peft import AutoPeftModelForCausalLM as M; model = M.from_pretrained({path!r})"


def card(folder: Path) -> str:
    """README.md of a LoRA: what it is, on which base, and the lines that load it.

    Raises Mistake where it is no text LoRA.
    """
    config = read_config(folder)
    base = config["base_model_name_or_path"]
    rs = ", rank-stabilised" if config.get("use_rslora") else ""
    return f"""---
base_model: {json.dumps(base)}
library_name: peft
tags: [lora, text-generation]
---

# {folder.name}

A text LoRA of rank {config["r"]} (strength {scale(config):g}{rs}) for {base}, made with LoRA
Studio. Ask it with the chat template in {TEMPLATE}, which is the one that it learnt with.

With vLLM:

    {vllm_line(folder)}

With transformers and peft:

    {peft_line(folder)}

In LoRA Studio: choose it as the text LoRA in Compose.
"""
