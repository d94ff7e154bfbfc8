"""The boxes of a voice: what they offer, what they make of it, and the sample that is played."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from core.messages import Mistake
from core.settings.reading import make
from core.settings.video import ComposeSettings
from core.video.audio import voice
from core.video.audio.voices.kokoro import Kokoro
from tabs.compose import voice_box
from tabs.shell.wiring import Page


def test_voices_are_offered_by_language_with_names_for_people() -> None:
    shown = dict(voice_box.choices(Page("en")))
    assert shown["Heart · woman · English (US)"] == "kokoro:af_heart"
    assert shown["云希 · man · Chinese"] == "kokoro:zm_yunxi"
    assert next(iter(shown.values())) == voice.AUTO and [*shown.values()][-1] == voice.NONE
    chinese = [name for name, _ in voice_box.choices(Page("zh"))]
    assert chinese[1] == "晓晓 · 女声 · 中文" and "George · 男声 · 英文 (GB)" in chinese
    assert len(set(shown)) == len(voice_box.choices(Page("en")))


def test_each_voice_that_is_offered_can_be_chosen() -> None:
    for _, name in voice_box.choices(Page("en")):
        settings = make(ComposeSettings, {"topic": "tea", "voice": name}, "Compose")
        assert voice.check(settings.voice, "en" if name == voice.AUTO else _language(name))


def _language(name: str) -> str:
    return next((one.language for code in ("en", "zh") for at, one in voice.offers(code) if at == name), "en")


def test_two_voices_are_one_string() -> None:
    assert voice_box.joined("auto", "", 0.3) == "auto"
    assert voice_box.joined("kokoro:af_heart", "kokoro:af_bella", 0.3) == "kokoro:af_heart+af_bella@0.3"
    seconds = [name for _, name in voice_box.seconds(Page("en"))]
    assert seconds == ["", *(f"kokoro:{one.name}" for one in Kokoro.voices)]
    for first in ("auto", "none", "hibari:heart"):
        with pytest.raises(Mistake, match="Only voices of one kind can be mixed"):
            voice_box.joined(first, "kokoro:af_bella", 0.3)


def test_the_sample_is_in_the_language_of_the_topic_else_of_the_page() -> None:
    assert voice_box.language_for(Page("zh"), "a river town") == "en"
    assert voice_box.language_for(Page("en"), "江南小镇") == "zh"
    assert voice_box.language_for(Page("zh"), " ") == "zh"
    assert voice_box.language_for(Page("en"), "тихое утро") == "en"


def test_a_sample_is_a_player_of_speech() -> None:
    shown = voice_box.sample("en", "hibari")
    sound = shown.split("base64,")[1].split("'")[0]
    samples, rate = soundfile.read(BytesIO(base64.b64decode(sound)))
    assert shown.startswith("<audio controls autoplay src='data:audio/mpeg;base64,")
    assert rate == 48_000 and 3 < len(samples) / rate < 8 and np.abs(samples).max() > 0.05
    assert voice_box.sample("en", voice.NONE) == ""
    with pytest.raises(Mistake, match="hibari speaks no Chinese"):
        voice_box.sample("zh", "hibari")


def test_a_voice_is_heard_in_the_window_before_a_film_is_made(page: Any) -> None:
    page.locator("#tab-compose-button").click()
    expect(page.locator("#topic textarea")).not_to_have_value("")
    page.locator("#usual-compose button").first.click()
    page.locator("#listen").click()
    player = page.locator("#voice-sample audio")
    expect(player).to_have_count(1, timeout=120_000)
    told = "(one.ondurationchange = () => one.duration > 0 && done(one.duration))()"
    assert 3 < player.evaluate(f"one => new Promise(done => {{ {told} }})") < 8
    assert page.problems == []
