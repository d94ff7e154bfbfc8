"""An image LoRA on Stable Diffusion XL: trained, written in sd-scripts' names, read here and in diffusers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import save_file

from core import families
from core.bases import picture_base
from core.lora.adapters import attach, fuse, image_file
from core.lora.adapters.layers import Lora
from core.lora.engine import loop
from core.lora.image import buckets
from core.project import file_hash
from core.settings.training import ImageTraining
from tests.running import last

PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
TO_Q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture
def xl_settings(image_settings, sdxl_file):
    """Makes settings for a single SDXL file, at 64 pixels: fewer leave attention a single token."""
    return lambda **changes: image_settings(**{"base_model": str(sdxl_file), "resolution": 64, **changes})


@pytest.fixture(scope="module")
def trained(recipe_of, sdxl_file, picture_folder, tmp_path_factory):
    """UNet and both text encoders after two updates: (recipe, stepper, losses, what was frozen before)."""
    chosen = ImageTraining(
        base_model=str(sdxl_file),
        train_data_dir=picture_folder,
        output_dir=tmp_path_factory.mktemp("xl"),
        resolution=64,
        batch_size=2,
        lora_rank=4,
        lora_alpha=2,
        precision="fp32",
        learning_rate=1e-2,
        lr_scheduler="constant",
        target_modules=("all",),
        train_text_encoder=True,
        text_encoder_lr=5e-3,
        min_snr_gamma=0,
    )
    recipe = recipe_of(chosen)
    before = {name: p.clone() for name, p in parameters(recipe.pipeline) if not p.requires_grad}
    stepper = loop.Run(recipe, chosen, chosen.output_dir, {}, {}).stepper
    losses = [stepper.update(0, recipe.epoch(0, 1)[0], step, 100)[0].item() for step in range(2)]
    return recipe, stepper, losses, before


def parameters(pipeline):
    return [
        (f"{name}.{key}", p)
        for name, model in families.models(pipeline).items()
        for key, p in model.named_parameters()
    ]


def test_two_steps_move_the_lora_and_leave_the_base(trained):
    recipe, stepper, losses, before = trained
    assert all(0 < loss < 10 for loss in losses)
    stepper._gradients(0, recipe.epoch(0, 1)[0], 1.0)
    still = [name for name, p in stepper.names.items() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []
    assert [group.rate for group in recipe.groups()] == [1e-2, 5e-3, 5e-3]
    assert all(p.requires_grad or torch.equal(p, before[name]) for name, p in parameters(recipe.pipeline))


def test_encoders_that_are_not_trained_are_let_go(recipe_of, xl_settings):
    recipe = recipe_of(xl_settings())
    assert set(families.models(recipe.pipeline)) == {"unet"}
    text = recipe._text(["inkwash, a river", ""])
    assert {name: tuple(t.shape) for name, t in text.items()} == {
        "prompt_embeds": (2, 77, 192),
        "pooled_prompt_embeds": (2, 128),
    }


def drawn(pipeline):
    """What UNet and text encoders make of a caption, at fixed noise."""
    family = families.of(pipeline)
    generator = torch.Generator().manual_seed(3)
    told = {"time_ids": torch.tensor([[64, 64, 0, 0, 32, 32]])}
    with torch.no_grad():
        text = family.embed(pipeline, family.tokenize(pipeline, ["inkwash, a boat"]))
        told["text_embeds"] = text["pooled_prompt_embeds"]
        noisy = torch.randn(1, 4, 4, 4, generator=generator)
        return pipeline.unet.eval()(noisy, 500, text["prompt_embeds"], added_cond_kwargs=told).sample


def test_the_file_draws_what_the_adapter_draws_here_and_in_diffusers(trained, tmp_path, sdxl_folder):
    recipe = trained[0]
    path = recipe.export(tmp_path / "xl.safetensors", 2, 0.0)
    with safe_open(path, "pt") as file:
        names, metadata = {key.split(".")[0] for key in file.keys()}, file.metadata()  # noqa: SIM118
    assert {prefix for prefix in PREFIXES.values() if any(key.startswith(prefix) for key in names)} == set(
        PREFIXES.values()
    )
    assert {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_input_blocks_4_0_skip_connection",
        "lora_unet_output_blocks_8_0_in_layers_2",
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
        "lora_te2_text_model_encoder_layers_2_self_attn_out_proj",
    } <= names
    assert metadata["ss_base_model_version"] == "sdxl_base_v1-0" and metadata["ss_v2"] == "False"
    assert metadata["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert metadata["ss_new_sd_model_hash"] == file_hash(Path(recipe.settings.base_model))
    assert len(metadata["ss_sd_model_hash"]) == 8

    memory = drawn(recipe.pipeline)
    ours = picture_base.load(str(sdxl_folder))
    plain = drawn(ours)
    with fuse.fused(ours, [(path, 1.0)]) as lost:
        assert lost == []
        filed = drawn(ours)
    assert torch.equal(drawn(ours), plain)
    theirs = StableDiffusionXLPipeline.from_pretrained(sdxl_folder)
    theirs.load_lora_weights(path)
    assert len(theirs.get_list_adapters()) == 3
    for made in (filed, drawn(theirs)):
        assert (made - memory).norm() / memory.norm() < 1e-3
    assert (plain - memory).norm() / memory.norm() > 1e-2


def test_a_difference_between_file_and_adapter_is_noticed(trained):
    recipe = trained[0]
    layers = recipe.layers()
    assert attach.difference(recipe.pipeline, layers) < 1e-6
    key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    wrong = Lora(layers[key].down, layers[key].up, 2 * layers[key].alpha)
    assert attach.difference(recipe.pipeline, layers | {key: wrong}) == pytest.approx(1.0, rel=1e-3)
    assert attach.difference(recipe.pipeline, {key: wrong}) == float("inf")


def test_a_run_from_a_folder_ends_in_a_file_that_learns_on(xl_settings, recipe_of, sdxl_folder):
    small = {"target_modules": ("to_q",), "batch_size": 1}
    path = last(xl_settings(base_model=str(sdxl_folder), max_steps=2, **small)).result
    again = recipe_of(xl_settings(continue_from=path, **small)).layers()
    for key, layer in image_file.read(path).layers.items():
        torch.testing.assert_close(again[key].delta(), layer.delta(), atol=1e-4, rtol=1e-2)


def test_the_unet_is_told_how_a_picture_was_cut(recipe_of, xl_settings):
    assert buckets.framing((200, 100), (64, 64)) == (100, 200, 0, 32, 64, 64)
    assert buckets.framing((100, 200), (64, 64)) == (200, 100, 32, 0, 64, 64)
    recipe = recipe_of(xl_settings())
    told = recipe._draw([0, 2], [0, 2], 0).framing
    assert told.tolist() == [[96, 100, 0, 1, 64, 64], [140, 80, 24, 0, 64, 64]]
    same = [recipe.loss((0,), 0).item() for _ in range(2)]
    recipe.pictures[recipe.numbers[0]] = recipe.pictures[recipe.numbers[2]]
    assert same[0] == same[1] != recipe.loss((0,), 0).item()


def test_checkpointing_changes_no_gradient_of_any_model(recipe_of, xl_settings):
    def gradients(switch):
        recipe = recipe_of(xl_settings(gradient_checkpointing=switch, train_text_encoder=True))
        for model in families.models(recipe.pipeline).values():
            assert model.is_gradient_checkpointing == (switch == "on")
        recipe.loss((0, 1), 0).backward()
        return {name: p.grad for group in recipe.groups() for name, p in group.parameters.items()}

    plain, checkpointed = gradients("off"), gradients("on")
    assert any(grad.any() for grad in plain.values())
    for name, grad in plain.items():
        torch.testing.assert_close(checkpointed[name], grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("owner", ["unet", "text_encoder", "text_encoder_2"])
def test_a_file_with_diffusers_names_finds_its_layers(sdxl_folder, tmp_path, owner):
    pipeline = picture_base.load(str(sdxl_folder))
    model = getattr(pipeline, owner)
    layer = TO_Q if owner == "unet" else "text_model.encoder.layers.0.self_attn.q_proj"
    path = layer if owner != "text_encoder" else layer.removeprefix("text_model.")
    before = model.get_submodule(path).weight.detach().clone()
    down, up = torch.randn(2, before.shape[1]), torch.randn(before.shape[0], 2)
    save_file(
        {f"{owner}.{layer}.lora_A.weight": down, f"{owner}.{layer}.lora_B.weight": up},
        tmp_path / "x.safetensors",
    )
    assert fuse.load_into(pipeline, [(tmp_path / "x.safetensors", 0.5)]) == []
    torch.testing.assert_close(model.get_submodule(path).weight, before + 0.5 * up @ down)
