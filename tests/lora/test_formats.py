"""LoRA files of other programs: read, refused, stacked, and put back."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from core.bases import picture_base
from core.families.keys import text_encoder_key, unet_key
from core.lora.adapters import fuse, image_file
from core.lora.adapters.layers import Lora
from core.messages import Mistake

MODULE = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
KEY = unet_key(MODULE)


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


def weight_of(pipeline):
    return pipeline.unet.get_submodule(MODULE).weight.detach().clone()


def pair(rank=2):
    torch.manual_seed(1)
    return torch.randn(rank, 8), torch.randn(8, rank)


def test_keys_are_those_of_sd_scripts():
    assert KEY == "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    flat, nested = (text_encoder_key(f"{p}encoder.layers.0.mlp.fc1") for p in ("", "text_model."))
    assert flat == nested == "lora_te_text_model_encoder_layers_0_mlp_fc1"


@pytest.mark.parametrize(
    ("down_name", "up_name"),
    [
        (f"{KEY}.lora_down.weight", f"{KEY}.lora_up.weight"),
        (f"unet.{MODULE}.lora_A.weight", f"unet.{MODULE}.lora_B.weight"),
        (f"unet.{MODULE}.lora.down.weight", f"unet.{MODULE}.lora.up.weight"),
        (
            f"unet.{MODULE.replace('.to_q', '')}.processor.to_q_lora.down.weight",
            f"unet.{MODULE.replace('.to_q', '')}.processor.to_q_lora.up.weight",
        ),
    ],
    ids=["sd-scripts", "diffusers", "older diffusers", "oldest diffusers"],
)
def test_each_format_gives_the_same_weights(pipeline, tmp_path, down_name, up_name):
    down, up = pair()
    save_file({down_name: down, up_name: up}, tmp_path / "x.safetensors")
    before = weight_of(pipeline)
    assert fuse.load_into(pipeline, [(tmp_path / "x.safetensors", 0.5)]) == []
    torch.testing.assert_close(weight_of(pipeline), before + 0.5 * up @ down)


def test_alpha_of_the_file_and_of_diffusers_metadata(tmp_path):
    down, up = pair()
    kohya = {f"{KEY}.lora_down.weight": down, f"{KEY}.lora_up.weight": up, f"{KEY}.alpha": torch.tensor(1.0)}
    save_file(kohya, tmp_path / "a.safetensors")
    said = json.dumps({"unet.lora_alpha": 1, "unet.r": 2})
    diffusers = {f"unet.{MODULE}.lora_A.weight": down, f"unet.{MODULE}.lora_B.weight": up}
    save_file(diffusers, tmp_path / "b.safetensors", {"lora_adapter_metadata": said})
    for name in ("a", "b"):
        (layer,) = image_file.read(tmp_path / f"{name}.safetensors").layers.values()
        assert layer.alpha == 1.0
        torch.testing.assert_close(layer.delta(), up @ down * 0.5)


def test_diffusers_reads_what_is_written(pipeline, tmp_path):
    down, up = pair()
    image_file.write(tmp_path / "x.safetensors", {KEY: Lora(down, up, 1.0)}, {}, torch.float32)
    before = weight_of(pipeline)
    pipeline.load_lora_weights(tmp_path / "x.safetensors")
    pipeline.fuse_lora()
    layer = pipeline.unet.get_submodule(MODULE)
    torch.testing.assert_close(layer.base_layer.weight, before + 0.5 * up @ down)


def test_several_stack_and_are_put_back_bit_by_bit(pipeline, tmp_path):
    down, up = pair()
    for name in ("x", "y"):
        image_file.write(tmp_path / f"{name}.safetensors", {KEY: Lora(down, up, 2.0)}, {}, torch.float32)
    before = weight_of(pipeline)
    with fuse.fused(pipeline, [(tmp_path / "x.safetensors", 0.5), (tmp_path / "y.safetensors", 0.25)]):
        torch.testing.assert_close(weight_of(pipeline), before + 0.75 * up @ down)
    assert torch.equal(weight_of(pipeline), before)


def test_dora_gives_rows_the_learnt_length(pipeline, tmp_path):
    down, up = pair()
    names = {"lora_A.weight": down, "lora_B.weight": up, "lora_magnitude_vector": torch.full((8,), 3.0)}
    save_file({f"unet.{MODULE}.{name}": t for name, t in names.items()}, tmp_path / "x.safetensors")
    fuse.load_into(pipeline, [(tmp_path / "x.safetensors", 1.0)])
    torch.testing.assert_close(weight_of(pipeline).norm(dim=1), torch.full((8,), 3.0))


def test_hashes_are_those_of_sd_scripts(tmp_path):
    down, up = pair()
    path = image_file.write(
        tmp_path / "x.safetensors", {KEY: Lora(down, up, 2.0)}, {"ss_seed": "1"}, torch.float16
    )
    raw = path.read_bytes()
    body = raw[int.from_bytes(raw[:8], "little") + 8 :]
    assert image_file.read(path).metadata["sshs_model_hash"] == hashlib.sha256(body).hexdigest()


def test_what_is_no_lora_is_refused_in_one_sentence(pipeline, tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"\x80\x02")
    with pytest.raises(Mistake, match="pickled"):
        image_file.read(tmp_path / "x.ckpt")
    with pytest.raises(Mistake, match="no LoRA"):
        image_file.read(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(Mistake, match="cut short"):
        image_file.read(tmp_path / "cut.safetensors")
    save_file({"conv_in.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(Mistake, match="holds no LoRA"):
        image_file.read(tmp_path / "model.safetensors")
    wide = {KEY: Lora(torch.randn(2, 320), torch.randn(320, 2), 2.0)}
    image_file.write(tmp_path / "wide.safetensors", wide, {}, torch.float32)
    with pytest.raises(Mistake, match="another kind of base"):
        fuse.load_into(pipeline, [(tmp_path / "wide.safetensors", 1.0)])


def test_keys_without_a_place_are_told(pipeline, tmp_path):
    down, up = pair()
    layers = {
        KEY: Lora(down, up, 2.0),
        "lora_unet_elsewhere": Lora(down.clone(), up.clone(), 2.0),
    }
    image_file.write(tmp_path / "x.safetensors", layers, {}, torch.float32)
    (told,) = fuse.load_into(pipeline, [(tmp_path / "x.safetensors", 1.0)])
    assert str(told) == "1 of 2 layers of x.safetensors have no place in this base and are left out."
