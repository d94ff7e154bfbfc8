"""Pictures of lines that are there, by a model at an address and by a tiny random one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings.video import WriteSettings
from core.texts import endpoint
from core.texts.endpoint import Endpoint
from core.texts.writer import Writer
from core.video.script import prompts as script_prompts
from core.video.script.own_words import read
from core.video.script.prompts import AT_ONCE, prompts, shows
from core.video.script.story_schema import LONGEST_PROMPT, SHOTS, in_turn
from core.video.script.write import write
from tests.answering import Served, serving
from tests.running import finished

SCRIPT = """[picture: a tabby cat asleep on a wooden chair]
天还没亮，奶奶就把水烧开了。
---
外面下着雨，一把雨伞走过街道。
---
画面：一碗热汤面
面要趁热吃。
"""
DRAWN = (
    "a red umbrella passes along a wet street in the rain",
    "a bowl of hot noodle soup on a kitchen table",
)
LIGHTS = ("dawn", "warm", "grey", "noon", "cold", "red", "blue", "soft", "dim", "night")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.delenv(endpoint.KEY, raising=False)
    with serving() as state:
        yield state


def answer(*drawn: str, **more: Any) -> str:
    return json.dumps(more | in_turn([{"draw": draw, "shot": "wide"} for draw in drawn]))


def test_a_script_is_said_word_by_word_and_drawn_as_a_model_describes_it(
    served: Served, tmp_path: Path, large_base: Path
) -> None:
    path = tmp_path / "剧本.txt"
    path.write_text(SCRIPT, encoding="utf-8")
    served.answers = [answer(*DRAWN, subjects=[])]
    models = {"text_base": served.address, "image_base": str(large_base)}
    settings = WriteSettings(script=path, voice="none", topic="雨天的早晨", **models)
    told, board = finished(write(settings))
    assert [scene.say for scene in board.scenes] == [part.say for part in read(path).parts]
    assert [scene.draw for scene in board.scenes] == ["a tabby cat asleep on a wooden chair", *DRAWN]
    assert [scene.shot for scene in board.scenes] == ["auto", "wide", "wide"]
    (asked,) = served.asked
    wanted = asked["messages"][-1]["content"]
    assert "一把雨伞走过街道" in wanted and "一碗热汤面" in wanted and "雨天的早晨" in wanted
    assert "奶奶" not in wanted and "tabby" not in wanted, "the script says itself what is seen there"
    assert {step.message for step in told} >= {"Loading the language model", "Planning the pictures"}


def test_a_script_that_says_all_that_is_seen_asks_no_model(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "script.txt"
    path.write_text("[picture: a red fox in snow]\nHello.", encoding="utf-8")
    board = finished(write(WriteSettings(script=path, text_base=served.address, voice="none")))[1]
    assert board.scenes[0].draw == "a red fox in snow" and not served.asked


def test_a_long_script_is_asked_for_in_parts_that_know_who_is_in_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script_prompts, "AGAIN", 0)  # they are much alike
    lines = [f"The baker waits, and the light is {light}." for light in LIGHTS]
    drawn = [f"the baker stands at a stone oven in {light} light" for light in LIGHTS]
    baker = {"name": "the baker", "look": "an old man in a blue apron"}
    served.answers = [answer(*drawn[:AT_ONCE], subjects=[baker]), answer(*drawn[AT_ONCE:])]
    made, (subject,) = finished(prompts("a day in a bakery", lines, Endpoint(served.address)))[1]
    assert [one.draw for one in made] == drawn and len(made) == 10
    assert all(one.subjects == ("the baker",) for one in made) and subject.look == baker["look"]
    first, second = (asked["messages"][-1]["content"] for asked in served.asked[:2])
    assert lines[0] in first and lines[-1] not in first
    assert lines[-1] in second and baker["look"] in second


def test_a_random_model_describes_pictures_in_english(tiny_llm: Path) -> None:
    writer = Writer(str(tiny_llm), "fp32")
    lines = ["外面下着雨，一把雨伞走过街道。", "面要趁热吃。"]
    made, _ = finished(prompts("雨天", lines, writer, seed=4))[1]
    assert len(made) == 2
    assert all(one.draw.isascii() and len(one.draw) >= 20 and one.shot in SHOTS for one in made)


def test_a_prompt_shows_a_line_where_it_names_something_of_it() -> None:
    assert shows("a bowl of noodles on a table", "Eat the noodles while they are hot.")
    assert not shows("a red car in a desert", "Eat the noodles while they are hot.")
    assert shows("a red car in a desert", "面要趁热吃。"), "what can't be told is taken"


def test_what_a_prompt_had_just_begun_is_left_out_where_it_was_cut_off(served: Served) -> None:
    whole = "a cup of tea on a table, plants around it, looking calm, sunlight through the tall windows, warm"
    begun = f"{whole}, bright and with a view of the garden behind the house"[: LONGEST_PROMPT + 2]
    old = "an old glass of tea that is filled to the brim with bubbles that rise from its bottom and " * 2
    with_a = f"a{old[2 : LONGEST_PROMPT + 2]}"  # as a small model writes
    served.answers = [answer(begun, with_a, subjects=[])]
    found, _ = finished(prompts("tea", ["A cup of tea.", "Tea in a glass."], Endpoint(served.address)))[1]
    assert found[0].draw == whole
    assert len(found[1].draw) <= LONGEST_PROMPT + 2 and old.startswith(f"{found[1].draw} ")
