"""Who is chosen to speak, how all are made alike, and hibari and espeak, really speaking."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.messages import Mistake
from core.settings.reading import make
from core.settings.video import WriteSettings
from core.video.audio.level import loudness
from core.video.audio.speech import EDGE, RATE, Speech, Word, silent, split_words
from core.video.audio.voice import AUTO, LOUDNESS, NONE, check, finished, seconds, speak
from core.video.audio.voices.engine import lacking
from core.video.audio.voices.espeak import Espeak
from core.video.audio.voices.hibari import spread
from core.video.audio.voices.kokoro import Kokoro

LINE = "The boat leaves before the sun does."


@pytest.fixture(scope="module")
def speech() -> Speech:
    return speak("Dr. Smith paid $9.99 for a teapot. Then he slept.", "hibari")


def test_every_word_has_its_time_in_order(speech: Speech) -> None:
    assert [word.text for word in speech.words] == speech.text.split()
    starts = [word.start for word in speech.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start < word.end <= speech.seconds for word in speech.words)
    assert 3 < speech.seconds < 7
    assert speech.samples.dtype == np.float32


def test_word_times_are_where_the_sound_is(speech: Speech) -> None:
    """Between the two sentences nobody speaks; within words somebody does."""
    end = next(word.end for word in speech.words if word.text == "teapot.")
    start = next(word.start for word in speech.words if word.text == "Then")

    def peak(first: float, last: float) -> float:
        return float(np.abs(speech.samples[int(first * RATE) : int(last * RATE)]).max())

    pause = peak(end + 0.1, start - 0.05)
    assert all(peak(word.start - 0.02, word.end + 0.02) > 8 * pause for word in speech.words)


def test_silence_around_it_is_trimmed_and_it_repeats_exactly(speech: Speech) -> None:
    loud = np.flatnonzero(np.abs(speech.samples) > 0.02 * np.abs(speech.samples).max())
    assert loud[0] < 0.1 * RATE and len(speech.samples) - loud[-1] < 0.25 * RATE
    assert np.array_equal(speak(speech.text, "hibari").samples, speech.samples)


def test_speed_and_pitch_change_what_they_say() -> None:
    text = "A boat waits here."
    plain, fast, low = (speak(text, "hibari", *how) for how in ((), (1.5,), (1.0, -4.0)))
    assert fast.seconds < 0.8 * plain.seconds
    assert abs(low.seconds - plain.seconds) < 0.1

    assert _pitch(low.samples) == pytest.approx(_pitch(plain.samples) * 2 ** (-4 / 12), rel=0.08)


def _pitch(samples: np.ndarray) -> float:
    """Median over 0.1 s windows of the autocorrelation's first peak, in Hz."""
    found = []
    for at in range(0, len(samples) - 4800, 2400):
        part = samples[at : at + 4800]
        likeness = np.correlate(part, part, "full")[4799:]
        lag = 120 + int(likeness[120:533].argmax())
        if likeness[lag] > 0.6 * likeness[0] and np.abs(part).mean() > 0.01:
            found.append(RATE / lag)
    return float(np.median(found))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("你好，世界", "speaks no Chinese"),
        ("hello my 界", "can't say"),
        ("!!!", "can't say"),
        ("", "can't say"),
    ],
)
def test_what_it_cannot_say_is_a_mistake(text: str, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        speak(text, "hibari")


def test_without_a_voice_words_still_have_times() -> None:
    quiet = silent("Mist rises, slowly. 薄雾升起。")
    assert not quiet.samples.any()
    assert [word.text for word in quiet.words] == ["Mist", "rises,", "slowly.", "薄", "雾", "升", "起。"]
    assert quiet.words[-1].end <= quiet.seconds


def test_opening_quotes_stay_with_what_follows() -> None:
    assert split_words("他说“你好”。") == ["他", "说", "“你", "好”。"]


def test_words_share_spoken_groups_in_proportion() -> None:
    times = [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert spread(times, [1, 2, 1]) == [(0, 1), (1, 3), (3, 4)]
    assert [start for start, _ in spread(times, [1, 1])] == [0, 2]


def test_how_long_a_line_takes_is_known_before_it_is_spoken(speech: Speech) -> None:
    for text in ("The boat leaves, early. Nobody waves.", "小船走了，没人挥手。"):
        for speed in (0.9, 1.0, 1.3):
            read = silent(text, speed).seconds
            assert seconds(text, "none", speed) == pytest.approx(read, abs=1e-4)
    text = "The boat leaves before the sun does. Nobody waves, and it does not mind."
    assert seconds(text, "hibari", 1.1) == pytest.approx(speak(text, "hibari", 1.1).seconds, rel=0.12)


def test_who_speaks_by_itself_is_told_by_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [who(AUTO, language) for language in ("en", "zh")] == ["kokoro", "kokoro"]
    assert check(NONE, "ru").engine is None
    monkeypatch.setattr(Kokoro, "missing", lambda self: lacking("kokoro", "its-package"))
    choice = check(AUTO, "en")
    assert choice.engine and choice.engine.name == "hibari"
    assert choice.note == "hibari speaks, as kokoro is missing; run: python -m pip install its-package"
    assert who(AUTO, "zh") == "espeak"
    monkeypatch.setattr(Espeak, "missing", lambda self: lacking("espeak", "another"))
    with pytest.raises(Mistake, match="kokoro is missing; run: python -m pip install its-package"):
        check(AUTO, "zh")
    with pytest.raises(Mistake, match="espeak is missing; run: python -m pip install another"):
        check(AUTO, "ru")
    with pytest.raises(Mistake, match="No voice here speaks th"):
        check(AUTO, "th")


def who(voice: str, language: str) -> str:
    engine = check(voice, language).engine
    return engine.name if engine else NONE


@pytest.mark.parametrize(
    ("voice", "language", "said"),
    [
        ("kokro", "en", "no voice kokro; there are auto, none, kokoro, hibari, espeak"),
        ("kokoro:af_hart", "en", "kokoro has no voice af_hart; there are af_heart"),
        ("kokoro:af_heart+zm_yunx", "zh", "kokoro has no voice zm_yunx; there are zm_yunx"),
        ("kokoro:af_heart+af_bella@2", "en", "is no voice; write its name"),
        ("kokoro:a+b+c", "en", "is no voice; write its name"),
        ("kokoro:af_heart@0.5", "en", "is no voice; write its name"),
        ("espeak:en-us+en-gb", "en", "espeak can't mix voices"),
        ("kokoro:+af_heart", "en", "kokoro can't mix voices"),
        ("hibari", "zh", "hibari speaks no Chinese; choose auto, kokoro, espeak"),
        ("kokoro", "ru", "kokoro speaks no ru; choose auto, espeak"),
    ],
)
def test_a_voice_that_is_none_is_one_sentence(voice: str, language: str, said: str) -> None:
    with pytest.raises(Mistake, match=re.escape(said)):
        check(voice, language)


@pytest.mark.parametrize("voice", ["Kokoro", "kokoro:", "kokoro:a:b", "kokoro af_heart", "a" * 201])
def test_settings_take_what_can_be_a_voice(voice: str) -> None:
    with pytest.raises(Mistake, match="voice"):
        make(WriteSettings, {"topic": "tea", "voice": voice}, "Write")


def test_how_long_takes_is_a_guess_for_any_voice_and_text() -> None:
    plain = seconds(LINE)
    assert seconds(LINE, "kokoro:am_michael") == pytest.approx(plain * 1.06 / 0.97)
    half = seconds(LINE, "kokoro:af_heart+am_michael@0.5")
    assert half == pytest.approx((plain + plain * 1.06 / 0.97) / 2)
    for voice, text in (("no:such", LINE), ("hibari", "小船走了。"), ("auto", "тихо"), ("auto", "เรือ")):
        assert 0.5 < seconds(text, voice) < 10


def test_kokoro_has_women_and_men_in_both_languages() -> None:
    for language in ("en", "zh"):
        mine = [voice for voice in Kokoro.voices if voice.language == language]
        assert len(mine) >= 6 and {voice.woman for voice in mine} == {True, False}


def test_every_line_is_as_loud_as_the_next_and_begins_and_ends_in_silence() -> None:
    wave = np.sin(np.arange(RATE) * 0.05).astype(np.float32)
    around = np.zeros(RATE // 2, np.float32)
    for loud in (0.9, 0.01):
        words = (Word("a", 0.1, 0.9), Word("b", 0.8, 3))
        made = finished(Speech("a b", np.concatenate([around, loud * wave, around]), words), "it")
        assert loudness(made.samples) == pytest.approx(LOUDNESS, abs=0.1)
        assert made.samples[0] == made.samples[-1] == 0 and np.abs(np.diff(made.samples)).max() < 0.03
        assert made.seconds == pytest.approx(1.0 + 2 * EDGE, abs=0.02)
        (first, second) = made.words
        assert first.start == 0 and first.end == pytest.approx(0.9 - 0.5 + EDGE, abs=0.01)
        assert second.start == pytest.approx(0.8 - 0.5 + EDGE, abs=0.01) and second.end == made.seconds
    with pytest.raises(Mistake, match="it can't say"):
        finished(Speech("a", around, ()), "it")


def test_espeak_speaks_what_nothing_else_does() -> None:
    pytest.importorskip("espeakng_loader")
    speech = speak("Тихое утро на реке.")
    assert [word.text for word in speech.words] == speech.text.split()
    ends = [at for word in speech.words for at in (word.start, word.end)]
    assert ends == sorted(ends) and 0.8 < speech.seconds < 3
    chinese = speak("小镇的早晨，2024年。", "espeak:cmn")
    assert "".join(word.text for word in chinese.words) == chinese.text
    high, low = (speak("A boat waits here.", "espeak:en-gb", 1.0, pitch) for pitch in (6.0, 0.0))
    assert _pitch(high.samples) > 1.3 * _pitch(low.samples)
