"""Every key of a written file finds its layer by AUTOMATIC1111's and by ComfyUI's own rules.

The rules are put down here from those programs' sources, not from core.families.keys; both look into a base
in the original layout (tests/original_layout.py). A key must find the very weight that its layer trained on.
"""

from __future__ import annotations

import copy
import re

import pytest
import torch
from safetensors import safe_open

from core.lora.adapters import attach, image_file
from core.settings.training import ImageTraining
from tests import original_layout

RESNET = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "norm1": "in_layers.0", "norm2": "out_layers.0",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
CLIP = ("mlp.fc1", "mlp.fc2", *(f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")))


def flat(name):
    return name.replace(".", "_")


def a1111_modules(original):
    """Its `network_layer_mapping`: the original layout's modules, flattened, under its wrappers' names."""
    found = {}
    for name, tensor in original.items():
        module, _, part = name.rpartition(".")
        for start, ours in (
            ("model.diffusion_model.", "diffusion_model."),
            ("cond_stage_model.transformer.", "transformer."),
            ("conditioner.embedders.", ""),
        ):
            if module.startswith(start) and part in ("weight", "in_proj_weight"):
                found[flat(ours + module.removeprefix(start))] = tensor
    return found


def a1111_name(key):
    """convert_diffusers_name_to_compvis of extensions-builtin/Lora/networks.py, and what comes after it."""
    blocks = r"_(\d+)_(attentions|resnets)_(\d+)_(.+)"
    if match := re.fullmatch(rf"lora_unet_(down|up)_blocks{blocks}", key):
        way, block, part, number, rest = match.groups()
        at, slot = 3 * int(block) + int(number), int(part == "attentions")
        rest = flat(RESNET.get(rest, rest)) if part == "resnets" else rest
        blocks = f"input_blocks_{at + 1}" if way == "down" else f"output_blocks_{at}"
        return f"diffusion_model_{blocks}_{slot}_{rest}"
    if match := re.fullmatch(r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)", key):
        part, number, rest = match.groups()
        rest = flat(RESNET.get(rest, rest)) if part == "resnets" else rest
        return f"diffusion_model_middle_block_{1 if part == 'attentions' else 2 * int(number)}_{rest}"
    if match := re.fullmatch(r"lora_te_text_model_encoder_layers_(\d+)_(.+)", key):
        return f"transformer_text_model_encoder_layers_{match[1]}_{match[2]}"
    if match := re.fullmatch(r"lora_te2_text_model_encoder_layers_(\d+)_(.+)", key):
        rest = match[2].replace("mlp_fc1", "mlp_c_fc").replace("mlp_fc2", "mlp_c_proj")
        return f"1_model_transformer_resblocks_{match[1]}_{rest.replace('self_attn', 'attn')}"
    return key


def a1111(original):
    """The weight that a key finds: q, k and v of OpenCLIP share one module, of which each takes its third."""
    modules = a1111_modules(original)

    def found(key):
        name = a1111_name(key)
        for tried in (
            name,
            key.replace("lora_unet", "diffusion_model"),
            key.replace("lora_te1_text_model", "0_transformer_text_model"),
        ):
            if tried in modules:
                return modules[tried]
        match = re.fullmatch(r"(.*)_([qkv])_proj", name)
        return modules[match[1]].chunk(3)["qkv".index(match[2])]

    return found


def comfyui(pipeline, original):
    """model_lora_keys_unet and model_lora_keys_clip of comfy/lora.py, with unet_to_diffusers of utils.py."""
    start = "model.diffusion_model."
    unet = {name.removeprefix(start): t for name, t in original.items() if name.startswith(start)}
    found = {f"lora_unet_{flat(name.removesuffix('.weight'))}": t for name, t in unet.items()}

    def diffusers(theirs, ours, names=None):
        """All weights below `ours` of the original layout, under their names in diffusers below `theirs`."""
        for name, tensor in unet.items():
            if name.startswith(f"{ours}.") and name.endswith(".weight"):
                rest = name[len(ours) + 1 : -len(".weight")]
                rest = {inner: outer for outer, inner in (names or {}).items()}.get(rest, rest)
                found["lora_unet_" + flat(f"{theirs}.{rest}".rstrip("."))] = tensor

    config = pipeline.unet.config
    count, depth = len(config.block_out_channels), config.layers_per_block
    for block in range(count):
        at = 1 + (depth + 1) * block
        for number in range(depth):
            diffusers(f"down_blocks.{block}.resnets.{number}", f"input_blocks.{at + number}.0", RESNET)
            diffusers(f"down_blocks.{block}.attentions.{number}", f"input_blocks.{at + number}.1")
        diffusers(f"down_blocks.{block}.downsamplers.0.conv", f"input_blocks.{at + depth}.0.op", {"": ""})
        at = (depth + 1) * block
        for number in range(depth + 1):
            diffusers(f"up_blocks.{block}.resnets.{number}", f"output_blocks.{at + number}.0", RESNET)
            if "CrossAttn" in config.up_block_types[block]:
                diffusers(f"up_blocks.{block}.attentions.{number}", f"output_blocks.{at + number}.1")
    diffusers("mid_block.attentions.0", "middle_block.1")
    for number in range(2):
        diffusers(f"mid_block.resnets.{number}", f"middle_block.{2 * number}", RESNET)

    encoders = {"lora_te_": pipeline.text_encoder, "lora_te1_": pipeline.text_encoder}
    if second := getattr(pipeline, "text_encoder_2", None):
        encoders = {"lora_te1_": pipeline.text_encoder, "lora_te2_": second}
    for prefix, encoder in encoders.items():
        held = {name.removeprefix("text_model."): t for name, t in encoder.state_dict().items()}
        for layer in range(32):
            for name in CLIP:
                if (place := f"encoder.layers.{layer}.{name}.weight") in held:
                    found[f"{prefix}text_model_encoder_layers_{layer}_{flat(name)}"] = held[place]
    return found.__getitem__


@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_every_key_finds_the_weight_that_it_was_trained_on(request, tmp_path, base):
    pipeline = request.getfixturevalue(base)
    original = original_layout.tensors_of(pipeline)
    rules = {"A1111": a1111(original), "ComfyUI": comfyui(pipeline, original)}
    trained = copy.deepcopy(pipeline)
    chosen = ImageTraining(target_modules=("all",), train_text_encoder=True, lora_rank=1)
    attach.add_loras(trained, chosen, torch.float32)
    path = image_file.write(tmp_path / "x.safetensors", attach.layers(trained), {}, torch.float16)
    with safe_open(path, "pt") as file:
        keys = {name.partition(".")[0] for name in file.keys()}  # noqa: SIM118
    modules = {keys[0]: module.get_base_layer() for keys, module in attach._modules(trained)}
    assert keys == modules.keys() and len(keys) > 200
    for program, rule in rules.items():
        for key in keys:
            assert torch.equal(rule(key), modules[key].weight), (program, key)
