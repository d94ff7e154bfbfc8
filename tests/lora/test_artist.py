"""Pictures from a tiny real pipeline: seeds, LoRAs, sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.lora import formats
from core.lora.artist import Artist, sampling
from core.lora.layers import Lora


@pytest.fixture(scope="module")
def lora(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strong random LoRA on one attention projection of the tiny base."""
    import torch

    generator = torch.Generator().manual_seed(0)
    down = torch.randn(2, 8, generator=generator)
    up = torch.randn(8, 2, generator=generator)
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    path = tmp_path_factory.mktemp("loras") / "ink 水墨.safetensors"
    return formats.write(
        path, {key: Lora(down, up, 2.0)}, {"modelspec.trigger_phrase": "inkwash"}, torch.float32
    )


def test_a_picture_is_its_seed_whatever_was_drawn_before(tiny_base: Path) -> None:
    how = sampling(str(tiny_base), [], 108, 192)
    assert (how.width, how.height, how.steps) == (32, 56, 2)
    artist = Artist(how)
    first, other = artist.draw("a boat on a river", 1), artist.draw("a boat on a river", 2)
    assert first.shape == (56, 32, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, other)
    assert np.array_equal(first, artist.draw("a boat on a river", 1))
    assert np.array_equal(first, Artist(how).draw("a boat on a river", 1))


def test_a_lora_changes_the_picture_by_its_weight(tiny_base: Path, lora: Path) -> None:
    assert formats.trigger(lora) == "inkwash"
    drawn = [
        Artist(sampling(str(tiny_base), [(lora, weight)], 108, 192)).draw("a boat", 1).astype(float)
        for weight in (0.0, 0.5, 2.0)
    ]
    assert 0 < np.abs(drawn[1] - drawn[0]).mean() < np.abs(drawn[2] - drawn[0]).mean()


@pytest.mark.parametrize(
    ("width", "height", "size"), [(108, 192, (32, 56)), (192, 108, (56, 32)), (100, 100, (32, 32))]
)
def test_a_drawing_has_the_shape_asked_for(
    tiny_base: Path, width: int, height: int, size: tuple[int, int]
) -> None:
    how = sampling(str(tiny_base), [], width, height, steps=7, guidance=3.0)
    assert (how.width, how.height) == size
    assert (how.steps, how.guidance) == (7, 3.0)


def test_stable_diffusion_xl_draws_with_a_lora_on_and_off(sdxl_folder: Path, sdxl_lora: Path) -> None:
    drawn = []
    for loras in ([], [(sdxl_lora, 1.0)]):
        how = sampling(str(sdxl_folder), loras, 108, 192)
        artist = Artist(how)
        assert artist.unused == []
        drawn.append(artist.draw("a boat", 1))
    assert drawn[0].shape == (64, 32, 3) and not np.array_equal(*drawn)
