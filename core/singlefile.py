"""Checkpoints of Stable Diffusion's kind in the original one-file layout: what they are, read offline.

diffusers' `from_single_file` downloads configuration unless it is given a folder with it. The folder is a
copy of one under assets/configs with the widths of the file's own tensors, so that one of any width loads,
and the CLIP tokenizer of open_clip's package. What a file is, is read from its keys. The families (see
core.families) say which of these parts they have.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import weights
from core.project import ROOT
from core.weights import Shapes

if TYPE_CHECKING:
    import torch

CONFIGS = ROOT / "assets" / "configs"
UNET = "model.diffusion_model."
VAE = "first_stage_model."
VELOCITY, ZERO_SNR = "v_pred", "ztsnr"  # empty tensors that say how a checkpoint was trained
VELOCITY_NAMES = ("v", "v_prediction")
HEAD = 64  # width of an attention head in CLIP's text encoders
CLIP_MERGES = 48_894


def read_shapes(path: Path) -> Shapes:
    """Names and shapes of a .safetensors file's tensors, from its header alone.

    A ModelSpec that says that the velocity is predicted counts as the marker `v_pred` among the tensors.
    Raises Mistake where the file is not one, or was cut short.
    """
    shapes, said = weights.shapes(path)
    return shapes | ({VELOCITY: ()} if said.get("modelspec.prediction_type") in VELOCITY_NAMES else {})


def is_text_to_image(shapes: Shapes) -> bool:
    """Whether a file holds a UNet that is given latents alone, and an autoencoder."""
    return f"{UNET}out.2.weight" in shapes and f"{VAE}decoder.conv_in.weight" in shapes and not _edits(shapes)


def _edits(shapes: Shapes) -> bool:
    """Whether the UNet is also given a picture: it takes more channels than it gives."""
    first, last = shapes.get(f"{UNET}input_blocks.0.0.weight"), shapes.get(f"{UNET}out.2.weight")
    return first is not None and last is not None and first[1] != last[0]


# What a file that is no base is called, by a part of its tensors' names; the first that fits.
KINDS = (
    ("a LoRA", ("lora_down", "lora_up", ".lora_A", ".lora_B", "hada_w1", "lokr_w")),
    ("a Stable Diffusion XL refiner", ("conditioner.embedders.0.model.",)),
    ("a Stable Diffusion 2 checkpoint", ("cond_stage_model.model.",)),
    ("a Stable Diffusion 3 model", ("joint_blocks.",)),
    ("a FLUX model", ("double_blocks.", "single_transformer_blocks.")),
    ("a UNet without its text encoder or VAE", ("input_blocks.", "down_blocks.0.attentions")),
    ("a VAE", ("decoder.conv_in",)),
    ("a text encoder", ("text_model.encoder", "encoder.layers", "transformer.resblocks")),
)


def what(shapes: Shapes) -> str:
    """What a file that is no base holds, for a sentence: `a LoRA`, `a VAE`, …"""
    if _edits(shapes):
        return "a checkpoint for inpainting or editing"
    for kind, parts in KINDS:
        if any(part in name for name in shapes for part in parts):
            return kind
    return "no Stable Diffusion checkpoint"


def configs(name: str, own: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The configuration of parts (`unet`, `scheduler`, …) under assets/configs, with a file's own values."""
    return {
        part: json.loads(_config_file(CONFIGS / name, part).read_text(encoding="utf-8")) | dict(values)
        for part, values in own.items()
    }


@contextlib.contextmanager
def configuration(name: str, parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A copy of a diffusers folder without weights under assets/configs, with other parts, for a `with`."""
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(CONFIGS / name, Path(place) / name)
        for part, config in parts.items():
            _config_file(folder, part).write_text(json.dumps(config), encoding="utf-8")
        yield folder


def load(
    kind: str, path: Path, folder: Path, dtype: torch.dtype, vae_dtype: torch.dtype, **options: Any
) -> Any:
    """A checkpoint as diffusers' pipeline class `kind`, by the configuration in `folder`.

    Each tensor is read into its own number format; diffusers knows one for all, so an autoencoder in another
    is read beforehand.
    """
    import diffusers

    how = {"config": str(folder), "local_files_only": True}
    if vae_dtype != dtype:
        options["vae"] = diffusers.AutoencoderKL.from_single_file(
            str(path), subfolder="vae", dtype=vae_dtype, **how
        )
    return getattr(diffusers, kind).from_single_file(str(path), dtype=dtype, **how, **options)


def _config_file(folder: Path, part: str) -> Path:
    return folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")


def scheduler_config(shapes: Shapes) -> dict[str, Any]:
    """What a checkpoint's markers say: velocity, and noise that leaves nothing of the picture."""
    said: dict[str, Any] = {"prediction_type": "v_prediction"} if VELOCITY in shapes else {}
    if ZERO_SNR in shapes:
        said |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return said


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """What an autoencoder's configuration takes from its tensors."""
    return {
        "block_out_channels": [
            shapes[f"{VAE}encoder.down.{level}.block.0.conv1.weight"][0] for level in range(4)
        ],
        "latent_channels": shapes[f"{VAE}decoder.conv_in.weight"][1],
    }


def clip_config(shapes: Shapes, prefix: str) -> dict[str, Any]:
    """What the configuration of a text encoder in transformers' layout takes from its tensors."""
    words, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
    layer = f"{prefix}encoder.layers."
    return _clip(words, width) | {
        "intermediate_size": shapes[f"{layer}0.mlp.fc1.bias"][0],
        "num_hidden_layers": _count(shapes, layer, ".mlp.fc1.bias"),
        "max_position_embeddings": shapes[f"{prefix}embeddings.position_embedding.weight"][0],
        "projection_dim": width,
    }


def open_clip_config(shapes: Shapes, prefix: str) -> dict[str, Any]:
    """What the configuration of a text encoder in OpenCLIP's layout takes from its tensors."""
    words, width = shapes[f"{prefix}token_embedding.weight"]
    layer = f"{prefix}transformer.resblocks."
    return _clip(words, width) | {
        "intermediate_size": shapes[f"{layer}0.mlp.c_fc.bias"][0],
        "num_hidden_layers": _count(shapes, layer, ".mlp.c_fc.bias"),
        "max_position_embeddings": shapes[f"{prefix}positional_embedding"][0],
        "projection_dim": shapes[f"{prefix}text_projection"][1],
    }


def _clip(words: int, width: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": width,
        "num_attention_heads": max(1, width // HEAD),
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
    }


def _count(shapes: Shapes, start: str, end: str) -> int:
    return sum(name.startswith(start) and name.endswith(end) for name in shapes)


def write_clip_tokenizer(
    folder: Path, merges: int = CLIP_MERGES, length: int = 77, pad: str = "<|endoftext|>"
) -> None:
    """Writes CLIP's tokenizer (vocab.json, merges.txt, tokenizer_config.json) into `folder`.

    The merges come from the byte-pair file in open_clip's package; CLIP uses the first 48,894. The vocabulary
    is the 256 bytes, the same closing a word, one entry a merge, and the start and end marks. `length` is the
    number of tokens a prompt is padded to with `pad`, which is `!` for OpenCLIP.
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
        "pad_token": pad,
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
