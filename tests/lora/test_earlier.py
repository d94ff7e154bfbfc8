"""Going on from an earlier LoRA: the same product at another rank and scale, in both recipes."""

from __future__ import annotations

import pytest
import torch
from conftest import last  # type: ignore[import-not-found]

from core.jobs import Mistake
from core.lora import formats
from core.lora.earlier import refit
from core.lora.layers import Lora


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
    old = formats.read(first).layers
    for key, layer in recipe.layers().items():
        torch.testing.assert_close(layer.delta(), old[key].delta(), atol=2e-4, rtol=2e-2)
    assert last(image_settings(continue_from=first, epochs=2)).result.name.startswith("lora_v2_")


def test_a_text_lora_goes_on(text_settings, recipe_of):
    first = last(text_settings(epochs=4)).result
    recipe = recipe_of(text_settings(continue_from=first))
    fresh = recipe_of(text_settings())
    assert recipe.validate()["held_out_loss"] < fresh.validate()["held_out_loss"] - 0.01


def test_what_does_not_fit_is_a_mistake(text_settings, image_settings, tmp_path):
    with pytest.raises(Mistake, match="not a text LoRA"):
        last(text_settings(continue_from=tmp_path))
    layer = Lora(torch.ones(2, 320), torch.ones(320, 2), 2.0)
    path = formats.write(tmp_path / "x.safetensors", {"lora_unet_other": layer}, {}, torch.float32)
    with pytest.raises(Mistake, match="none of its layers fits"):
        last(image_settings(continue_from=path))
