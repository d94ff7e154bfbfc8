"""An image LoRA in another program's format: diffusers draws with it what the studio draws."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import save_file

from core import commands
from core.bases import picture_base
from core.families.keys import text_encoder_key, unet_key
from core.lora.adapters import fuse, image_file
from core.lora.adapters.convert import export
from core.lora.adapters.layers import Lora
from core.messages import Mistake
from core.settings.lora_jobs import ExportSettings

LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": (2, 1.0),
    "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj": (4, 1.0),
    "down_blocks.0.attentions.0.proj_in": (2, 8.0),
    "down_blocks.0.resnets.0.conv1": (2, 1.0),
}
CLIP = "encoder.layers.1.self_attn.v_proj"


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


@pytest.fixture
def written(pipeline, tmp_path):
    """Writes a LoRA on both models whose layers have their own ranks and alphas; `dora`: with lengths."""

    def write(dora=False):
        torch.manual_seed(5)
        layers = {}
        for path, (rank, alpha) in {**LAYERS, CLIP: (2, 3.0)}.items():
            model, key = (
                (pipeline.unet, unet_key) if path in LAYERS else (pipeline.text_encoder, text_encoder_key)
            )
            weight = model.get_submodule(path).weight.detach()
            down = 0.3 * torch.randn(rank, *weight.shape[1:])
            up = 0.3 * torch.randn(len(weight), rank, *[1] * (weight.dim() - 2))
            lengths = 1.2 * torch.linalg.vector_norm(weight.flatten(1), dim=1)
            lengths = lengths.reshape(-1, *[1] * (weight.dim() - 1)) if dora else None
            layers[key(path)] = Lora(down, up, alpha, dora_scale=lengths)
        said = {"ss_network_dim": "4", "modelspec.trigger_phrase": "inkwash", "modelspec.title": "x"}
        return image_file.write(tmp_path / "x.safetensors", layers, said, torch.float32)

    return write


def exported(path, tiny_base, **changes):
    return list(export(ExportSettings(lora=path, base=str(tiny_base), **changes)))[-1].result


def drawn(pipeline):
    """What the UNet and the text encoder give."""
    torch.manual_seed(6)
    given = torch.randn(2, 4, 8, 8), torch.tensor([100, 700]), torch.randn(2, 24, 16)
    with torch.no_grad():
        return pipeline.unet(*given).sample, pipeline.text_encoder(torch.arange(24)[None])[0]


@pytest.mark.parametrize("dora", [False, True])
def test_diffusers_gives_the_same_output(written, pipeline, tiny_base, dora):
    source = written(dora)
    path = exported(source, tiny_base)
    plain = drawn(pipeline)
    theirs = StableDiffusionPipeline.from_pretrained(tiny_base)
    theirs.load_lora_weights(path)
    fuse.load_into(pipeline, [(source, 1.0)])
    for ours, made, before in zip(drawn(pipeline), drawn(theirs), plain, strict=True):
        assert (made - ours).norm() / ours.norm() < 1e-3
        assert (made - before).norm() / before.norm() > 1e-2
    with safe_open(path, "pt") as file:
        said = file.metadata()
    assert path.name == "x_diffusers.safetensors" and said["modelspec.trigger_phrase"] == "inkwash"
    assert "sshs_model_hash" not in said
    told = json.loads(said["lora_adapter_metadata"])
    assert (told["unet.r"], told["unet.lora_alpha"], told["unet.use_dora"]) == (2, 1.0, dora)
    assert len(told["unet.rank_pattern"]) == len(told["unet.alpha_pattern"]) == 1


def test_back_again_nothing_is_lost(written, tiny_base, tmp_path):
    source = written(dora=True)
    there = exported(source, tiny_base)
    back = exported(there, tiny_base, format="sd-scripts", output=tmp_path / "back.safetensors")
    first, last = image_file.read(source), image_file.read(back)
    assert first.layers.keys() == last.layers.keys()
    for key, layer in first.layers.items():
        again = last.layers[key]
        assert (again.alpha, again.rank) == (layer.alpha, layer.rank)
        assert torch.equal(again.dora_scale, layer.dora_scale) and torch.equal(again.down, layer.down)
    assert last.metadata["ss_network_dim"] == "4" and len(last.metadata["sshs_model_hash"]) == 64


def test_what_diffusers_cannot_hold_is_refused(tiny_base, tmp_path):
    key = unet_key(next(iter(LAYERS)))
    parts = {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)}
    save_file(
        {f"{key}.{name}": torch.ones(shape) for name, shape in parts.items()}, tmp_path / "x.safetensors"
    )
    with pytest.raises(Mistake, match="can't be written in diffusers' format"):
        exported(tmp_path / "x.safetensors", tiny_base)
    made = exported(tmp_path / "x.safetensors", tiny_base, format="sd-scripts")
    assert image_file.read(made).metadata["ss_network_module"] == "lycoris.kohya"


def test_the_command_prints_the_file(written, tiny_base, capsys):
    asked = ["export", str(written()), "--base", str(tiny_base), "--format", "diffusers"]
    assert commands.run(asked, lambda options: 1) == 0
    assert capsys.readouterr().out.strip().endswith("x_diffusers.safetensors")
