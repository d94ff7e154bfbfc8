from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.messages import Mistake
from core.texts.speech import ended_sentences, spoken_seconds, words_for
from core.texts.writer import Writer
from core.video.audio import voice
from core.video.script import narration
from core.video.script.brief import Wishes
from core.video.script.choosing import choose
from core.video.script.fitting import fitted, repeated
from core.video.script.language import CHINESE, language_of
from core.video.script.narration import check_topic, narrate
from core.video.script.plan import plan
from core.video.script.scoring import Line, faults
from core.video.script.write import briefs
from tests.running import finished

GOOD = "The boat leaves before the sun does. Nobody waves, and it does not mind."


def test_spoken_time_is_near_what_hibari_takes() -> None:
    """Measured with core.video.audio.voice.speak, hibari-tts 0.2.1, seconds."""
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
        for spoken in (spoken_seconds, partial(voice.seconds, voice="none", speed=0.9)):
            half = words_for(seconds, spoken, GOOD) // 2
            text = ", ".join(["whole " * half] * 2).strip() + "."
            assert spoken(text) == pytest.approx(seconds, rel=0.2)


def test_digits_are_said_as_words() -> None:
    """Measured with Kokoro's af_heart."""
    text = "On March 3rd, 2024, Mr. Jones paid $9.99 for two teapots."
    assert spoken_seconds(text) == pytest.approx(7.0, rel=0.2)


def test_korean_takes_a_syllable_for_a_sign() -> None:
    assert spoken_seconds("조용한 아침에 강가의 마을을 걷는다.") == pytest.approx(4.2, rel=0.2)


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


@pytest.mark.parametrize(
    ("topic", "script_name"),
    [
        ("小镇的早晨", "Chinese"),
        ("静かな朝のお茶", "Japanese"),
        ("조용한 아침", "Korean"),
        ("тихое утро", "Cyrillic"),
        ("هادئ صباح", "Arabic"),
    ],
)
def test_topic_in_a_script_that_cannot_be_written_is_a_mistake(topic: str, script_name: str) -> None:
    if script_name != "Chinese":
        with pytest.raises(Mistake, match=f"{script_name}.*English and Chinese only"):
            check_topic(topic, text_base="some/model", voice="none")
        return
    with pytest.raises(Mistake, match=f"{script_name}.*language model writes English only"):
        check_topic(topic)
    with pytest.raises(Mistake, match="hibari speaks no Chinese"):
        check_topic(topic, text_base="some/model", voice="hibari")
    check_topic(topic, text_base="some/model", voice="none")


def test_english_topics_pass_also_with_accents_and_names() -> None:
    for topic in ("a café in Zürich", "tea from 龙井 village in the hills", "24 hours, 7 cups"):
        check_topic(topic)


@pytest.fixture(scope="module")
def writer(tiny_llm: Path) -> Writer:
    return Writer(str(tiny_llm), "fp32")


def narrated(topic: str, count: int, seconds: float, writer: Writer, seed: int, **how: Any) -> Any:
    """The words of a planned topic's scenes, each of so many seconds."""
    return narrate(topic, briefs(plan(topic, count, seed), seconds), writer, Wishes(seed, **how))


def test_narration_is_the_same_for_the_same_seed(writer: Writer) -> None:
    def write(seed: int) -> tuple[list[str], list[str]]:
        told, lines = finished(narrated("a river town", 2, 3.0, writer, seed, tone="quiet"))
        return [step.message for step in told], lines

    said, lines = write(1)
    assert lines == write(1)[1]
    assert len(lines) == 2
    assert said[0] == "Writing the script" and said[-1] == "Choosing the lines"


def test_relevance_has_a_figure_for_each_known_thing(writer: Writer) -> None:
    found = narration.relevance(writer, "a boat under the old bridge", ["boat", "moon", "no such thing"])
    assert set(found) == {"boat", "moon"}


def test_a_model_that_writes_nothing_sound_leaves_what_is_seen(writer: Writer) -> None:
    topic = "a boat on a quiet river"
    lines = finished(narrated(topic, 2, 3.0, writer, 1))[1]
    for scene, line in zip(plan(topic, 2, 1), lines, strict=True):
        assert faults(line) == () or line.lower() == f"{scene.about.lower()}."


@pytest.mark.parametrize(("scenes", "seconds"), [(3, 3.0), (6, 3.9), (1, 20.0)])
@pytest.mark.parametrize("topic", ["a quiet morning in a river town", "江南小镇的早晨"])
def test_a_script_fits_its_time_repeats_nothing_and_never_breaks_off(
    topic: str, scenes: int, seconds: float, english_llm: Path, chinese_llm: Path
) -> None:
    language = language_of(topic)
    writer = Writer(str(chinese_llm if language is CHINESE else english_llm), "fp32")
    spoken = partial(voice.seconds, voice="none" if language is CHINESE else "hibari")
    told, lines = finished(narrated(topic, scenes, seconds, writer, 7, spoken=spoken))
    assert len(lines) == scenes and all(lines)
    assert sum(map(spoken, lines)) == pytest.approx(scenes * seconds, rel=0.15)
    assert not repeated(lines)
    assert all(line.rstrip("\"')”")[-1] in ".!?…。！？" for line in lines)
    assert not [progress.text for progress in told if progress.text]
    if scenes == 1:
        assert len(ended_sentences(lines[0])) >= 4, "a long scene is told in several sentences"
    for sentence in (sentence for line in lines for sentence in ended_sentences(line)):
        assert {"strange signs", "broken", "another language"}.isdisjoint(faults(sentence, language=language))


def test_more_is_drawn_while_the_time_is_missed(english_llm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narration, "CANDIDATES", (3,))
    monkeypatch.setattr(narration, "GOOD", -1e9)
    writer = Writer(str(english_llm), "fp32")
    told, lines = finished(narrated("a quiet morning in a river town", 2, 9.0, writer, 7))
    messages = [progress.message for progress in told]
    assert messages.count("Writing the script") > len(narration.CANDIDATES)
    assert sum(map(spoken_seconds, lines)) == pytest.approx(18, rel=0.15) and not repeated(lines)


def test_a_time_that_is_missed_is_told(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narration, "CANDIDATES", (2,))
    told, lines = finished(narrated("a boat on a river", 1, 30.0, writer, 1))
    assert told[-1].text and "not 30 s" in told[-1].text
    assert lines[0].endswith(".") and not repeated(lines)


def test_scenes_of_one_subject_are_told_in_different_words_however_badly_the_model_writes(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narration, "CANDIDATES", (2,))
    scenes = [*plan("a boat on a river", 1, 1)] * 3
    lines = finished(narrate("a boat on a river", briefs(scenes, 2.5), writer, Wishes(1)))[1]
    assert all(lines) and not repeated(lines)


LINES = {
    "tea": "Tea waits for the talk to end. Nobody hurries it.",
    "boat": "The boat leaves before the sun does.",
    "rain": "Rain is reading the town aloud, roof by roof. It skips nothing.",
}


def test_a_script_that_fits_stays_as_it_is() -> None:
    chosen = list(LINES.values())
    asked = sum(map(spoken_seconds, chosen))
    assert fitted(chosen, [[]] * 3, [[]] * 3, asked * 1.14, spoken_seconds) == chosen
    assert fitted(chosen, [chosen] * 3, [[]] * 3, asked * 0.88, spoken_seconds) == chosen


@pytest.mark.parametrize("share", [0.7, 0.8, 1.25, 1.6])
def test_a_script_fits_within_15_percent_and_says_nothing_twice(share: float) -> None:
    chosen = list(LINES.values())
    options = [
        [line, f"The {name} stays a little longer.", f"One {name}, no hurry. That is all there is to it."]
        for name, line in LINES.items()
    ]
    asked = share * sum(map(spoken_seconds, chosen))
    lines = fitted(chosen, options, [[]] * 3, asked, spoken_seconds)
    assert sum(map(spoken_seconds, lines)) == pytest.approx(asked, rel=0.15)
    assert not repeated(lines)
    assert all(line.endswith(".") for line in lines)


def test_a_sentence_said_before_is_left_out_or_another_line_taken() -> None:
    tea, boat = LINES["tea"], LINES["boat"]
    asked = 2 * spoken_seconds(tea)
    assert repeated([tea, f"{boat} {tea}"])
    lines = fitted([tea, tea], [[tea], [tea, boat]], [[], []], asked, spoken_seconds)
    assert lines[0] == tea and lines[1].startswith(boat) and not repeated(lines)
    lines = fitted([tea, f"nobody hurries it. {boat}"], [[], []], [[], []], asked, spoken_seconds)
    assert lines == [tea, boat]


def test_what_is_seen_is_said_where_all_else_is_a_repeat() -> None:
    tea, seen = LINES["tea"], ["Tea.", "Again tea."]
    asked = 3 * spoken_seconds(tea)
    assert fitted([tea, tea, tea], [[tea]] * 3, [seen] * 3, asked, spoken_seconds) == [tea, *seen]


def test_a_line_that_was_put_together_is_sound() -> None:
    boat, more = "The boat leaves.", "The boat leaves again, as boats do."
    asked = spoken_seconds(f"{boat} {more}")
    assert fitted([boat], [[more]], [[]], asked, spoken_seconds) == [f"{boat} {more}"]
    assert fitted([boat], [[more]], [[]], asked, spoken_seconds, lambda text: not faults(text)) == [more]


def test_numbered_lines_of_a_whole_script_are_read() -> None:
    text = "Sure!\n1. Tea waits. Nobody asks.\n\n**Scene 2:** The boat leaves.\n3) Rain reads.\nThe end 4 now"
    assert narration.numbered(text) == [
        (1, "Tea waits. Nobody asks."),
        (2, "The boat leaves."),
        (3, "Rain reads."),
    ]


def test_a_large_model_is_asked_for_whole_scripts_too(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narration, "LARGE", 1)
    scenes = plan("a river town", 2, 1)
    asked: list[str] = []
    prompt = writer.prompt
    monkeypatch.setattr(writer, "prompt", lambda chat: asked.append(chat[-1]["content"]) or prompt(chat))
    lines = finished(narrate("a river town", briefs(scenes, 3.0), writer, Wishes(1)))[1]
    assert len(lines) == 2
    [whole] = [request for request in asked if "whole" in request or "these scenes" in request]
    assert f"1. {scenes[0].about}\n2. {scenes[1].about}" in whole


def test_a_beat_with_good_lines_gets_no_further_round(
    english_llm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narration, "CANDIDATES", (6, 6, 6))
    writer = Writer(str(english_llm), "fp32")
    rounds = []
    for good in (-1e9, 1e9):
        monkeypatch.setattr(narration, "GOOD", good)
        told, _ = finished(narrated("a quiet morning in a river town", 2, 4.0, writer, 7))
        rounds.append([progress.message for progress in told].count("Writing the script"))
    assert rounds[0] < rounds[1]
