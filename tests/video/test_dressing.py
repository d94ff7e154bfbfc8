"""How a scene's captions will look, before anything is filmed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from core.settings.video import FilmSettings
from core.video.dressing import dressed
from core.video.storyboard.board import Scene, Storyboard


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (540, 960), (20, 90, 40)).save(path)
    return path


def shown(photo: Path, **film: object) -> np.ndarray:
    scenes = (
        Scene(say="The boat leaves before the sun does.", picture=photo),
        Scene(say="Nothing drawn yet."),
    )
    return dressed(Storyboard(film=FilmSettings(**film), scenes=scenes), 0)


def test_it_has_the_films_shape_the_scenes_picture_and_the_apps_buttons(photo: Path) -> None:
    frame = shown(photo, captions=False)
    assert frame.shape == (720, 405, 3) and frame.dtype == np.uint8
    assert tuple(frame[400, 100]) == (20, 90, 40) and frame[360, 376].min() > 90, "a button at the right"
    wide = shown(photo, captions=False, width=1920, height=1080)
    assert wide.shape == (405, 720, 3)


def test_each_look_of_the_captions_is_seen(photo: Path) -> None:
    plain = shown(photo, captions=False)
    looks = [shown(photo, caption_look=name) for name in ("outline", "pop", "top-title", "lower-third")]
    assert all((look != plain).any() for look in looks) and len({look.tobytes() for look in looks}) == 4
    np.testing.assert_array_equal(shown(photo, caption_look="none"), plain)


def test_the_first_scene_has_its_title_and_the_cards_stand_beside_their_scenes(photo: Path) -> None:
    plain, titled = shown(photo), shown(photo, title_words="Hello")
    assert titled.shape == plain.shape and (titled != plain).any(-1)[100:400].any()
    scenes = (Scene(say="The boat leaves.", picture=photo), Scene(say="It is gone.", picture=photo))
    film = FilmSettings(title_words="Hello", title_shown="card", end_link="https://example.com")
    board = Storyboard(topic="Boats", film=film, scenes=scenes)
    first, last = dressed(board, 0), dressed(board, 1)
    assert first.shape == last.shape == (720, 2 * 405 + 12, 3)
    assert tuple(first[400, 405 + 12 + 100]) == (20, 90, 40) == tuple(last[400, 100]), (
        "the scenes' own places"
    )
    assert cv2.QRCodeDetector().detectAndDecode(last)[0] == "https://example.com"


def test_a_scene_that_is_not_drawn_or_whose_picture_is_gone_shows_its_captions_all_the_same(tmp_path) -> None:
    for scene in (Scene(say="Nothing drawn yet."), Scene(say="Gone.", picture=tmp_path / "gone.png")):
        frames = [
            dressed(Storyboard(film=FilmSettings(captions=shown), scenes=(scene,)), 0)
            for shown in (True, False)
        ]
        assert (frames[0] != frames[1]).any()
