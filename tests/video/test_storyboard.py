"""The storyboard's file: what is written is read back, and what is wrong is named with line and field."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Mistake
from core.project import ROOT
from core.settings.video import FilmSettings
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard, Subject

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029"), max_size=60
)
NAMES = st.text(string.ascii_letters, min_size=1, max_size=8)


@st.composite
def boards(draw: st.DrawFn) -> Storyboard:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    subjects = [
        Subject(name=name, look=draw(WORDS), seed=draw(st.none() | st.integers(0, 9))) for name in names
    ]
    ids = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    scenes = [
        Scene(
            id=one,
            say=draw(WORDS),
            draw=draw(WORDS),
            seconds=draw(st.floats(0, 600)),
            subjects=tuple(draw(st.lists(st.sampled_from(names), unique=True)) if names else ()),
            cut=draw(st.sampled_from([(), (0.25, 0.5), (0.0, 1.0, 1.5)])),
            motion=draw(st.sampled_from(["auto", "push", "still"])),
            picture=draw(st.none() | st.sampled_from([Path("a b.png"), Path("/elsewhere/图.mp4")])),
            lock=draw(st.booleans()),
        )
        for one in ids
    ]
    return Storyboard(topic=draw(WORDS), pause=draw(st.floats(0, 10)), subjects=subjects, scenes=scenes)


@given(board=boards())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(board: Storyboard, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("board") / "storyboard.yaml"
    anchored = file._anchored(board, path.parent)
    assert file.read(file.write(anchored, path)) == anchored


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes:\n- say: a\n  secnds: 4\n", r"line 3.*secnds.*did you mean seconds"),
        ("version: 2\nscenes:\n- say: a\n- say: b\n  seconds: x\n", r"seconds in .*line 5 is x"),
        ("version: 2\nscenes:\n- 4", r"line 3.*scene"),
        ("version: 2\nscenes: []", r"line 2.*no scenes"),
        ("version: 2\nfilm: {fps: 900}\nscenes: [{say: a}]", r"fps in .*line 2 is 900"),
        ("version: 2\nscenes:\n- say: a\n  motion: wild", r"motion in .*line 4 is wild.*push"),
        ("version: 3", "newer studio"),
        ("version: 2\nscenes:\n- say: a\n  subjects: [Mei]\n", "Mei, which is no subject"),
        ("version: 2\nscenes:\n- {id: a}\n- {id: a}\n", "two scenes are called a"),
        ("version: 2\nscenes:\n- say: a\n  cut: [1, 3]\n", r"line 3, cut is"),
        ("topic: a\nseed: 1\nscenes: [{number: 1, colour: red}]", "colour"),
        ("topic: a\nseed: x\nscenes: [{thing: boat}]", "seed in"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "storyboard.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Mistake, match=words):
        file.read(path)


def test_a_file_of_the_first_layout_opens(tmp_path: Path) -> None:
    path = tmp_path / "storyboard.yaml"
    path.write_text(
        "topic: a river\nstyle: neon-night\nseed: 7\nscenes:\n- number: 1\n  thing: boat\n  setting: river\n"
        "  subject: a boat on a river\n  prompt: a boat on a river\n  narration: It waits.\n  seconds: 3.9\n"
        "  seed: 5\n  text_lora: ''\n",
        encoding="utf-8",
    )
    board = file.read(path)
    assert (board.topic, board.film.style, board.film.seed) == ("a river", "neon-night", 7)
    [scene] = board.scenes
    assert (scene.say, scene.draw, scene.about) == ("It waits.", "a boat on a river", "a boat on a river")
    assert (scene.thing, scene.setting, scene.seed, scene.seconds, scene.id) == ("boat", "river", 5, 0, "s1")
    assert file.read(file.write(board, path)) == board


def test_files_of_the_storyboards_own_folder_move_with_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "one" / "my photo.jpg", tmp_path / "elsewhere.jpg"
    film = FilmSettings(music_file=tmp_path / "one" / "tune.ogg", end_picture=tmp_path / "one" / "logo.png")
    board = Storyboard(film=film, scenes=[Scene(picture=inside), Scene(picture=outside)])
    file.write(board, tmp_path / "one" / "storyboard.yaml")
    (tmp_path / "one").rename(tmp_path / "two")
    moved = file.read(tmp_path / "two" / "storyboard.yaml")
    assert [scene.picture for scene in moved.scenes] == [tmp_path / "two" / "my photo.jpg", outside]
    assert moved.film.music_file == tmp_path / "two" / "tune.ogg"
    assert moved.film.end_picture == tmp_path / "two" / "logo.png"


def test_a_scene_keeps_its_seed_where_it_is_moved() -> None:
    board = Storyboard(scenes=[Scene(say="a"), Scene(say="b"), Scene(say="c", seed=9)]).numbered()
    seeds = {scene.id: board.seed_of(at) for at, scene in enumerate(board.scenes)}
    turned = board.model_copy(update={"scenes": board.scenes[::-1]})
    assert {scene.id: turned.seed_of(at) for at, scene in enumerate(turned.scenes)} == seeds
    assert len(set(seeds.values())) == 3 and seeds["s3"] == 9


def test_a_subject_gives_its_seed_to_the_scenes_that_show_it() -> None:
    mei = Subject(name="Mei", look="a woman in red", seed=3)
    board = Storyboard(subjects=[mei], scenes=[Scene(subjects=["Mei"]), Scene(subjects=["Mei"]), Scene()])
    assert board.seed_of(0) == board.seed_of(1) == 3 != board.seed_of(2)


def test_the_schema_and_the_examples_that_ship_are_true() -> None:
    folder = ROOT / "presets" / "storyboards"
    assert json.loads((folder / "schema.json").read_text(encoding="utf-8")) == file.schema(), (
        "write it anew: json.dumps(core.video.storyboard.file.schema(), indent=1)"
    )
    for path in folder.glob("*.yaml"):
        assert file.read(path).scenes
