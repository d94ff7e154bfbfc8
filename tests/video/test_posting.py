"""A finished film's cover, words and zip: made anew, read back from pixels and files."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.messages import Mistake
from core.progress import Progress
from core.settings.post import PostSettings
from core.settings.style import styled
from core.video import covering, posting
from core.video.places import Places
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard
from core.video.storyboard.draft import Draft
from tests.answering import serving
from tests.video.test_review import made, pictures


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("film to post 片")
    black, tiles = pictures(folder / "elsewhere")
    return made(
        folder,
        Scene(id="a", picture=tiles, seconds=2, say="Tiles come first."),
        Scene(id="b", picture=black, seconds=2, say="Then the night."),
        motion=0.0,
    )


@pytest.fixture
def places(film: Places, tmp_path: Path) -> Places:
    """A copy of the film, its own material where it was."""
    shutil.copytree(film.video.parent, tmp_path / "film", dirs_exist_ok=True)
    return Places(tmp_path / "film" / "video.mp4")


def cover_of(places: Places) -> np.ndarray:
    return np.asarray(Image.open(places.beside("cover.png")).convert("RGB")).astype(int)


def test_the_cover_is_a_scenes_picture_or_a_moment_with_the_words_asked_for(places: Places) -> None:
    first = cover_of(places)
    assert first.shape == (192, 108, 3) and first[150:].mean() > 100
    posting.chosen(places, "cover_scene", "b")
    assert cover_of(places)[150:].mean() < 2 and cover_of(places)[:120].max() > 200, "black with a title"
    posting.chosen(places, "cover_words", "-")
    assert cover_of(places).max() < 8, "no word is left"
    posting.chosen(places, "cover_second", "1")
    seen = covering.moment(places.video, 1.0).astype(int)
    assert np.abs(cover_of(places) - seen).max() == 0
    tiles = np.asarray(Image.open(file.read(posting.storyboard_of(places)).scenes[0].picture)).astype(int)
    shown, whole = seen[:60].reshape(-1, 3).mean(0), tiles[:110].reshape(-1, 3).mean(0)
    assert np.abs(shown - whole).max() < 12, "colours are those of the picture"
    posting.chosen(places, "cover_second", "900")
    assert cover_of(places)[100:130].mean() < 30, "past its end a film shows its end"
    board = posting.chosen(places, "cover_scene", "a")
    assert board.post.cover_second is None and Draft(places.video.parent).undo() != board
    with pytest.raises(Mistake, match="cover_second"):
        posting.chosen(places, "cover_second", "soon")


def test_a_film_made_of_such_a_storyboard_has_that_cover(film: Places, tmp_path: Path) -> None:
    board = file.read(film.beside("storyboard.yaml"))
    board = edit.named(board, post={"cover_scene": "b", "cover_words": "-"})
    assert file.read(file.write(board, tmp_path / "s.yaml")).post == board.post
    covering.covered(board, styled(board.film), Places(tmp_path / "video.mp4"))
    assert np.asarray(Image.open(tmp_path / "cover.png")).max() < 8
    gone = edit.removed(board, "b")
    covering.covered(gone, styled(board.film), Places(tmp_path / "video.mp4"))
    assert np.asarray(Image.open(tmp_path / "cover.png")).mean() > 100, "its scene is gone: the first one's"


def test_words_that_are_changed_stand_beside_the_film_and_others_stay_as_they_come(places: Places) -> None:
    text = places.beside("post.txt")
    assert text.read_text("utf-8").startswith("Tiles\n\nTiles come first. Then the night.\n\n#")
    posting.chosen(places, "title", "Tiles at night")
    posting.chosen(places, "description", "Tiles come first. Then the night.")  # as it was made: not chosen
    board = posting.chosen(places, "hashtags", "#tiles, #night night")
    assert (board.post.title, board.post.description) == ("Tiles at night", "")
    assert text.read_text("utf-8") == "Tiles at night\n\nTiles come first. Then the night.\n\n#tiles #night\n"


def done(settings: PostSettings) -> list[Progress]:
    return list(posting.post(settings))


def test_a_zip_holds_all_of_it_and_no_place_of_this_machine(places: Places, tmp_path: Path) -> None:
    settings = PostSettings(video=places.video, cover_scene="b", title="Night", hashtags=("night", "tiles"))
    *_, last = done(settings)
    assert last.result == places.beside("post.zip")
    with zipfile.ZipFile(last.result) as zipped:
        assert set(zipped.namelist()) == {
            *(
                "video.mp4",
                "cover.png",
                "video.srt",
                "video.ass",
                "post.txt",
                "storyboard.yaml",
                "report.json",
            ),
            *("material/tiles.png", "material/black.png"),
        }
        assert zipped.read("video.mp4") == places.video.read_bytes()
        assert zipped.read("post.txt").decode().splitlines()[0] == "Night"
        for name in ("storyboard.yaml", "report.json"):
            assert str(places.video.parent) not in zipped.read(name).decode(), name
            assert "film to post" not in zipped.read(name).decode(), name
        zipped.extractall(tmp_path / "there")
    board = file.read(tmp_path / "there" / "storyboard.yaml")
    assert board.post.title == "Night" and [one.picture.is_file() for one in board.scenes] == [True, True]
    report = json.loads((tmp_path / "there" / "report.json").read_text("utf-8"))
    assert Storyboard(**report["storyboard"]).scenes[0].say == "Tiles come first." and report["findings"]


def test_files_of_one_name_are_packed_apart(places: Places, tmp_path: Path) -> None:
    other = tmp_path / "other" / "TILES.png"
    other.parent.mkdir()
    Image.new("RGB", (64, 64), "teal").save(other)
    Draft(places.video.parent).change(lambda board: edit.changed(board, "b", picture=other))
    assert posting.board_of(places).scenes[1].picture != other, "the film was made of another one"
    places.beside("report.json").write_text('{"storyboard": {"scenes": 7}}')
    with zipfile.ZipFile(posting.packed(places)) as zipped:
        zipped.extractall(tmp_path / "there")
    first, second = file.read(tmp_path / "there" / "storyboard.yaml").scenes
    assert first.picture != second.picture
    assert Image.open(second.picture).size == (64, 64)


def test_what_is_not_there_is_one_sentence(places: Places, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="There is no film"):
        done(PostSettings(video=tmp_path / "none.mp4"))
    with pytest.raises(Mistake, match="no longer in the storyboard"):
        done(PostSettings(video=places.video, cover_scene="z"))
    places.beside("storyboard.yaml").unlink()
    with pytest.raises(Mistake, match="no storyboard beside"):
        done(PostSettings(video=places.video))


def test_a_model_that_is_large_enough_writes_the_post_and_is_asked_in_the_films_language(
    places: Places,
) -> None:
    answer = {
        "title": "Tiles before night",
        "description": "First tiles, then night.",
        "hashtags": ["tiles", "Night", "city"],
    }
    draft = Draft(places.video.parent)
    with serving() as server:
        server.answers = [json.dumps(answer)]
        draft.change(lambda board: edit.filmed(board, text_base=server.address))
        done(PostSettings(video=places.video, write=True))
        asked = server.asked[-1]
    assert "Tiles come first." in json.dumps(asked["messages"])
    post = draft.read().post
    assert (post.title, post.description, post.hashtags) == (
        "Tiles before night",
        "First tiles, then night.",
        ("tiles", "Night", "city"),
    )
    assert places.beside("post.txt").read_text("utf-8").endswith("#tiles #Night #city\n")


def test_a_small_model_is_not_asked(places: Places, tiny_llm: Path) -> None:
    draft = Draft(places.video.parent)
    draft.change(lambda board: edit.filmed(board, text_base=str(tiny_llm)))
    said = [str(one.text) for one in done(PostSettings(video=places.video, write=True))]
    assert any("too small to write a post" in one for one in said)
    assert draft.read().post.title == ""
