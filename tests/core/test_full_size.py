"""Stable Diffusion 1.5 and XL at their true sizes: every tensor of a file has its place; takes no memory.

Models are built on torch's meta device from assets/configs, named as in the original files, and led through
diffusers' own conversion back to the models' names.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core import families, singlefile
from core.families import sdxl, stable_diffusion
from tests import original_layout


def config_of(name: str, part: str) -> dict[str, Any]:
    return json.loads((singlefile.CONFIGS / name / part / "config.json").read_text(encoding="utf-8"))


def whole(name: str) -> Any:
    """A pipeline's models at full size, on the meta device."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel.from_config(config_of(name, "unet")),
            "vae": AutoencoderKL.from_config(config_of(name, "vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**config_of(name, "text_encoder"))),
        }
        if name == "sdxl":
            second = CLIPTextConfig(**config_of(name, "text_encoder_2"))
            parts["text_encoder_2"] = CLIPTextModelWithProjection(second)
    return SimpleNamespace(**parts)


def shapes_of(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


SIZES = {
    "sd15": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sdxl": {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480,
             "text_encoder_2": 694_659_840},
}  # fmt: skip


@pytest.mark.parametrize(("name", "family"), [("sd15", stable_diffusion), ("sdxl", sdxl)])
def test_every_tensor_of_a_full_size_file_has_its_place(name: str, family: families.Family) -> None:
    from diffusers.loaders import single_file_utils as convert

    pipeline = whole(name)
    for part, size in SIZES[name].items():
        assert sum(p.numel() for p in getattr(pipeline, part).parameters()) == size
    tensors = original_layout.tensors_of(pipeline)
    shapes = shapes_of(tensors)
    assert [other for other in families.FAMILIES if other.recognises(shapes)] == [family]
    back = {
        "unet": convert.convert_ldm_unet_checkpoint(tensors, config_of(name, "unet")),
        "vae": convert.convert_ldm_vae_checkpoint(tensors, config_of(name, "vae")),
        "text_encoder": convert.convert_ldm_clip_checkpoint(tensors),
    }
    if name == "sdxl":
        back["text_encoder_2"] = convert.convert_open_clip_checkpoint(
            pipeline.text_encoder_2, tensors, prefix=sdxl.OPEN_CLIP
        )
    for part, found in back.items():
        found = {key.removeprefix("text_model."): value for key, value in found.items()}
        held = getattr(pipeline, part).state_dict()
        assert shapes_of(found) == shapes_of({k.removeprefix("text_model."): v for k, v in held.items()}), (
            part
        )


def test_what_is_read_from_the_tensors_is_what_the_configurations_say() -> None:
    shapes = shapes_of(original_layout.tensors_of(whole("sdxl")))
    read = {
        "unet": sdxl._unet_config(shapes, 1280),
        "vae": singlefile.vae_config(shapes),
        "text_encoder": singlefile.clip_config(shapes, sdxl.CLIP),
        "text_encoder_2": singlefile.open_clip_config(shapes, sdxl.OPEN_CLIP),
    }
    for part, values in read.items():
        assert values.items() <= config_of("sdxl", part).items(), part


@pytest.mark.parametrize(
    ("name", "family", "count", "key"),
    [
        ("sd15", stable_diffusion, 192, "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"),
        ("sdxl", sdxl, 722, "lora_unet_middle_block_1_transformer_blocks_9_ff_net_2"),
    ],
)
def test_as_many_layers_as_sd_scripts_trains(
    name: str, family: families.Family, count: int, key: str
) -> None:
    """sd-scripts reports 192 and 722 UNet modules: all linear layers and 1x1 convolutions of transformers."""
    layers = [
        layer
        for layer, module in whole(name).unet.named_modules()
        if ".attentions." in layer and isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    ]
    written = {family.keys("unet", layer)[0] for layer in layers}
    assert len(written) == len(layers) == count and key in written
