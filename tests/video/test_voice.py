"""The embedded voice, really speaking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.jobs import Mistake
from core.video.voice import RATE, Speech, seconds, silent, speak, split_words, spread


@pytest.fixture(scope="module")
def speech() -> Speech:
    return speak("Dr. Smith paid $9.99 for a teapot. Then he slept.")


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
    assert np.array_equal(speak(speech.text).samples, speech.samples)


def test_speed_and_pitch_change_what_they_say() -> None:
    text = "A boat waits here."
    plain, fast, low = speak(text), speak(text, speed=1.5), speak(text, pitch=-4.0)
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


def test_a_spoken_text_is_kept(tmp_path: Path) -> None:
    first = speak("A boat waits here.", cache=tmp_path)
    again = speak("A boat waits here.", cache=tmp_path)
    assert np.array_equal(first.samples, again.samples)
    assert [word.text for word in again.words] == ["A", "boat", "waits", "here."]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["你好，世界", "hello 世界", "!!!", ""])
def test_what_it_cannot_say_is_a_mistake(text: str) -> None:
    with pytest.raises(Mistake, match="English only"):
        speak(text)


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
    assert seconds(text, "hibari", 1.1) == pytest.approx(speak(text, speed=1.1).seconds, rel=0.12)
