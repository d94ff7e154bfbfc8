"""A family on flow matching, registered here alone: LoRA, loss, file and other programs' names all work.

Its base is a tiny transformer on latents; nothing in core knows of it.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from core import families
from core.device import pick
from core.families.family import Drawing
from core.lora.adapters import attach, fuse, image_file
from core.lora.adapters.facts import ImageFacts
from core.lora.engine import loop
from core.lora.image.latents import Picture
from core.lora.image.recipe import ImageRecipe


class Block(torch.nn.Module):
    """Attention of one head over the latents' places."""

    def __init__(self):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (torch.nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        return x + torch.nn.functional.scaled_dot_product_attention(self.to_q(x), self.to_k(x), self.to_v(x))


class Transformer(torch.nn.Module):
    """Latents [B, 4, h, w], times [B] of 0 to 1 and words [B, 8] to a velocity."""

    def __init__(self):
        super().__init__()
        self.proj_in, self.proj_out = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)
        self.blocks = torch.nn.ModuleList([Block(), Block()])

    def forward(self, latents, times, words):
        x = self.proj_in(latents.flatten(2).transpose(1, 2)) + (words + times[:, None])[:, None]
        for block in self.blocks:
            x = block(x)
        return (self.proj_out(x).transpose(1, 2).view_as(latents),)


class TinyFlowPipeline:
    """The parts that a pipeline of the family has."""

    def __init__(self):
        torch.manual_seed(0)
        self.transformer, self.text_encoder, self.vae = Transformer(), None, torch.nn.Identity()


def flow_loss(pipeline, schedule, drawn, text, gamma):
    """The squared error of the velocity from picture to noise (Lipman 2023)."""
    share = drawn.times[:, None, None, None]
    noisy = (1 - share) * drawn.latents + share * drawn.noise
    made = pipeline.transformer(noisy, drawn.times, text["prompt_embeds"])[0]
    return (made - (drawn.noise - drawn.latents)).square().mean(dim=(1, 2, 3))


FLOW = SimpleNamespace(
    PIPELINE="TinyFlowPipeline", BACKBONE="transformer", TEXT_ENCODERS=("text_encoder",),
    LAYERS=("to_q", "to_k", "to_v"), names=lambda pipeline: ("flow", "tiny-flow"),
    keys=lambda model, layer: (f"lora_transformer_{layer.replace('.', '_')}",),
    time=lambda schedule, share: torch.tensor(share), loss=flow_loss,
)  # fmt: skip


@pytest.fixture
def recipe(monkeypatch, image_settings, tmp_path):
    """Two pictures of random latents, and the LoRA on the base."""
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, FLOW))
    chosen = image_settings(
        target_modules=("all",), lora_alpha=2, flip=False, caption_dropout=0.0, epochs=20, samples=0
    )
    pipeline = TinyFlowPipeline()
    assert attach.add_loras(pipeline, chosen, torch.float32) == []
    posteriors = torch.randn(2, 2, 4, 4, 4)
    pictures = [
        Picture(tmp_path / f"{at}.png", "ink", (32, 32), (32, 32, 0, 0, 32, 32), posteriors[at], None)
        for at in range(2)
    ]
    facts = ImageFacts(**{
        "pictures": 2, "held_out": 0, "regularisation": 0, "samples": 2, "sizes": ["32x32"],
        "square": (32, 32), "buckets": [2], "folders": {"ink": [1, 2]}, "precision": "fp32",
        "folder": "ink", "base_hash": "", "base_legacy_hash": "",
        "base_names": FLOW.names(pipeline), "prediction_type": "", "tags": {"ink": 2}, "data": "",
    })  # fmt: skip
    return ImageRecipe(
        settings=chosen, pipeline=pipeline, family=FLOW, schedule=None, pictures=pictures, numbers=[0, 1],
        held_out=[], orders={"ink": ("ink",)}, regular=frozenset(),
        words={"ink": {"prompt_embeds": torch.ones(8)}},
        drawing=Drawing((32, 32), (32, 32), (32, 32), 2, 1.0),
        device=pick(), dtype=torch.float32, facts=facts, data={},
    )  # fmt: skip


def test_it_trains_and_its_file_gives_the_same_output(recipe, tmp_path):
    before = recipe.loss((0, 1), 0).item()
    list(loop.run(recipe, recipe.settings, recipe.settings.output_dir, {}))
    assert recipe.loss((0, 1), 0).item() < before - 0.01
    path = recipe.export(tmp_path / "x.safetensors", recipe.facts.run.kept_step, 0.0)
    held = image_file.read(path)
    assert held.layers.keys() == {
        f"lora_transformer_blocks_{block}_to_{part}" for block in range(2) for part in "qkv"
    }
    assert held.metadata["modelspec.architecture"] == "tiny-flow/lora"
    fresh = TinyFlowPipeline()
    given = torch.randn(2, 4, 4, 4), torch.tensor([0.2, 0.9]), torch.ones(2, 8)
    assert fuse.load_into(fresh, [(path, 1.0)]) == []
    with torch.no_grad():
        ours, trained = fresh.transformer(*given)[0], recipe.pipeline.transformer(*given)[0]
    assert (ours - trained).norm() / trained.norm() < 1e-3


def test_a_file_with_diffusers_names_finds_its_layers(recipe, tmp_path):
    fresh, down, up = TinyFlowPipeline(), torch.randn(2, 8), torch.randn(8, 2)
    before = fresh.transformer.blocks[1].to_v.weight.detach().clone()
    names = {f"transformer.blocks.1.to_v.lora_{part}.weight": t for part, t in (("A", down), ("B", up))}
    save_file(names, tmp_path / "x.safetensors")
    assert fuse.load_into(fresh, [(tmp_path / "x.safetensors", 0.5)]) == []
    torch.testing.assert_close(fresh.transformer.blocks[1].to_v.weight.detach(), before + 0.5 * up @ down)
