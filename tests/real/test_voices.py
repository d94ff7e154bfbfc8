"""Kokoro by ear: 24 sentences in both languages, the English ones written down again by Whisper."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.video.audio.level import loudness
from core.video.audio.speech import RATE, Speech, split_words
from core.video.audio.voice import LOUDNESS, seconds, speak

ENGLISH = (
    "The boat leaves before the sun does. Nobody waits for it, and it does not mind.",
    "Fog has taken the far bank. It usually brings it back by ten.",
    "Rain is reading the town aloud, roof by roof. It skips nothing.",
    "On March 3rd, 2024, Mr. Jones paid $9.99 for two teapots.",
    "The museum opens at 7:30 and closes at 5 o'clock in the afternoon.",
    "About 50% of the 1,250 visitors danced in circles.",
    "Margaret and Oliver took the train from Edinburgh to Leicester.",
    "NASA and the FBI declined to comment on Wednesday.",
    "Doctor Smith lives on Park Street, 12 kilometers from London.",
    "The choir sang through the night, and the crowd grew larger.",
    "She read the recipe twice, then closed the door quietly.",
    "Why do bees dance? To tell their friends where the flowers are.",
)
CHINESE = (
    "小镇的早晨很安静，河上有一层薄雾。",
    "船夫还没有醒，桥先醒了。",
    "老人慢慢走过石桥，手里提着一只红灯笼。",
    "茶还没有凉，雨已经停了。没有人说话。",
    "六口锅同时说话，厨师只听得见汤的声音。",
    "2024年3月5日，他花了1,250元买了2个茶杯。",
    "蜜蜂跳舞，是为了告诉同伴花在哪里。",
    "我用ChatGPT写代码，觉得很cool。",
    "会议在14:05开始，大约有10-20个人。",
    "银行旁边有人在排队，行人走得很快。",
    "大约15%的人喜欢在下雨天喝咖啡。",
    "灯一圈一圈地转。远处，有人在默默地数。",
)
VOICES = {"en": ("af_heart", "am_michael", "bf_emma", "bm_george"), "zh": ("zf_xiaoxiao", "zm_yunxi")}
NUMBERS = {
    "1250": "one thousand two hundred fifty",
    "2024": "twenty twenty four",
    **{"999": "nine dollars ninety nine cents", "50": "fifty", "730": "seven thirty"},
    **{"12": "twelve", "10": "ten", "5": "five", "2": "two", "3rd": "third", "50%": "fifty percent"},
}
SAME = {"mr": "mister", "dr": "doctor", "km": "kilometers", "kilometres": "kilometers"}


# Each sentence is spoken by the voices in turn.
SPEAKERS = {
    text: f"kokoro:{VOICES[language][at % len(VOICES[language])]}"
    for language, texts in (("en", ENGLISH), ("zh", CHINESE))
    for at, text in enumerate(texts)
}


@functools.cache
def said(text: str) -> Speech:
    return speak(text, SPEAKERS[text])


@pytest.mark.parametrize("text", ENGLISH + CHINESE)
def test_a_sentence_sounds_as_a_line_of_a_film_should(text: str) -> None:
    """Its length, its loudness, no clipping, no click, and no silence inside that is longer than a pause."""
    speech = said(text)
    assert [word.text for word in speech.words] == split_words(text)
    assert speech.seconds == pytest.approx(seconds(text, SPEAKERS[text]), rel=0.4)
    assert loudness(speech.samples) == pytest.approx(LOUDNESS, abs=0.1)
    assert np.abs(speech.samples).max() < 0.9
    assert np.abs(np.diff(speech.samples)).max() < 0.5
    heard = np.flatnonzero(np.abs(speech.samples) > 0.01 * np.abs(speech.samples).max())
    assert np.diff(heard).max() < 0.9 * RATE
    assert heard[0] < 0.15 * RATE and len(speech.samples) - heard[-1] < 0.2 * RATE


@pytest.fixture(scope="module")
def written(real_model: Callable[[str], Path]) -> dict[str, list[Any]]:
    """What Whisper hears in each English sentence: words with their times."""
    from faster_whisper import WhisperModel
    from scipy.signal import resample_poly

    whisper = WhisperModel(str(real_model("whisper")), device="cpu", compute_type="int8")
    found = {}
    for text in ENGLISH:
        samples = resample_poly(said(text).samples, 1, 3).astype(np.float32)
        parts, _ = whisper.transcribe(samples, language="en", word_timestamps=True, beam_size=5)
        found[text] = [word for part in parts for word in part.words]
    return found


def plain(text: str) -> list[str]:
    """Words as they are compared: numbers as they are said, without marks."""
    words: list[str] = []
    for word in re.sub(r"(?<=\d)[,.:](?=\d)", "", text.lower()).replace("-", " ").replace("$", "").split():
        bare = re.sub(r"[^\w%']", "", word)
        words += NUMBERS.get(bare, SAME.get(bare, bare)).replace("%", " percent").split()
    return words


def wrong(right: list[str], heard: list[str]) -> int:
    """Words put in, left out or changed (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for at, one in enumerate(right, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (one != other))
    return row[-1]


def test_whisper_writes_down_what_was_said(written: dict[str, list[Any]]) -> None:
    """Word error rate, numbers and names counted."""
    pairs = [(plain(text), plain("".join(word.word for word in words))) for text, words in written.items()]
    errors = {" ".join(heard): count for right, heard in pairs if (count := wrong(right, heard))}
    words = sum(len(right) for right, _ in pairs)
    print(f"word error rate {sum(errors.values()) / words:.1%} of {words} words: {errors}")
    assert sum(errors.values()) / words <= 0.05, errors


def test_words_are_said_when_whisper_hears_them(written: dict[str, list[Any]]) -> None:
    """Whisper's own times are coarse (steps of 20 ms, and it runs words together): the middle one counts."""
    off = []
    for text, heard in written.items():
        mine = said(text).words
        names = [re.sub(r"\W", "", word.text).lower() for word in mine]
        others = [re.sub(r"\W", "", word.word).lower() for word in heard]
        for block in difflib.SequenceMatcher(None, names, others, autojunk=False).get_matching_blocks():
            off += [
                heard[block.b + at].start - mine[block.a + at].start
                for at in range(block.size)
                if block.a + at  # the first word's start is where Whisper's window begins
            ]
    print(f"{len(off)} words: median {np.median(off):+.3f} s, middle half {np.percentile(off, [25, 75])}")
    assert abs(float(np.median(off))) < 0.08 and float(np.median(np.abs(off))) < 0.08
