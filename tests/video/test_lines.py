from dataclasses import replace

import pytest

from core.texts.overlap import Known
from core.video.script.language import CHINESE
from core.video.script.plan import plan
from core.video.script.scoring import Line, alike, content, faults, worth
from core.video.script.write import briefs

GOOD = "The boat leaves before the sun does. Nobody waves, and it does not mind."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("The boat leaves before the", "unfinished"),
        ("The boat leaves early 🙂 today.", "strange signs"),
        ("The **boat** leaves early today.", "strange signs"),
        ("The boat leaves.Then it rains.", "broken"),
        ("The boat leaves the the river.", "broken"),
        ('The boat says "no and leaves.', "broken"),
        ("The boat says, 'Up the river, it goes.", "broken"),
        ("In this video a boat leaves the river.", "about itself"),
        ("Sure, a boat leaves the river early.", "about itself"),
        ("By 1895 the boat leaves the town.", "a year or a price"),
        ("You should leave the river before noon.", "instruction"),
        ("The boat leaves. and the river stays.", "lower case start"),
        ("The boat leaves the town. The boat leaves at noon.", "repeats itself"),
        ("A boat, another boat, and one more boat.", "repeats itself"),
        ("Today the boat leaves before the sun does.", "copied"),
    ],
)
def test_faults_are_found(text: str, fault: str) -> None:
    assert fault in faults(text, Known([GOOD]))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Noodles at noon. The whole street goes quiet and believes in one thing.",
        'The bell says "late," twice. Nobody runs.',
        "Mr. Wu counts to 3. The river is faster…",
    ],
)
def test_sound_lines_have_none(text: str) -> None:
    assert faults(text) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("小船在天亮前就", "unfinished"),
        ("小船在天亮前就走了🙂。", "strange signs"),
        ("小船在天亮前, 就走了。。", "broken"),
        ("小船说：“该走了。", "broken"),
        ("画面里，小船在天亮前离开。", "about itself"),
        ("以下是为您写的一段旁白。", "about itself"),
        ("请在天亮前离开小河。", "instruction"),
        ("The boat leaves before the sun does.", "another language"),
        ("小船离开老镇。小船离开时没人挥手。", "repeats itself"),
        ("今天，小船比太阳先离开老镇的码头。", "copied"),
    ],
)
def test_faults_of_chinese_lines_are_found(text: str, fault: str) -> None:
    assert fault in faults(text, Known(["每一天小船比太阳先离开老镇，没人知道。"]), CHINESE)


@pytest.mark.parametrize(
    "text",
    [
        "乌篷船比太阳先醒。没人挥手，它也不在意。",
        "“又迟到了？”钟问。街上没有人回答……",
        "桥下的水，一直在替小镇记事。",
        "2路公交车来了，又走了。",
    ],
)
def test_sound_chinese_lines_have_none(text: str) -> None:
    assert faults(text, language=CHINESE) == ()
    assert "another language" in faults(text)


def test_lines_that_repeat_each_other_are_alike() -> None:
    other = "A rooster takes credit for the morning."
    assert alike(GOOD, other) < 0.3
    assert alike(GOOD, "The boat leaves before supper. Nobody waves, as usual.") > 1
    assert alike(GOOD, GOOD) > 2


def test_chinese_lines_that_repeat_each_other_are_alike() -> None:
    boat, tea = "乌篷船比太阳先醒。没人挥手。", "茶凉了，话还没说完。"
    assert alike(boat, tea) < 0.3
    assert alike(boat, "乌篷船比太阳先走，照旧不出声。") > 1
    assert content("河上的小船，小船。") == ["小船", "船小", "小船"]


def test_words_of_the_whole_story_may_come_back() -> None:
    one, other = "Rain keeps the town awake.", "Below the bridge the town turns over."
    assert alike(one, other) > alike(one, other, frozenset({"town"})) > 0


def test_worth_prefers_what_is_sane_on_the_topic_in_time_and_has_a_turn() -> None:
    [scene] = briefs(plan("a boat on the river", 1, 0), 4.0)
    line = Line("The boat waits. Nobody asks.", 4.0)
    best = worth(line, scene, -1.5, -3.0, -3.8)
    assert best > worth(line, scene, -2.5, -3.0, -3.8)  # unlikely under the LoRA
    assert best > worth(line, scene, -1.5, -4.5, -5.3)  # broken English to the base
    assert best > worth(line, scene, -1.5, -3.0, -3.0)  # as good for any other scene
    assert best > worth(replace(line, seconds=6.0), scene, -1.5, -3.0, -3.8)
    assert best > worth(replace(line, text="The tea waits. Nobody asks."), scene, -1.5, -3.0, -3.8)
    assert best > worth(replace(line, text="The boat waits for nobody there."), scene, -1.5, -3.0, -3.8)
    assert best > worth(replace(line, text="Boat waits for once. Nobody asks."), scene, -1.5, -3.0, -3.8)
    assert worth(line, scene, -0.2, -0.9, -9.0) == worth(line, scene, -1.0, -2.2, -9.0)
    early = replace(scene, subject="a boat on a river, morning")
    told = [replace(line, text=f"{hour} the boat waits. Nobody asks.") for hour in ("At noon", "At dawn")]
    assert worth(told[0], early, -1.5, -3.0, -3.8) < worth(told[1], early, -1.5, -3.0, -3.8) - 1
    timeless = replace(scene, subject="a boat on a river")
    assert worth(told[0], timeless, -1.5, -3.0, -3.8) == worth(told[1], timeless, -1.5, -3.0, -3.8)


def test_a_chinese_line_is_worth_more_that_names_what_is_seen() -> None:
    [scene] = briefs(plan("河上的小船", 1, 0), 4.0)
    assert scene.thing == "boat" and scene.subject.startswith("河上的小船")
    named, other = Line("小船等着，没人来。", 4.0), Line("茶壶等着，没人来。", 4.0)
    assert worth(named, scene, -1.5, -3.0, -3.8) == worth(other, scene, -1.5, -3.0, -3.8) + 1
