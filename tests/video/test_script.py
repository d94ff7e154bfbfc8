from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from core.jobs import Mistake, Progress
from core.texts.speech import spoken_seconds, words_for
from core.texts.writer import Writer
from core.video import script
from core.video.fitting import fitted, repeated
from core.video.script import (
    Line,
    alike,
    check_topic,
    choose,
    faults,
    longest_copy,
    narrate,
    worth,
)
from core.video.storyboard import Storyboard, plan

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
    assert fault in faults(text, [GOOD])


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


def test_longest_copy_counts_words_whatever_the_case_and_marks() -> None:
    assert longest_copy("Well: the boat leaves BEFORE the sun, mostly.", ["no", GOOD]) == 6
    assert longest_copy("Tea.", [GOOD]) == 0
    assert longest_copy("Tea.", []) == 0


def test_spoken_time_is_near_what_hibari_takes() -> None:
    """Measured with core.video.voice.speak, hibari-tts 0.2.1, seconds."""
    measured = {
        "The boat leaves before the sun does. Nobody waves, and it does not mind.": 4.67,
        "Fog has taken the far bank. It usually brings it back by ten.": 4.18,
        "Rain is reading the town aloud, roof by roof. It skips nothing.": 4.21,
    }
    for text, seconds in measured.items():
        assert spoken_seconds(text) == pytest.approx(seconds, rel=0.12)
    assert spoken_seconds(GOOD, 2.0) == pytest.approx(spoken_seconds(GOOD) / 2)


def test_words_that_fit_the_time_take_about_that_time() -> None:
    for seconds in (3.0, 4.5, 8.0):
        text = ", ".join(["word " * (words_for(seconds) // 2)] * 2).strip() + "."
        assert spoken_seconds(text) == pytest.approx(seconds, rel=0.15)


def test_lines_that_repeat_each_other_are_alike() -> None:
    other = "A rooster takes credit for the morning."
    assert alike(GOOD, other) < 0.3
    assert alike(GOOD, "The boat leaves before supper. Nobody waves, as usual.") > 1
    assert alike(GOOD, GOOD) > 2


def test_choice_avoids_repetition_and_keeps_the_time() -> None:
    boat, again = (
        Line("The boat leaves early today.", 3.0, 2.0),
        Line("The boat leaves early, too.", 3.0, 2.1),
    )
    tea = Line("Tea waits for the talk to end.", 3.0, 1.5)
    assert choose([[boat], [again, tea]], [3.0, 3.0]) == [boat, tea]
    long = Line("Tea waits for a talk that goes on and on.", 6.0, 1.9)
    assert choose([[boat], [long, tea]], [3.0, 3.0]) == [boat, tea]
    assert choose([[boat], [long]], [3.0, 3.0]) == [boat, long]


def test_words_of_the_whole_story_may_come_back() -> None:
    one, other = "Rain keeps the town awake.", "Below the bridge the town turns over."
    assert alike(one, other) > alike(one, other, frozenset({"town"})) > 0


def test_worth_prefers_what_is_sane_on_the_topic_in_time_and_has_a_turn() -> None:
    scene = plan("a boat on the river", 1, 0, seconds=4.0).scenes[0]
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


@pytest.mark.parametrize(
    ("topic", "script_name"),
    [
        ("小镇的早晨", "Chinese"),
        ("静かな朝", "Japanese"),
        ("тихое утро", "Cyrillic"),
        ("هادئ صباح", "Arabic"),
    ],
)
def test_topic_in_a_script_that_cannot_be_spoken_is_a_mistake(topic: str, script_name: str) -> None:
    with pytest.raises(Mistake, match=f"{script_name}.*language model writes English only"):
        check_topic(topic)
    with pytest.raises(Mistake, match="voice speaks English only"):
        check_topic(topic, text_base="some/model")
    check_topic(topic, text_base="some/model", voice="none")


def test_english_topics_pass_also_with_accents_and_names() -> None:
    for topic in ("a café in Zürich", "tea from 龙井 village in the hills", "24 hours, 7 cups"):
        check_topic(topic)


@pytest.fixture(scope="module")
def writer(tiny_llm: Path) -> Writer:
    return Writer(str(tiny_llm), "fp32")


def test_narration_is_the_same_for_the_same_seed(writer: Writer) -> None:
    def write(seed: int) -> tuple[list[str], list[str]]:
        steps = narrate(plan("a river town", 2, seed, seconds=3.0), writer, tone="quiet")
        said = []
        while True:
            try:
                said.append(next(steps).message)
            except StopIteration as end:
                return said, [scene.narration for scene in end.value.scenes]

    said, lines = write(1)
    assert lines == write(1)[1]
    assert len(lines) == 2
    assert said[0] == "Writing the script" and said[-1] == "Choosing the lines"


def test_relevance_has_a_figure_for_each_known_thing(writer: Writer) -> None:
    found = script.relevance(writer, "a boat under the old bridge", ["boat", "moon", "no such thing"])
    assert set(found) == {"boat", "moon"}


def test_a_model_that_writes_nothing_sound_leaves_what_is_seen(writer: Writer) -> None:
    board = plan("a boat on a quiet river", 2, seed=1, seconds=3.0)
    for scene, line in zip(board.scenes, _narration(narrate(board, writer)), strict=True):
        assert faults(line) == () or line.lower() == f"{scene.subject.lower()}."


LINES = {
    "tea": "Tea waits for the talk to end. Nobody hurries it.",
    "boat": "The boat leaves before the sun does.",
    "rain": "Rain is reading the town aloud, roof by roof. It skips nothing.",
}


def test_a_script_that_fits_stays_as_it_is() -> None:
    chosen = list(LINES.values())
    asked = sum(map(spoken_seconds, chosen))
    assert fitted(chosen, [[]] * 3, asked * 1.14, spoken_seconds) == chosen
    assert fitted(chosen, [chosen] * 3, asked * 0.88, spoken_seconds) == chosen


@pytest.mark.parametrize("share", [0.7, 0.8, 1.25, 1.6])
def test_a_script_fits_within_15_percent_and_says_nothing_twice(share: float) -> None:
    chosen = list(LINES.values())
    options = [
        [line, f"The {name} stays a little longer.", f"One {name}, no hurry. That is all there is to it."]
        for name, line in LINES.items()
    ]
    asked = share * sum(map(spoken_seconds, chosen))
    lines = fitted(chosen, options, asked, spoken_seconds)
    assert sum(map(spoken_seconds, lines)) == pytest.approx(asked, rel=0.15)
    assert not repeated(lines)
    assert all(line.endswith(".") for line in lines)


def test_a_sentence_said_before_is_left_out_or_another_line_taken() -> None:
    tea, boat = LINES["tea"], LINES["boat"]
    asked = 2 * spoken_seconds(tea)
    assert repeated([tea, f"{boat} {tea}"])
    lines = fitted([tea, tea], [[tea], [tea, boat]], asked, spoken_seconds)
    assert lines[0] == tea and lines[1].startswith(boat) and not repeated(lines)
    lines = fitted([tea, f"nobody hurries it. {boat}"], [[], []], asked, spoken_seconds)
    assert lines == [tea, boat]


def test_numbered_lines_of_a_whole_script_are_read() -> None:
    text = "Sure!\n1. Tea waits. Nobody asks.\n\n**Scene 2:** The boat leaves.\n3) Rain reads.\nThe end 4 now"
    assert script.numbered(text) == [
        (1, "Tea waits. Nobody asks."),
        (2, "The boat leaves."),
        (3, "Rain reads."),
    ]


def test_a_large_model_is_asked_for_whole_scripts_too(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "LARGE", 1)
    board = plan("a river town", 2, 1, seconds=3.0)
    asked: list[str] = []
    prompt = writer.prompt
    monkeypatch.setattr(writer, "prompt", lambda chat: asked.append(chat[-1]["content"]) or prompt(chat))
    lines = _narration(narrate(board, writer))
    assert len(lines) == 2
    [whole] = [request for request in asked if "whole" in request or "these scenes" in request]
    assert f"1. {board.scenes[0].subject}\n2. {board.scenes[1].subject}" in whole


def _narration(steps: Generator[Progress, None, Storyboard]) -> list[str]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return [scene.narration for scene in end.value.scenes]
