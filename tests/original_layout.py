"""Writes a diffusers pipeline as a Stable Diffusion 1.x file in the original one-file layout, for tests."""

from __future__ import annotations

import re
from pathlib import Path

RESNET = [
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
]  # fmt: skip

VAE = [
    ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"),
    ("to_k", "k"), ("to_v", "v"), ("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"),
]  # fmt: skip


def unet_name(name: str) -> str:
    """`down_blocks.0.resnets.1.conv1.weight` as `input_blocks.2.0.in_layers.2.weight`."""
    for ours, theirs in (
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
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
        return f"output_blocks.{3 * int(match[1]) + 2}.{1 if match[1] == '0' else 2}.{match[2]}"
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


def write(pipeline: object, path: Path) -> Path:
    """Writes the pipeline's weights to `path` under their original names."""
    from safetensors.torch import save_file

    tensors = {f"model.diffusion_model.{unet_name(k)}": v for k, v in pipeline.unet.state_dict().items()}
    for name, value in pipeline.vae.state_dict().items():
        original = vae_name(name)
        if ".attn_1." in original and value.ndim == 2:
            value = value[:, :, None, None]
        tensors[f"first_stage_model.{original}"] = value
    for name, value in pipeline.text_encoder.state_dict().items():
        short = name.removeprefix("text_model.")
        tensors[f"cond_stage_model.transformer.text_model.{short}"] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path
