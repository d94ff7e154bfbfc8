"""Layers' names in LoRA files: sd-scripts', which AUTOMATIC1111 and ComfyUI read.

A key is the model's prefix and the layer's path with `.` → `_`. The path is diffusers'; sd-scripts trains
SDXL on the UNet of the original layout, so there it is that one's.
"""

from __future__ import annotations

UNET, TEXT_ENCODER = "lora_unet_", "lora_te_"
TEXT_ENCODER_1, TEXT_ENCODER_2 = "lora_te1_", "lora_te2_"  # SDXL's

OUTSIDE_BLOCKS = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
INSIDE_RESNETS = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}


def unet_key(layer: str) -> str:
    """sd-scripts' key of a UNet layer, from its path in the diffusers UNet."""
    return UNET + layer.replace(".", "_")


def text_encoder_key(layer: str, prefix: str = TEXT_ENCODER) -> str:
    """sd-scripts' key of a CLIP layer: with the `text_model` level that transformers 5.6 dropped."""
    outside = layer.startswith(("text_model.", "text_projection"))
    return prefix + (layer if outside else f"text_model.{layer}").replace(".", "_")


def original(layer: str) -> str:
    """A layer of SDXL's UNet in the original layout.

    `down_blocks.1.attentions.0.proj_in` is `input_blocks.4.1.proj_in`. A block has two resnets on the way
    down, three on the way up; every block that enlarges has attention.
    """
    if layer in OUTSIDE_BLOCKS:
        return OUTSIDE_BLOCKS[layer]
    way, *path = layer.split(".")
    block = 0 if way == "mid_block" else int(path.pop(0))
    part, number, *rest = path
    if part == "resnets":
        rest = [INSIDE_RESNETS[rest[0]]]
    elif part == "downsamplers":
        rest = ["op"]
    if way == "mid_block":
        place = f"middle_block.{1 if part == 'attentions' else 2 * int(number)}"
    else:
        at = 3 * block + (2 if part.endswith("samplers") else int(number))
        slot = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 2}[part]
        place = f"input_blocks.{at + 1}.{slot}" if way == "down_blocks" else f"output_blocks.{at}.{slot}"
    return ".".join([place, *rest])
