"""Where a picture draws the eye, and a camera that goes there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from core.video.picture import motion
from core.video.picture.focus import focus

PLACES = [(0.5, 0.5), (0.3, 0.3), (0.7, 0.35), (0.35, 0.7), (0.68, 0.66)]


def thing_at(x: float, y: float, seed: int = 0) -> np.ndarray:
    """A red thing on a soft, uneven ground, [448, 256, 3]."""
    luck = np.random.default_rng(seed)
    uneven = luck.integers(120, 200, (14, 8, 3), np.uint8)
    ground = Image.fromarray(uneven).resize((256, 448), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(ground)
    draw.ellipse((x * 256 - 28, y * 448 - 34, x * 256 + 28, y * 448 + 34), fill=(190, 40, 30))
    return np.asarray(ground.filter(ImageFilter.GaussianBlur(1)))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(4))
def test_the_eye_goes_to_what_stands_out(place: tuple[float, float], seed: int) -> None:
    found = focus(thing_at(*place, seed))
    assert found == pytest.approx(place, abs=0.12)


@pytest.mark.parametrize("picture", [np.zeros((448, 256, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)])
def test_where_nothing_stands_out_it_is_the_middle(picture: np.ndarray) -> None:
    assert focus(picture) == (0.5, 0.5)


@pytest.mark.parametrize("wish", ["push", "pull"])
def test_a_near_view_leans_towards_it_and_never_leaves_the_picture(wish: str) -> None:
    width, height = 90, 160
    for place in PLACES[1:]:
        picture = np.dstack([thing_at(*place), np.zeros((448, 256), np.uint8)])
        (path,) = motion.moves([("a", wish)], 0, 0.3, lambda at, place=place: place)
        near = 1.0 if wish == "push" else 0.0
        seen = motion.view(picture, path, near, width, height).astype(int)
        red = np.argwhere((seen[..., 0] > 150) & (seen[..., 1] < 90))
        y, x = red.mean(0) / (height, width)
        before = np.hypot(place[0] - 0.5, place[1] - 0.5)
        assert np.hypot(x - 0.5, y - 0.5) <= before + 0.02
        if before > 0.2:
            assert np.hypot(x - 0.5, y - 0.5) < before - 0.02
        assert seen[0].std() > 0 and np.abs(path.start[1:] + path.end[1:]).max() <= 0.5


def test_a_focus_changes_no_pan() -> None:
    asked: list[int] = []

    def focus_of(at: int) -> tuple[float, float]:
        asked.append(at)
        return 0.2, 0.8

    wishes = [("a", "right"), ("b", "push")]
    paths = motion.moves(wishes, 0, 0.1, focus_of)
    assert paths[0] == motion.moves(wishes, 0, 0.1)[0] and paths[1] != motion.moves(wishes, 0, 0.1)[1]
    assert asked == [1], "a picture that isn't come nearer to is not looked at"
