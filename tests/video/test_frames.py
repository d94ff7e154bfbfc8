"""Frames from a tiny real pipeline: seeds, LoRAs, sizes; and the cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.jobs import Mistake
from core.lora import formats
from core.video import frames
from core.video.captions import Look
from core.video.cover import cover, title_case


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
        path, {key: formats.Layer(down, up, 2.0)}, {"modelspec.trigger_phrase": "inkwash"}, torch.float32
    )


def test_a_frame_is_its_seed_whatever_was_drawn_before(tiny_base: Path) -> None:
    how = frames.recipe(str(tiny_base), [], 108, 192)
    assert (how.width, how.height, how.steps) == (32, 56, 2)
    artist = frames.Artist(how)
    first, other = artist.draw("a boat on a river", 1), artist.draw("a boat on a river", 2)
    assert first.shape == (56, 32, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, other)
    assert np.array_equal(first, artist.draw("a boat on a river", 1))
    assert np.array_equal(first, frames.Artist(how).draw("a boat on a river", 1))


def test_a_lora_changes_the_frame_by_its_weight(tiny_base: Path, lora: Path) -> None:
    drawn = [
        frames.Artist(frames.recipe(str(tiny_base), [(lora, weight)], 108, 192))
        .draw("a boat", 1)
        .astype(float)
        for weight in (0.0, 0.5, 2.0)
    ]
    assert 0 < np.abs(drawn[1] - drawn[0]).mean() < np.abs(drawn[2] - drawn[0]).mean()


@pytest.mark.parametrize(
    ("width", "height", "size"), [(108, 192, (32, 56)), (192, 108, (56, 32)), (100, 100, (32, 32))]
)
def test_the_drawing_has_the_films_shape(
    tiny_base: Path, width: int, height: int, size: tuple[int, int]
) -> None:
    how = frames.recipe(str(tiny_base), [], width, height, steps=7, guidance=3.0)
    assert (how.width, how.height) == size
    assert (how.steps, how.guidance) == (7, 3.0)


def test_loras_are_named_with_and_without_weights(lora: Path) -> None:
    assert frames.parse_loras([str(lora), f"{lora}:0.6"]) == [(lora, 1.0), (lora, 0.6)]
    with pytest.raises(Mistake, match="There is no LoRA"):
        frames.parse_loras(["C:\\nowhere\\ink.safetensors"])
    with pytest.raises(Mistake, match="between -2 and 2"):
        frames.parse_loras([f"{lora}:7"])


def test_prompts_say_the_trigger_first_and_only_known_style_words(lora: Path) -> None:
    assert frames.trigger(lora) == "inkwash"
    words = {"style": ["watercolor"]}
    look = "watercolor, rice paper"
    assert frames.framed_prompt("a boat", ["inkwash"], look, words) == "inkwash, a boat, watercolor"
    assert frames.framed_prompt("a boat", [""], look, {}) == "a boat, watercolor, rice paper"


def test_enlarged_frames_have_exactly_the_size_asked_for() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (56, 32, 3), np.uint8)
    for made in frames.enlarge([picture, picture], 117, 209):
        assert made.shape == (209, 117, 3)


@pytest.mark.parametrize("size", [(270, 480), (480, 270), (300, 300)])
@pytest.mark.parametrize(
    "title", ["a quiet morning in a river town", "江南小镇的早晨，薄雾与旧桥", "Ohm " * 60]
)
def test_a_cover_shows_its_whole_title(title: str, size: tuple[int, int]) -> None:
    width, height = size
    picture = np.full((112, 64, 3), 128, np.uint8)
    made = cover(picture, title, Look("serif", 60, "#ffffff", "#ffd166", "none"), width, height)
    assert made.shape == (height, width, 3)
    white = np.argwhere((made > 215).all(2))
    assert len(white) > 50
    assert white[:, 1].min() > 0.03 * width and white[:, 1].max() < 0.97 * width
    assert white[:, 0].max() < 0.97 * height


def test_titles() -> None:
    assert title_case("  a quiet\nmorning. ") == "A quiet morning"


def test_of_several_takes_the_one_that_shows_the_scene_best_is_kept(tiny_base: Path) -> None:
    from PIL import Image

    facts = {"object": "boat", "setting": "river"}
    camera = frames.Camera(frames.recipe(str(tiny_base), [], 108, 192, takes=3))
    assert camera.tagger is not None
    kept = camera.take("a boat on a river", 5, facts)
    drawn = {seed: camera.artist.draw("a boat on a river", seed) for seed in (5, 6, 7)}
    sure = {seed: camera.tagger.agreement(Image.fromarray(p), facts) for seed, p in drawn.items()}
    assert len(set(sure.values())) == 3 and kept.agreement == max(sure.values())
    assert np.array_equal(kept.picture, drawn[kept.seed]) and sure[kept.seed] == kept.agreement


def test_a_base_that_asks_for_no_takes_is_drawn_once(tiny_base: Path) -> None:
    camera = frames.Camera(frames.recipe(str(tiny_base), [], 108, 192))
    assert camera.tagger is None and camera.take("a boat", 5, {}).seed == 5


def test_stable_diffusion_xl_draws_with_a_lora_on_and_off(sdxl_folder: Path, tmp_path: Path) -> None:
    import torch

    key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_v"
    generator = torch.Generator().manual_seed(0)
    layer = formats.Layer(
        torch.randn(2, 192, generator=generator), torch.randn(64, 2, generator=generator), 2.0
    )
    path = formats.write(tmp_path / "xl.safetensors", {key: layer}, {}, torch.float32)
    drawn = []
    for loras in ([], [(path, 1.0)]):
        how = frames.recipe(str(sdxl_folder), loras, 108, 192)
        artist = frames.Artist(how)
        assert artist.unused == []
        drawn.append(artist.draw("a boat", 1))
    assert drawn[0].shape == (64, 32, 3) and not np.array_equal(*drawn)
