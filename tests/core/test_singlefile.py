"""A Stable Diffusion 1.x file in the original layout: true block structure, small width, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import singlefile
from core.bases import picture_base
from core.families import sdxl as sdxl_family
from core.families import stable_diffusion
from core.messages import Mistake
from tests import original_layout


@pytest.fixture(scope="module")
def written(sd15: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original_layout.write(sd15, tmp_path_factory.mktemp("sd") / "v1-5 小.safetensors")


def test_it_loads_offline_with_equal_outputs(sd15: object, written: Path) -> None:
    loaded = picture_base.load(str(written))
    generator = torch.Generator().manual_seed(1)
    latents, context = (
        torch.randn(1, 4, 8, 8, generator=generator),
        torch.randn(1, 5, 64, generator=generator),
    )
    with torch.no_grad():
        for part in (loaded, sd15):
            part.unet.eval()
        drawn = [part.unet(latents, 7, context).sample for part in (loaded, sd15)]
        assert torch.allclose(*drawn, atol=1e-5)
        assert torch.allclose(loaded.vae.decode(latents).sample, sd15.vae.decode(latents).sample, atol=1e-5)
        ids = torch.tensor([[49406, 320, 2368, 49407]])
        assert torch.allclose(loaded.text_encoder(ids)[0], sd15.text_encoder(ids)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_half_precision_and_averaged_weights(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The averaged weights, zeros here, are passed over: the others are those to train on."""
    whole = request.getfixturevalue(name)
    path = original_layout.write(whole, tmp_path / "half.safetensors", torch.float16, ema=True)
    loaded, wanted = picture_base.load(str(path)).unet.state_dict(), whole.unet.state_dict()
    assert loaded.keys() == wanted.keys()
    assert all(torch.equal(loaded[key], wanted[key].half().float()) for key in wanted)


def test_weights_come_in_the_wanted_format(written: Path, tiny_base: Path) -> None:
    for base in (written, tiny_base):
        loaded = picture_base.load(str(base), torch.bfloat16)
        assert {loaded.unet.dtype, loaded.vae.dtype, loaded.text_encoder.dtype} == {torch.bfloat16}


def test_the_tokenizer_is_clips(written: Path) -> None:
    tokenizer = picture_base.load(str(written)).tokenizer
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.model_max_length == 77


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["lora_unet_down_blocks_0.lora_down.weight"], "a LoRA"),
        (["model.diffusion_model.x", "conditioner.embedders.0.model.y"], "a Stable Diffusion XL refiner"),
        (["model.diffusion_model.x", "cond_stage_model.model.y"], "a Stable Diffusion 2 checkpoint"),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], "a Stable Diffusion 3 model"),
        (["double_blocks.0.img_attn.qkv.weight"], "a FLUX model"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "a VAE"),
        (["text_model.encoder.layers.0.mlp.fc1.bias"], "a text encoder"),
        (["down_blocks.0.attentions.0.proj_in.weight"], "a UNet without"),
        (["something.else"], "no Stable Diffusion checkpoint"),
    ],
)
def test_what_is_no_base_is_named_for_what_it_is(tmp_path: Path, keys: list[str], what: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file({key: torch.zeros(1) for key in keys}, path)
    with pytest.raises(Mistake, match=what):
        picture_base.load(str(path))


def test_an_inpainting_checkpoint_is_named(written: Path) -> None:
    shapes = singlefile.read_shapes(written)
    assert stable_diffusion.recognises(shapes) and not sdxl_family.recognises(shapes)
    shapes["model.diffusion_model.input_blocks.0.0.weight"] = (32, 9, 3, 3)
    assert not stable_diffusion.recognises(shapes)
    assert singlefile.what(shapes) == "a checkpoint for inpainting or editing"


def test_a_truncated_file_is_one_sentence(written: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    for size in (0, 5, 400, written.stat().st_size - 100):
        cut.write_bytes(written.read_bytes()[:size])
        with pytest.raises(Mistake, match="cut short"):
            picture_base.load(str(cut))


def test_the_velocity_is_read_from_markers_and_from_modelspec(
    sd15: Any, written: Path, tmp_path: Path
) -> None:
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    path = original_layout.write(sd15, tmp_path / "v.safetensors", **marks)
    config = picture_base.load(str(path)).scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", {"modelspec.prediction_type": "v"})
    said = singlefile.read_shapes(tmp_path / "a.safetensors")
    assert said.keys() == {"x", "v_pred"}
    shapes = singlefile.read_shapes(written)
    for more, expected in ((said, "v_prediction"), ({}, "epsilon")):
        assert stable_diffusion.read_configs(shapes | more)["scheduler"]["prediction_type"] == expected


def test_the_header_gives_the_shapes(written: Path) -> None:
    shapes = singlefile.read_shapes(written)
    assert shapes == {name: tuple(value.shape) for name, value in load_file(written).items()}
