"""What frames are drawn from, their sizes for the film; and the cover."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.families.family import Start
from core.lora.image import few_steps
from core.lora.image.sampler import Shot, Wanted, sampling
from core.messages import Mistake
from core.video.picture import frames
from core.video.picture.cover import cover, title_case
from core.video.picture.lettering import Look


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """A file where a LoRA may be."""
    path = tmp_path / "ink 水墨.safetensors"
    path.touch()
    return path


def test_loras_are_named_with_and_without_weights(lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert frames.parse_loras([str(lora), f"{lora}:0.6"]) == [(lora, 1.0), (lora, 0.6)]
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(lora.parent))
    assert frames.parse_loras([f"~/{lora.name}", f"~/{lora.name}:0.6"]) == [(lora, 1.0), (lora, 0.6)]
    with pytest.raises(Mistake, match="There is no LoRA"):
        frames.parse_loras(["C:\\nowhere\\ink.safetensors"])
    with pytest.raises(Mistake, match="between -2 and 2"):
        frames.parse_loras([f"{lora}:7"])


def test_prompts_say_the_trigger_first_and_only_known_style_words(lora: Path) -> None:
    words = {"style": ["watercolor"]}
    look = "watercolor, rice paper"
    assert frames.framed_prompt("a boat", ["inkwash"], look, words) == "inkwash, a boat, watercolor"
    assert frames.framed_prompt("a boat", [""], look, {}) == "a boat, watercolor, rice paper"


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


def kept(camera: frames.Camera, shot: Shot, facts: dict[str, str]) -> tuple[frames.Take, int]:
    """What is kept of a scene that is drawn alone, and the denoising steps that it took."""
    sitting, steps = frames.Sitting(shot, facts), 0
    while not sitting.takes or not sitting.over(camera.how.takes):
        steps += len(list(camera.take([sitting])))
    return sitting.best, steps


def test_of_several_takes_the_one_that_shows_the_scene_best_is_kept(tiny_base: Path) -> None:
    facts = {"object": "boat", "setting": "river"}
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192, Wanted(takes=3)))
    assert camera.tagger is not None
    best, _ = kept(camera, Shot("a boat on a river", 5), facts)
    drawn = {seed: camera.artist.draw("a boat on a river", seed) for seed in (5, 6, 7)}
    sure = {seed: camera.tagger.agreement(Image.fromarray(p), facts) for seed, p in drawn.items()}
    assert len(set(sure.values())) == 3 and best.agreement == max(sure.values())
    assert np.array_equal(best.picture, drawn[best.seed]) and sure[best.seed] == best.agreement


def test_a_base_that_asks_for_no_takes_is_drawn_once(tiny_base: Path) -> None:
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192))
    assert camera.tagger is None and kept(camera, Shot("a boat", 5), {})[1] == camera.how.steps


def test_a_scene_is_drawn_again_only_where_the_labeller_doubts(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192, Wanted(takes=3)))
    facts, steps, shot = (
        {"object": "boat", "setting": "river"},
        camera.how.steps,
        Shot("a boat on a river", 5),
    )
    monkeypatch.setattr(frames, "SURE", 0.1)  # surer than certain: all takes are drawn
    best, taken = kept(camera, shot, facts)
    assert taken == 3 * steps and best.doubt == "other", "what stays doubtful is marked"
    monkeypatch.setattr(frames, "SURE", best.agreement)
    assert kept(camera, shot, facts)[1] == (best.seed - 5 + 1) * steps
    assert kept(camera, replace(shot, seed=best.seed), facts)[1] == steps


@pytest.mark.parametrize("few", [None, "lcm", "turbo"])
@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("doubt", ["dark", "flat"])
def test_a_black_or_empty_picture_is_drawn_again_twice_and_marked(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch, doubt: str, strength: float, few: str | None
) -> None:
    """Also one that begins from a picture, and with samplers of few steps; a base with one take too."""
    how = replace(sampling(str(tiny_base), [], 108, 192), few=few_steps.KINDS[few] if few else None)
    camera = frames.Camera(how)
    width, height = how.width, how.height
    grey = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    shot = Shot("a boat", 5, Start(grey, strength) if strength else None)
    monkeypatch.setattr(frames, "doubts", lambda picture: "" if picture is grey else doubt)
    best, _ = kept(camera, shot, {})
    assert best.doubt == doubt
    sitting = frames.Sitting(shot, {})
    for count in (1, 2, 3):
        list(camera.take([sitting]))
        assert sitting.over(1) == (count == 3)
    assert [one.seed for one in sitting.takes] == [5, 6, 7]
    assert len({one.picture.tobytes() for one in sitting.takes}) == 3, "another seed is another picture"


def test_a_photo_of_the_night_is_drawn_anew_as_such(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was drawn three times, and marked: no other seed makes it brighter."""
    how = sampling(str(tiny_base), [], 108, 192, Wanted(steps=10))
    camera, night = frames.Camera(how), np.full((how.height, how.width, 3), 2, np.uint8)
    monkeypatch.setattr(frames, "DARK", 256)  # the tiny base's autoencoder makes no black
    best, steps = kept(camera, Shot("a boat", 5, Start(night, 0.1)), {})
    assert (best.doubt, steps) == ("", 1)
    assert kept(camera, Shot("a boat", 5), {})[0].doubt == "dark"


def test_a_black_and_an_empty_picture_are_told() -> None:
    night = np.zeros((56, 32, 3), np.uint8)
    night[5:9, 5:9] = 255  # a moon
    noise = np.random.default_rng(0).integers(0, 255, night.shape, np.uint8)
    assert frames.doubts(np.full_like(night, 3)) == "dark"
    assert frames.doubts(np.full_like(night, 120)) == frames.doubts(noise // 100 + 100) == "flat"
    assert frames.doubts(night) == frames.doubts(noise) == ""
