"""What frames are drawn from, their sizes for the film; and the cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.jobs import Mistake, outcome
from core.lora.artist import sampling
from core.video import frames
from core.video.captions import Look
from core.video.cover import cover, title_case


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


def test_of_several_takes_the_one_that_shows_the_scene_best_is_kept(tiny_base: Path) -> None:
    from PIL import Image

    facts = {"object": "boat", "setting": "river"}
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192, takes=3))
    assert camera.tagger is not None
    kept = outcome(camera.take("a boat on a river", 5, facts))
    drawn = {seed: camera.artist.draw("a boat on a river", seed) for seed in (5, 6, 7)}
    sure = {seed: camera.tagger.agreement(Image.fromarray(p), facts) for seed, p in drawn.items()}
    assert len(set(sure.values())) == 3 and kept.agreement == max(sure.values())
    assert np.array_equal(kept.picture, drawn[kept.seed]) and sure[kept.seed] == kept.agreement


def test_a_base_that_asks_for_no_takes_is_drawn_once(tiny_base: Path) -> None:
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192))
    assert camera.tagger is None and outcome(camera.take("a boat", 5, {})).seed == 5


def test_a_scene_is_drawn_again_only_where_the_labeller_doubts(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = frames.Camera(sampling(str(tiny_base), [], 108, 192, takes=3))
    facts, steps = {"object": "boat", "setting": "river"}, camera.how.steps
    monkeypatch.setattr(frames, "SURE", 0.1)  # surer than certain: all takes are drawn
    best = outcome(camera.take("a boat on a river", 5, facts))
    assert len(list(camera.take("a boat on a river", 5, facts))) == 3 * steps
    monkeypatch.setattr(frames, "SURE", best.agreement)
    drawn = list(camera.take("a boat on a river", 5, facts))
    assert len(drawn) == (best.seed - 5 + 1) * steps
    assert len(list(camera.take("a boat on a river", best.seed, facts))) == steps
