"""Storyboards written whole: by a tiny random model (always valid) and by one at an address (asked again)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import jsonschema
import pytest

from core import device
from core.bases import fetching, language_model
from core.bases.places import AUTO, EMBEDDED
from core.project import Home
from core.settings.style import load_style
from core.settings.video import WriteSettings
from core.texts import endpoint
from core.texts.endpoint import Endpoint
from core.texts.engine import structured
from core.texts.writer import Writer
from core.video.script import by_model, story_schema
from core.video.script.brief import Brief, Wishes
from core.video.script.language import CHINESE, ENGLISH
from core.video.script.write import settled, write
from core.video.storyboard.board import Scene, Subject
from tests.answering import Served, serving
from tests.running import finished

STYLE = load_style("ink-wash")
TOPIC = "why bees dance"
SAID = (
    "A bee comes home and dances in the dark.",
    "Her sisters follow each turn with their feelers.",
    "The angle tells them where the flowers stand.",
)
DRAWN = (
    "a bee dancing on a honeycomb inside a dark hive",
    "many bees crowd around one dancing bee, warm light",
    "a field of yellow flowers under the morning sun",
)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.delenv(endpoint.KEY, raising=False)
    with serving() as state:
        yield state


PLAN = ("a bee comes home", "sisters follow her", "the angle shows the way")
BEE = {"name": "bee", "look": "a small golden bee with clear wings"}


def plan(*points: str) -> str:
    return json.dumps(story_schema.in_turn(points or PLAN))


def line(text: str) -> str:
    return json.dumps({"say": text})


def pictures(*drawn: str) -> str:
    made = [{"draw": draw, "shot": "close"} for draw in drawn or DRAWN]
    return json.dumps({"subjects": [BEE], **story_schema.in_turn(made)})


def picture(draw: str) -> str:
    return json.dumps(story_schema.in_turn([{"draw": draw, "shot": "wide"}]))


def written(served: Served, *answers: Any, topic: str = TOPIC) -> tuple[list[Scene], tuple[Subject, ...]]:
    served.answers = list(answers)
    wishes = Wishes(1, STYLE.tone, STYLE.ending, STYLE.beats)
    return finished(by_model.story(topic, 3, 2.6, Endpoint(served.address), wishes))[1]


def asked(served: Served, at: int) -> str:
    return str(served.asked[at]["messages"][-1]["content"])


def test_a_sound_storyboard_is_taken_as_it_is(served: Served) -> None:
    scenes, (bee,) = written(served, plan(), *map(line, SAID), pictures())
    assert [(one.say, one.draw, one.shot, one.about) for one in scenes] == [
        (say, draw, "close", about) for say, draw, about in zip(SAID, DRAWN, PLAN, strict=True)
    ]
    assert len(served.asked) == 5
    assert [one.subjects for one in scenes] == [("bee",), ("bee",), ()]
    assert (bee.name, bee.look) == ("bee", BEE["look"])
    assert "3 scenes" in asked(served, 0) and STYLE.beats in asked(served, 0)
    for at in range(3):
        said = asked(served, at + 1)
        assert TOPIC in said and STYLE.tone in said and PLAN[at] in said
        assert [one in said for one in SAID] == [before < at for before in range(3)], "what was said before"
        assert (STYLE.ending in said) == (at == 2)
    assert all(one in asked(served, 4) for one in SAID)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (SAID[0], "Say something new"),
        ("Somebody who saw her comes home and dances in the dark.", "Say something new"),
        ("The light is going and the day is coming to rest.", "plain sentence"),
        ("Welcome to this video about the bees here.", "Don't mention a film"),
        ("There are 3 of them in the flowers today.", "plain sentence"),
        ("她们跟着它，一步一步地走，用触角去感觉。", "in English"),
        ("The dance is an important part of the life of bees.", "sees, hears or does"),
        (
            f"{SAID[1][:-1]}, and so they do it once more until each of them knows it by heart.",
            "Keep it short",
        ),
    ],
)
def test_a_line_that_fails_is_asked_for_again_alone_with_what_is_wrong(
    served: Served, wrong: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_keeps_to", lambda *_: True)  # a server that keeps to no schema
    lines = [line(one) for one in (SAID[0], wrong, SAID[1], SAID[2])]
    scenes, _ = written(served, plan(), *lines, pictures())
    assert [one.say for one in scenes] == list(SAID)
    assert told in asked(served, 3) and told not in asked(served, 2) + asked(served, 4)
    assert SAID[0] in asked(served, 3) and PLAN[1] in asked(served, 3)


def test_a_line_that_stays_wrong_is_kept_after_some_tries(served: Served) -> None:
    lines = [line(SAID[0])] * (1 + by_model.TRIES) + [line(SAID[2])]
    scenes, _ = written(served, plan(), *lines, pictures())
    assert [one.say for one in scenes] == [SAID[0], SAID[0], SAID[2]]


@pytest.mark.parametrize(
    "points",
    [
        ("many bees", "many bees", "many bees"),
        ("to find food", "to find water", "to find a home"),
        ("bees sing", "why bees sing", "a bee comes"),
    ],
)
def test_a_plan_that_repeats_itself_is_asked_for_again(served: Served, points: tuple[str, ...]) -> None:
    scenes, _ = written(served, plan(*points), plan(), *map(line, SAID), pictures())
    assert [one.about for one in scenes] == list(PLAN)
    assert "about something else" in asked(served, 1) and "about something else" not in asked(served, 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("蜜蜂在跳舞", "not thoughts"),
        (DRAWN[0], "Another picture"),
        ("a page that says what the sisters do, soft light", "without words"),
        ("the importance of sisters who follow a turn", "not thoughts"),
        ("a red car on a long road through a desert", "what the line says"),
    ],
)
def test_a_picture_that_fails_is_asked_for_again_alone(
    served: Served, wrong: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_keeps_to", lambda *_: True)
    lines = map(line, SAID)
    scenes, _ = written(served, plan(), *lines, pictures(DRAWN[0], wrong, DRAWN[2]), picture(DRAWN[1]))
    assert [one.draw for one in scenes] == list(DRAWN)
    assert len(served.asked) == 6
    assert told in asked(served, 5) and SAID[1] in asked(served, 5) and DRAWN[0] in asked(served, 5)


def test_a_number_of_the_topic_may_be_said() -> None:
    with_number, without = (
        story_schema.line_schema(40, topic, ENGLISH) for topic in ("9 tips for tea", "tips for tea")
    )
    said = {"say": "Only 9 leaves make a cup of tea for you and me."}
    assert jsonschema.Draft202012Validator(with_number).is_valid(said)
    assert not jsonschema.Draft202012Validator(without).is_valid(said)


@pytest.mark.parametrize(("topic", "language"), [(TOPIC, ENGLISH), ("蜜蜂为什么跳舞", CHINESE)])
def test_a_random_model_writes_a_valid_storyboard(
    tiny_llm: Path, topic: str, language: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_model, "TRIES", 2)  # it never says anything sound
    writer = Writer(str(tiny_llm), "fp32")
    for form in (
        story_schema.plan_schema(3, language),
        story_schema.line_schema(16, topic, language),
        story_schema.pictures_schema(2, subjects=True),
    ):
        jsonschema.validate(structured(writer, [{"role": "user", "content": topic}], form, 3, 1.5, 1.0), form)
    scenes, _ = finished(by_model.story(topic, 2, 2.0, writer, Wishes(3)))[1]
    assert len(scenes) == 2
    assert all(one.draw.isascii() and one.shot in story_schema.SHOTS for one in scenes)
    assert finished(by_model.story(topic, 2, 2.0, writer, Wishes(3)))[1][0] == scenes


def test_other_wordings_of_a_scene_are_told_what_is_said_beside_it(served: Served) -> None:
    served.answers = [line(SAID[0]), line(SAID[1]), line(SAID[2])]
    brief, wishes = Brief(2, PLAN[1], seconds=2.6), Wishes(ending=STYLE.ending, known=(SAID[0],))
    found = finished(by_model.offers(TOPIC, brief, Endpoint(served.address), 2, wishes))[1]
    assert found == [SAID[1], SAID[2]], "the first one is said in another scene"
    assert SAID[0] in asked(served, 0) and PLAN[1] in asked(served, 0) and SAID[1] in asked(served, 2)
    assert STYLE.ending not in asked(served, 2)


def test_of_a_long_film_the_last_lines_are_told(served: Served) -> None:
    served.answers = [line(SAID[1])]
    said = tuple(f"Line {letter} stands here." for letter in "abcdefghijklmnopqrstuvwxyz")
    brief = Brief(27, PLAN[1], seconds=2.6)
    finished(by_model.offers(TOPIC, brief, Endpoint(served.address), 1, Wishes(known=said)))
    assert said[-1] in asked(served, 0) and said[-by_model.SHOWN - 1] not in asked(served, 0)


def test_a_script_by_an_address_is_a_storyboard(served: Served, large_base: Path) -> None:
    served.answers = [plan(), *map(line, SAID), pictures()]
    asked_for: dict[str, Any] = {"text_base": served.address, "text_model": "mine", "voice": "none"}
    settings = WriteSettings(topic=TOPIC, image_base=str(large_base), scenes=3, seconds=13, **asked_for)
    told, made = finished(write(settings))
    assert [one.say for one in made.scenes] == list(SAID)
    assert [one.draw for one in made.scenes] == list(DRAWN)
    assert [step.text for step in told[-3:]] == list(SAID)
    assert served.asked[0]["model"] == "mine"
    assert len({made.seed_of(at) for at in range(3)}) == 3


def test_auto_is_the_loras_own_base_else_the_better_writer_where_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    monkeypatch.setattr(device, "free_memory_bytes", lambda: fetching.WRITER.memory)
    settings = WriteSettings(topic=TOPIC)
    assert settings.text_base == AUTO
    assert settled(settings).text_base == EMBEDDED
    Home(tmp_path).models("LLM")
    fetching.WRITER.path(Home(tmp_path)).write_bytes(b"GGUF")
    assert settled(settings).text_base == fetching.WRITER.file
    assert language_model.find(fetching.WRITER.file) == fetching.WRITER.path(Home(tmp_path))
    monkeypatch.setattr(device, "free_memory_bytes", lambda: fetching.WRITER.memory - 1)
    assert settled(settings).text_base == EMBEDDED
    monkeypatch.setattr(device, "free_memory_bytes", lambda: fetching.WRITER.memory)
    lora = tmp_path / "lora"
    lora.mkdir()
    (lora / "adapter_config.json").write_text(
        json.dumps({"r": 4, "lora_alpha": 4, "peft_type": "LORA", "base_model_name_or_path": EMBEDDED})
    )
    assert settled(WriteSettings(topic=TOPIC, text_lora=(lora,))).text_base == EMBEDDED
    assert settled(WriteSettings(topic=TOPIC, text_base=EMBEDDED)).text_base == EMBEDDED


def test_only_who_sits_at_the_machine_types_an_address(tmp_path: Path) -> None:
    from core.jobs import Runner
    from tabs.shell.base_model_box import base_box
    from tabs.shell.wiring import Studio

    home = Home(tmp_path)
    for login in (False, True):
        studio = Studio(home, None, Runner(tmp_path / "jobs"), login=login)  # type: ignore[arg-type]
        with gr.Blocks():
            box = base_box(studio, "text", "Language model", "x", auto=True)
        assert box.value == AUTO
        if not login:
            assert box.preprocess("http://10.0.0.1/v1") == "http://10.0.0.1/v1"
            continue
        with pytest.raises(gr.Error):
            box.preprocess("http://10.0.0.1/v1")
