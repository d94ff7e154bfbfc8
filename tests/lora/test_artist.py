"""Pictures from a tiny real pipeline: seeds, LoRAs, sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.families.diffusion import _expected
from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora
from core.lora.image import few_steps
from core.lora.image.sampler import Artist, Shot, Wanted, sampling


@pytest.fixture(scope="module")
def lora(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strong random LoRA on one attention projection of the tiny base."""
    generator = torch.Generator().manual_seed(0)
    down = torch.randn(2, 8, generator=generator)
    up = torch.randn(8, 2, generator=generator)
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    path = tmp_path_factory.mktemp("loras") / "ink 水墨.safetensors"
    return image_file.write(
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
    assert image_file.trigger(lora) == "inkwash"
    drawn = [
        Artist(sampling(str(tiny_base), [(lora, weight)], 108, 192)).draw("a boat", 1).astype(float)
        for weight in (0.0, 0.5, 2.0)
    ]
    assert 0 < np.abs(drawn[1] - drawn[0]).mean() < np.abs(drawn[2] - drawn[0]).mean()


def test_a_picture_is_looked_at_while_it_forms() -> None:
    """Of the real base, as random weights have no likeness to their autoencoder's pictures."""
    artist = Artist(sampling("embedded", [], 108, 192, Wanted(steps=6)))
    assert artist.look() == []
    looks, steps = [], artist.drawing([Shot("a boat on a river", 1)])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            (made,) = end.value
            break
        (look,) = artist.look()
        looks.append(look)
    assert len(looks) == 6 and looks[0].shape == (112, 64, 3) and looks[0].dtype == np.uint8
    assert artist.look() == [], "what is drawn is let go"
    small = np.asarray(Image.fromarray(made).resize((64, 112), Image.Resampling.BOX)).astype(float)
    away = [np.sqrt(((look - small) ** 2).mean()) for look in looks]
    assert away[-1] < 20 < away[0] < 80 and away[-1] < away[2] < away[0]
    assert np.array_equal(made, artist.draw("a boat on a river", 1)), "looking changes nothing"


@pytest.mark.parametrize("base", ["tiny_base", "sdxl_folder"])
@pytest.mark.parametrize("kind", [None, *few_steps.KINDS])
def test_what_is_expected_is_the_picture_where_the_noise_is_known(
    base: str, kind: str | None, request: pytest.FixtureRequest
) -> None:
    """With each sampler, of a base that predicts the velocity (the tiny one) or the noise."""
    how = sampling(str(request.getfixturevalue(base)), [], 108, 192)
    scheduler = Artist(replace(how, few=few_steps.KINDS[kind] if kind else None)).pipeline.scheduler
    picture, noise = torch.randn(2, 2, 4, 7, 8)
    for at in (2, 5):
        scheduler.set_timesteps(8)
        time = scheduler.timesteps[at]
        noisy = scheduler.add_noise(picture, noise, time[None])
        made, kept = noise, scheduler.alphas_cumprod[int(time.round())]
        if scheduler.config.prediction_type == "v_prediction":
            made = kept**0.5 * noise - (1 - kept) ** 0.5 * picture
        expected = _expected(scheduler, scheduler.scale_model_input(noisy, time), time, made)
        torch.testing.assert_close(expected, picture, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("width", "height", "size"), [(108, 192, (32, 56)), (192, 108, (56, 32)), (100, 100, (32, 32))]
)
def test_a_drawing_has_the_shape_asked_for(
    tiny_base: Path, width: int, height: int, size: tuple[int, int]
) -> None:
    how = sampling(str(tiny_base), [], width, height, Wanted(steps=7, guidance=3.0))
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
