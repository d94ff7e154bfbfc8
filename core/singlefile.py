"""A Stable Diffusion 1.x checkpoint in the original one-file layout, read offline.

diffusers' `from_single_file` downloads configuration unless it is given a folder with it. The folder is made
here from the file's own tensor shapes, so that a checkpoint of any width loads, with the CLIP tokenizer from
open_clip's package. What a file is, is read from its keys.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs import Mistake

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

Shapes = dict[str, tuple[int, ...]]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."
CLIP_MERGES = 48_894
MAX_HEADER_BYTES = 100_000_000


def read_shapes(path: Path) -> Shapes:
    """Names and shapes of a .safetensors file's tensors, from its header alone.

    Raises Mistake where the file is not one, or was cut short.
    """
    broken = Mistake(
        "{path} is not a whole .safetensors file; it may have been cut short, so fetch or copy it again.",
        path=path,
    )
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MAX_HEADER_BYTES):
                raise broken
            header = json.loads(file.read(length))
    except (OSError, struct.error, ValueError):
        raise broken from None
    header.pop("__metadata__", None)
    if max((entry["data_offsets"][1] for entry in header.values()), default=0) + 8 + length > size:
        raise broken
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def kind_of(shapes: Shapes) -> str:
    """What a file holds: sd1, sd2, sdxl, lora, vae, text_encoder, unet or unknown."""
    names = shapes.keys()
    if any(
        "lora_down" in n or "lora_up" in n or ".lora_A" in n or ".lora_B" in n or "hada_w1" in n
        for n in names
    ):
        return "lora"
    if any(n.startswith(UNET) for n in names):
        if any(n.startswith("conditioner.embedders.1.") for n in names):
            return "sdxl"
        return "sd2" if any(n.startswith("cond_stage_model.model.") for n in names) else "sd1"
    if any(n.startswith(("input_blocks.", "down_blocks.0.attentions")) for n in names):
        return "unet"
    if any(n.startswith(("decoder.conv_in", VAE)) for n in names):
        return "vae"
    if any("text_model.encoder" in n or n.startswith("encoder.layers") for n in names):
        return "text_encoder"
    return "unknown"


NAMES = {
    "sd2": "a Stable Diffusion 2 checkpoint",
    "sdxl": "a Stable Diffusion XL checkpoint",
    "lora": "a LoRA",
    "vae": "a VAE",
    "text_encoder": "a text encoder",
    "unet": "a UNet without its text encoder and VAE",
    "unknown": "no Stable Diffusion checkpoint",
}


def load_single_file(path: Path, dtype: torch.dtype) -> StableDiffusionPipeline:
    """The checkpoint as a pipeline on the CPU; raises Mistake for anything but Stable Diffusion 1.x."""
    from diffusers import StableDiffusionPipeline

    shapes = _sd1_shapes(path)
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder), shapes)
        return StableDiffusionPipeline.from_single_file(
            str(path), config=folder, local_files_only=True, safety_checker=None, dtype=dtype
        )


def configs(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """The configuration of each part of a Stable Diffusion 1.x file, and how many numbers each holds.

    Raises Mistake for anything else.
    """
    shapes = _sd1_shapes(path)
    starts = {"unet": UNET, "vae": VAE, "text_encoder": TEXT}
    numbers = {
        part: sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(start))
        for part, start in starts.items()
    }
    return _parts(shapes), numbers


def _parts(shapes: Shapes) -> dict[str, dict[str, Any]]:
    return {"unet": _unet(shapes), "vae": _vae(shapes), "text_encoder": _text_encoder(shapes)}


def _sd1_shapes(path: Path) -> Shapes:
    shapes = read_shapes(path)
    kind = kind_of(shapes)
    if kind != "sd1":
        raise Mistake(
            "{path} is {what}; give a whole Stable Diffusion 1.x checkpoint as the base model.",
            path=path,
            what=NAMES[kind],
        )
    return shapes


def write_config(folder: Path, shapes: Shapes) -> None:
    """Writes the diffusers configuration of a Stable Diffusion 1.x file with these tensors."""
    parts = _parts(shapes)
    for part, config in parts.items():
        (folder / part).mkdir()
        (folder / part / "config.json").write_text(json.dumps(config))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    words = shapes[f"{TEXT}embeddings.token_embedding.weight"][0]
    write_clip_tokenizer(folder / "tokenizer", words - 514)


def _unet(shapes: Shapes) -> dict[str, Any]:
    widths = [shapes[f"{UNET}input_blocks.{block}.0.out_layers.3.weight"][0] for block in (1, 4, 7, 10)]
    context = shapes[f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"][1]
    return {
        "_class_name": "UNet2DConditionModel",
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": widths,
        "cross_attention_dim": context,
        "attention_head_dim": 8,
        "layers_per_block": 2,
        "sample_size": 64,
    }


def _vae(shapes: Shapes) -> dict[str, Any]:
    widths = [shapes[f"{VAE}encoder.down.{level}.block.0.conv1.weight"][0] for level in range(4)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "latent_channels": shapes[f"{VAE}decoder.conv_in.weight"][1],
        "layers_per_block": 2,
        "sample_size": 512,
        "scaling_factor": 0.18215,
    }


def _text_encoder(shapes: Shapes) -> dict[str, Any]:
    words, width = shapes[f"{TEXT}embeddings.token_embedding.weight"]
    layers = sum(
        name.startswith(f"{TEXT}encoder.layers.") and name.endswith("mlp.fc1.bias") for name in shapes
    )
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": words,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes[f"{TEXT}encoder.layers.0.mlp.fc1.bias"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // 64),
        "max_position_embeddings": shapes[f"{TEXT}embeddings.position_embedding.weight"][0],
        "hidden_act": "quick_gelu",
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": 1,
    }


SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write_clip_tokenizer(folder: Path, merges: int = CLIP_MERGES, length: int = 77) -> None:
    """Writes CLIP's tokenizer (vocab.json, merges.txt, tokenizer_config.json) into `folder`.

    The merges come from the byte-pair file in open_clip's package; CLIP uses the first 48,894. The vocabulary
    is the 256 bytes, the same closing a word, one entry a merge, and the start and end marks. `length` is the
    number of tokens a prompt is padded to.
    """
    import open_clip.tokenizer as clip

    with gzip.open(clip.default_bpe(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : merges + 1]
    letters = list(clip.bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(line.split()) for line in lines)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": length,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
