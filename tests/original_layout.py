"""Writes a diffusers pipeline as a Stable Diffusion 1.x or XL file in the original layout, for tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

RESNET = [
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
]  # fmt: skip

VAE = [
    ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"),
    ("to_k", "k"), ("to_v", "v"), ("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"),
]  # fmt: skip


CLIP = [
    ("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("encoder.layers", "transformer.resblocks"),
    ("embeddings.token_embedding", "token_embedding"), ("final_layer_norm", "ln_final"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
]  # fmt: skip


def unet_name(name: str, xl: bool = False) -> str:
    """`down_blocks.0.resnets.1.conv1.weight` as `input_blocks.2.0.in_layers.2.weight`."""
    for ours, theirs in (
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
        ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"),
    ):  # fmt: skip
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    if ".resnets." in name:
        for ours, theirs in RESNET:
            name = name.replace(f".{ours}.", f".{theirs}.")
    if match := re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", name):
        way, block, part, layer, rest = match.groups()
        number = 3 * int(block) + int(layer) + (way == "down")
        return f"{'input' if way == 'down' else 'output'}_blocks.{number}.{int(part == 'attentions')}.{rest}"
    if match := re.match(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{3 * int(match[1]) + 3}.0.op.{match[2]}"
    if match := re.match(r"up_blocks\.(\d)\.upsamplers\.0\.(.*)", name):
        return f"output_blocks.{3 * int(match[1]) + 2}.{1 if match[1] == '0' and not xl else 2}.{match[2]}"
    match = re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name)
    assert match, name
    return f"middle_block.{1 if match[1] == 'attentions' else 2 * int(match[2])}.{match[3]}"


def vae_name(name: str) -> str:
    """`decoder.up_blocks.0.resnets.1.conv1.weight` as `decoder.up.3.block.1.conv1.weight`."""
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{3 - int(m[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    for ours, theirs in VAE:
        name = name.replace(ours, theirs)
    return name


def open_clip_tensors(encoder: Any) -> dict[str, torch.Tensor]:
    """The second text encoder's tensors under OpenCLIP's names; q, k and v stand in one matrix."""
    tensors: dict[str, torch.Tensor] = {}
    held = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    for name, value in held.items():
        if match := re.match(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name):
            three = [held[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            tensors[f"transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(three)
        elif name == "text_projection.weight":
            tensors["text_projection"] = value.T
        elif ".k_proj." not in name and ".v_proj." not in name:
            for ours, theirs in CLIP:
                name = name.replace(ours, theirs)
            tensors[name] = value
    return tensors


def tensors_of(pipeline: Any) -> dict[str, torch.Tensor]:
    """The pipeline's tensors by their original names."""
    xl = hasattr(pipeline, "text_encoder_2")
    tensors = {f"model.diffusion_model.{unet_name(k, xl)}": v for k, v in pipeline.unet.state_dict().items()}
    for name, value in pipeline.vae.state_dict().items():
        original = vae_name(name)
        square = ".attn_1." in original and value.ndim == 2
        tensors[f"first_stage_model.{original}"] = value[:, :, None, None] if square else value
    place = "conditioner.embedders.0" if xl else "cond_stage_model"
    for name, value in pipeline.text_encoder.state_dict().items():
        tensors[f"{place}.transformer.text_model.{name.removeprefix('text_model.')}"] = value
    if xl:
        second = open_clip_tensors(pipeline.text_encoder_2)
        tensors |= {f"conditioner.embedders.1.model.{name}": value for name, value in second.items()}
    return tensors


def write(
    pipeline: Any, path: Path, dtype: torch.dtype | None = None, ema: bool = False, **more: Any
) -> Path:
    """Writes the pipeline's weights to `path` under their original names, and `more` beside them.

    `ema` adds averaged weights of the UNet, all zero, so that a reader who takes them is found out.
    """
    tensors = tensors_of(pipeline)
    if ema:
        names = [name for name in tensors if name.startswith("model.diffusion_model.")]
        averages = {"model_ema." + name.removeprefix("model.").replace(".", ""): name for name in names}
        tensors |= {average: torch.zeros_like(tensors[name]) for average, name in averages.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: v.to(dtype or v.dtype).contiguous() for name, v in (tensors | more).items()}, path)
    return path
