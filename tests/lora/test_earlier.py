"""Going on from an earlier LoRA: the same product at another rank and scale, in both recipes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.bases import picture_base
from core.families.keys import text_encoder_key, unet_key
from core.lora.adapters import attach, image_file
from core.lora.adapters.layers import Lora, merged
from core.lora.adapters.refit import refit
from core.messages import Mistake
from core.progress import outcome
from tests.running import last


@pytest.mark.parametrize(("rank", "exact"), [(4, True), (9, True), (2, False)])
def test_refit_gives_the_same_product(rank, exact):
    torch.manual_seed(0)
    down, up = torch.randn(4, 12), torch.randn(10, 4)
    new_down, new_up = refit(down, up, 0.5, rank, 2.0)
    assert new_down.shape == (rank, 12) and new_up.shape == (10, rank)
    old, new = 0.5 * up @ down, 2.0 * new_up @ new_down
    if exact:
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)
    else:
        dropped = torch.linalg.svdvals(old)[rank:4].square().sum().sqrt()
        assert (new - old).norm().item() == pytest.approx(dropped.item(), rel=1e-3)


def test_refit_keeps_the_kernel_of_a_convolution():
    torch.manual_seed(0)
    down, up = torch.randn(4, 3, 3, 3), torch.randn(10, 4, 1, 1)
    new_down, new_up = refit(down, up, 1.0, 6, 1.0)
    assert new_down.shape == (6, 3, 3, 3) and new_up.shape == (10, 6, 1, 1)
    torch.testing.assert_close(new_up.flatten(1) @ new_down.flatten(1), up.flatten(1) @ down.flatten(1))


def test_an_image_lora_goes_on_at_another_rank(image_settings, recipe_of):
    first = last(image_settings(epochs=2, lora_alpha=2)).result
    recipe = recipe_of(image_settings(continue_from=first, lora_rank=6))
    old = image_file.read(first).layers
    for key, layer in recipe.layers().items():
        torch.testing.assert_close(layer.delta(), old[key].delta(), atol=2e-4, rtol=2e-2)
    assert last(image_settings(continue_from=first, epochs=2)).result.name.startswith("lora_v2_")


def test_a_text_lora_goes_on(text_settings, recipe_of):
    first = last(text_settings(epochs=4)).result
    recipe = recipe_of(text_settings(continue_from=first))
    fresh = recipe_of(text_settings())
    assert (
        outcome(recipe.validate(len(recipe.held_out)))["held_out_loss"]
        < outcome(fresh.validate(len(fresh.held_out)))["held_out_loss"] - 0.01
    )


def test_what_does_not_fit_is_a_mistake(text_settings, image_settings, tmp_path):
    with pytest.raises(Mistake, match="not a text LoRA"):
        last(text_settings(continue_from=tmp_path))
    layer = Lora(torch.ones(2, 320), torch.ones(320, 2), 2.0)
    path = image_file.write(tmp_path / "x.safetensors", {"lora_unet_other": layer}, {}, torch.float32)
    with pytest.raises(Mistake, match="none of its layers fits"):
        last(image_settings(continue_from=path))


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


def random_file(path, pipeline, paths, rank=2, encoder=(), lengths=None):
    """A LoRA on some of the UNet's layers, by sd-scripts' keys."""
    torch.manual_seed(2)
    layers = {}
    for model, names in ((pipeline.unet, paths), (pipeline.text_encoder, encoder)):
        for name in names:
            weight = model.get_submodule(name).weight
            down = 0.2 * torch.randn(rank, *weight.shape[1:])
            up = 0.2 * torch.randn(len(weight), rank, *[1] * (weight.dim() - 2))
            key = unet_key(name) if model is pipeline.unet else text_encoder_key(name)
            layers[key] = Lora(down, up, 1.0, dora_scale=lengths and lengths(weight))
    return image_file.write(path, layers, {}, torch.float32)


QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
KERNEL = "down_blocks.0.resnets.0.conv1"
CLIP = "encoder.layers.0.self_attn.q_proj"


def test_layers_that_have_no_place_are_told_with_the_setting_that_keeps_them(
    pipeline, image_settings, tmp_path
):
    path = random_file(tmp_path / "x.safetensors", pipeline, (QUERY, KERNEL, "conv_in"), encoder=(CLIP,))
    tensors = load_file(path) | {"bundle_emb.ink.clip_l": torch.ones(1, 16)}
    save_file(tensors, path)
    pipeline.text_encoder = None  # as after caching
    told = attach.add_loras(pipeline, image_settings(continue_from=path), torch.float32)
    assert [str(line) for line in told] == [
        "1 of 4 layers of x.safetensors go on; set target_modules to conv1, to_k, to_out.0, to_q, to_v to "
        "keep 1 more.",
        "1 layers of x.safetensors are the text encoders' and left out; train_text_encoder keeps them.",
        "1 of 4 layers of x.safetensors have no place in this training and are left out.",
        "x.safetensors also holds what this studio doesn't know and leaves out: 1 × bundle_emb…clip_l.",
    ]
    pipeline = picture_base.load(image_settings().base_model)
    chosen = image_settings(
        continue_from=path, train_text_encoder=True, target_modules=("to_q", "conv1"), lora_rank=2
    )
    told = attach.add_loras(pipeline, chosen, torch.float32)
    assert [str(line)[:6] for line in told] == ["1 of 4", "x.safe"]


@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("network", ["lora", "dora"])
def test_lengths_are_kept_or_folded(pipeline, image_settings, tmp_path, axis, network):
    def lengths(weight):
        over = [at for at in range(weight.dim()) if at != (axis == "columns")]
        found = torch.linalg.vector_norm(weight, dim=over, keepdim=True)
        return found * torch.linspace(0.8, 1.3, found.numel()).view_as(found)

    path = random_file(tmp_path / "x.safetensors", pipeline, (QUERY,), lengths=lengths)
    weight = pipeline.unet.get_submodule(QUERY).weight.detach().clone()
    wanted = merged(weight, image_file.read(path).layers[unet_key(QUERY)])
    chosen = image_settings(continue_from=path, network=network, target_modules=("attn1.to_q",), lora_rank=8)
    assert attach.add_loras(pipeline, chosen, torch.float32) == []
    layer = attach.layers(pipeline)[unet_key(QUERY)]
    torch.testing.assert_close(merged(weight, layer), wanted, atol=1e-5, rtol=1e-4)


def test_what_a_smaller_rank_drops_is_told(pipeline, image_settings, tmp_path):
    path = random_file(tmp_path / "x.safetensors", pipeline, (QUERY,), rank=4)
    whole = image_file.read(path).layers[unet_key(QUERY)].delta()
    (told,) = attach.add_loras(pipeline, image_settings(continue_from=path, lora_rank=1), torch.float32)
    kept = torch.linalg.svdvals(whole).square()
    assert str(told) == (
        f"Rank 1 keeps {kept[0] / kept.sum():.1%} of what x.safetensors adds; a higher rank keeps more."
    )


def test_a_plain_lora_goes_on_as_a_dora(pipeline, image_settings, tmp_path):
    path = random_file(tmp_path / "x.safetensors", pipeline, (KERNEL,))
    weight = pipeline.unet.get_submodule(KERNEL).weight.detach().clone()
    chosen = image_settings(continue_from=path, network="dora", target_modules=("conv1",))
    attach.add_loras(pipeline, chosen, torch.float32)
    made = merged(weight, attach.layers(pipeline)[unet_key(KERNEL)])
    wanted = merged(weight, image_file.read(path).layers[unet_key(KERNEL)])
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)
