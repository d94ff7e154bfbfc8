"""Storyboards of one's own words: what is said is the script, what is drawn is what it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import commands
from core.messages import Mistake
from core.settings.video import ComposeSettings, WriteSettings
from core.texts.writer import Writer
from core.video import timing
from core.video.compose import begun, compose
from core.video.script.own_words import read
from core.video.script.phrases import phrases
from core.video.script.plan import illustrate
from core.video.script.write import sized, write
from core.video.storyboard import file
from tests.running import finished

CHINESE = (
    "[画面：房间里的一只猫]\n天还没亮，猫就醒了。\n\n外面下着雨，一把雨伞走过街道。\n\n它想了想，又睡了。"
)
ENGLISH = "A fox wakes in the forest.\n\nIt is night. An owl looks down.\n\nNobody says a word."
KNOWN = {
    "object": ["fox", "owl", "cat", "umbrella", "boat"],
    "setting": ["forest", "room", "street", "river"],
}


@pytest.fixture
def small_base(tmp_path: Path) -> Path:
    """What the planner reads of a picture base with a vocabulary of five things."""
    folder = tmp_path / "small base"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}", encoding="utf-8")
    (folder / "vocabulary.json").write_text(json.dumps(KNOWN), encoding="utf-8")
    return folder


def script(folder: Path, text: str, name: str = "剧本.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_is_said_word_by_word_and_drawn_as_it_names(
    tmp_path: Path, small_base: Path, english_llm: Path
) -> None:
    path = script(tmp_path, ENGLISH)
    settings = WriteSettings(script=path, image_base=str(small_base), text_base=str(english_llm), scenes=9)
    told, board = finished(write(settings, Writer(str(english_llm), "fp32")))
    assert [scene.say for scene in board.scenes] == ENGLISH.split("\n\n")
    assert [scene.thing for scene in board.scenes][:2] == ["fox", "owl"]
    assert "in a forest" in board.scenes[0].draw and all("night" in s.draw for s in board.scenes[1:])
    assert {scene.thing for scene in board.scenes} <= set(KNOWN["object"])
    assert board.topic == "A fox wakes in the forest"
    assert next(str(step.text) for step in told if step.text).startswith(
        "Pictures that show what fits the film"
    )
    assert finished(write(settings, Writer(str(english_llm), "fp32")))[1] == board


def test_a_chinese_script_is_drawn_from_english_prompts_without_a_model_for_chinese(
    tmp_path: Path, small_base: Path
) -> None:
    path = script(tmp_path, CHINESE.replace("它想了想", "雨伞想了想"))
    settings = WriteSettings(script=path, image_base=str(small_base), voice="none", topic="一只猫")
    told, board = finished(write(settings))
    assert "".join(scene.say for scene in board.scenes) == "".join(part.say for part in read(path).parts)
    assert [scene.thing for scene in board.scenes] == ["cat", "umbrella", "umbrella"]
    assert board.scenes[0].draw.startswith("a cat in a room") and board.topic == "一只猫"
    assert "in the rain" in board.scenes[1].draw and all(scene.draw.isascii() for scene in board.scenes)
    assert "Loading the language model" not in {step.message for step in told}


def test_what_a_script_wants_to_be_seen_is_drawn_as_it_says(tmp_path: Path, small_base: Path) -> None:
    text = "[picture: a red fox in snow]\nHello.\n---\n[picture: a cat in neon light]\nGood night, owl."
    settings = WriteSettings(script=script(tmp_path, text), image_base=str(small_base))
    scenes = finished(write(settings))[1].scenes
    assert [(scene.say, scene.draw, scene.thing) for scene in scenes] == [
        ("Hello.", "a red fox in snow", "fox"),
        ("Good night, owl.", "a cat in neon light", "cat"),
    ]


def test_a_larger_base_is_told_of_a_scene_in_its_own_words(tmp_path: Path, large_base: Path) -> None:
    path = script(tmp_path, "Quarterly tax is due.\n\nFreelancers keep their receipts in a box.")
    settings = WriteSettings(script=path, image_base=str(large_base), topic="tax tips")
    told, board = finished(write(settings))
    assert [scene.draw for scene in board.scenes] == [
        "Quarterly tax, due, tax tips",
        "Freelancers, receipts, box, tax tips",
    ]
    assert {step.message for step in told} == {"Planning the scenes"}


def test_telling_words_stand_in_their_order_once() -> None:
    assert phrases("The red fox waits. A red fox, in the snow!") == ["red fox waits", "red fox", "snow"]
    assert phrases("Red foxes, old boats.", 2) == ["Red foxes"] and phrases("And it was.") == []


def test_each_text_is_drawn_by_its_own_names_and_an_hour_holds() -> None:
    scenes = illustrate(["A cat.", "At night an owl.", "A boat.", "Nothing."], "", 1)
    assert [scene.thing for scene in scenes[:3]] == ["cat", "owl", "boat"]
    assert "at night" in scenes[2].draw and scenes[3].thing not in ("cat", "owl", "boat")


def test_a_thing_is_drawn_where_it_is_at_home_and_rain_falls_from_where_it_is_named() -> None:
    kettle, boat = illustrate(
        ["The kettle is on. A cat waits in the street.", "In the rain a boat goes home on the river."], "", 1
    )
    assert (kettle.thing, kettle.setting) == ("cat", "street") and "rain" not in kettle.draw
    assert (boat.thing, boat.setting) == ("boat", "river") and "in the rain" in boat.draw


def test_a_film_is_as_long_as_ones_own_words_and_times(tmp_path: Path, large_base: Path) -> None:
    srt = "1\n00:00:00,000 --> 00:00:02,000\nA fox.\n\n2\n00:00:09,000 --> 00:00:10,000\nA cat."
    path = script(tmp_path, srt, "a.srt")
    settings = WriteSettings(script=path, image_base=str(large_base), voice="none", seconds=60)
    board = finished(write(settings))[1]
    assert [scene.seconds for scene in board.scenes] == [9, 1] and board.pause < 1.2
    asked = sized(settings)
    assert asked.scenes == 2 and 11 < asked.seconds < 14
    own = ComposeSettings(**settings.model_dump(exclude_unset=True))
    assert begun(own)[1].scenes == 2
    keys = timing._keys(asked)["script"], timing._keys(WriteSettings(topic="a", voice="none"))["script"]
    assert keys[0] != keys[1]


def test_the_voice_must_speak_the_scripts_language(tmp_path: Path) -> None:
    path = script(tmp_path, CHINESE)
    with pytest.raises(Mistake, match="speaks no Chinese"):
        next(write(WriteSettings(script=path, voice="hibari")))
    with pytest.raises(Mistake, match="exclude each other"):
        commands.run(["write", "--script", str(path), "--product", str(path)], lambda _: 1)


def test_a_film_of_ones_own_words(tmp_path: Path, tiny_base: Path) -> None:
    path = script(tmp_path, "A fox wakes.\n\nIt yawns.")
    output = tmp_path / "film" / "video.mp4"
    settings = ComposeSettings(
        script=path, image_base=str(tiny_base), output=output, voice="none", width=108, height=192, fps=10
    )
    assert list(compose(settings))[-1].result == output
    board = file.read(output.with_name("storyboard.yaml"))
    assert [scene.say for scene in board.scenes] == ["A fox wakes.", "It yawns."]
    assert "A fox wakes." in output.with_suffix(".srt").read_text(encoding="utf-8")
