"""What a picture base of few words is asked to draw for lines, as a model chooses it among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.bases import picture_base
from core.bases.places import EMBEDDED
from core.settings.video import WriteSettings
from core.texts import endpoint
from core.texts.endpoint import Endpoint
from core.texts.writer import Writer
from core.video.script import standins as script_standins
from core.video.script.standins import standins
from core.video.script.write import write
from core.video.storyboard.board import Scene
from tests.answering import Served, serving
from tests.running import finished

WORDS = picture_base.vocabulary(EMBEDDED)
LINES = ("The cat is hungry.", "She looks at the clock.", "It is time for breakfast.")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.delenv(endpoint.KEY, raising=False)
    with serving() as state:
        yield state


def choice(thing: str, place: str, time: str = "morning") -> str:
    return json.dumps({"thing": thing, "place": place, "time": time})


def chosen(served: Served, *answers: str, topic: str = "a cat wakes") -> list[Scene]:
    served.answers = list(answers)
    return finished(standins(topic, LINES[: len(answers)], Endpoint(served.address), WORDS))[1]


def offered(served: Served, at: int) -> list[str]:
    form: dict[str, Any] = served.asked[at]["response_format"]["json_schema"]["schema"]
    return form["properties"]["thing"]["enum"]


def test_pictures_are_in_the_words_that_the_base_knows(served: Served) -> None:
    first, second = chosen(served, choice("cat", "room"), choice("clock", "sea", "evening"))
    assert (first.thing, first.setting, first.draw) == ("cat", "room", "a cat in a room in the morning")
    assert second.setting == "room" and "evening" in second.draw, "no clock stands in the sea"
    assert "Only these can be drawn" in served.asked[0]["messages"][0]["content"]


def test_what_is_offered_is_near_the_line_and_new_but_for_what_the_film_is_about(served: Served) -> None:
    again = choice("cat", "room")
    first, _, third = chosen(served, again, choice("clock", "room"), again)
    assert offered(served, 0)[0] == "cat" and len(offered(served, 0)) == 1 + script_standins.NEAR
    assert offered(served, 1)[0] == "clock" and "cat" not in offered(served, 1), "it was just shown"
    assert offered(served, 2)[0] == "cat" and "clock" not in offered(served, 2)
    assert {"cup of coffee", "bowl of rice", "loaf of bread"} & {*offered(served, 2)}
    assert first.setting == "room" != third.setting, "in another place this time"


def test_a_line_in_chinese_may_choose_of_all(served: Served) -> None:
    served.answers = [choice("boat", "river", "night")]
    (one,) = finished(standins("雨夜", ["河上下着雨。"], Endpoint(served.address), WORDS))[1]
    assert one.draw == "a boat on a river at night in the rain"
    assert len(offered(served, 0)) > 80


def test_a_random_model_chooses_what_can_be_drawn(tiny_llm: Path) -> None:
    writer = Writer(str(tiny_llm))
    made = finished(standins("how a poem is born", LINES, writer, WORDS, seed=3))[1]
    assert made == finished(standins("how a poem is born", LINES, writer, WORDS, seed=3))[1]
    assert len({one.thing for one in made}) == 3
    assert all(one.thing in WORDS["object"] and one.setting in WORDS["setting"] for one in made)


def test_a_storyboard_for_the_embedded_base_is_drawn_in_its_words(served: Served) -> None:
    lines = ("A poem begins with one word.", "Then a second one waits beside it.")
    say = [json.dumps({"say": line}) for line in lines]
    plan = json.dumps({"1": "one word comes", "2": "another waits"})
    served.answers = [plan, *say, choice("book", "table"), choice("candle", "room", "night")]
    settings = WriteSettings(
        topic="how a poem is born", text_base=served.address, scenes=2, seconds=9, voice="none"
    )
    board = finished(write(settings))[1]
    assert [one.say for one in board.scenes] == [*lines]
    assert [one.thing for one in board.scenes] == ["book", "candle"]
    assert board.scenes[1].draw == "a candle in a room at night"
