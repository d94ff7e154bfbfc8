"""The mix by its numbers: loudness, true peaks, ducking, loops."""

from __future__ import annotations

import numpy as np
import pytest

from core.settings.style import MOODS
from core.video.audio import music
from core.video.audio.mix import CEILING, DUCK, ducking, limited, looped, loudness, mix, true_peak
from core.video.audio.speech import RATE, Speech


def voice(seconds: float, seed: int = 0) -> Speech:
    """Noise in syllables, as loud as hibari."""
    now = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(now)) * np.clip(np.sin(2 * np.pi * 3 * now), 0, 1)
    return Speech("", (0.05 * noise).astype(np.float32), ())


@pytest.mark.parametrize("with_music", [True, False])
def test_the_mix_is_level_and_never_clips(with_music: bool) -> None:
    bed = music.load("calm") if with_music else None
    track = mix(6.0, [(0.5, voice(2)), (3.5, voice(2, 1))], bed, 0.3)
    assert track.shape == (6 * RATE, 2) and track.dtype == np.float32
    assert loudness(track) == pytest.approx(-14, abs=0.5)
    assert true_peak(track) <= CEILING + 0.05


def test_music_alone_is_level_and_nothing_at_all_is_silence() -> None:
    assert loudness(mix(5.0, [], music.load("bright"), 0.3)) == pytest.approx(-14, abs=0.5)
    assert not mix(2.0, [], None).any()


def test_music_goes_down_under_the_voice() -> None:
    gain = ducking(6 * RATE, [(1.0, 2.0), (2.1, 3.0)])
    assert gain[0] == 1 and gain[-1] == 1
    low = 10 ** (DUCK / 20)
    assert gain[int(1.5 * RATE)] == pytest.approx(low)
    assert gain[int(2.05 * RATE)] < 0.6, "a breath is too short to come back"
    assert np.abs(np.diff(gain)).max() < 0.001, "eased, no clicks"


def test_the_limiter_holds_peaks_between_samples() -> None:
    now = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 11_025 * now + np.pi / 4) * 1.6 * np.hanning(RATE)
    made = limited(np.repeat(tone[:, None], 2, 1).astype(np.float32))
    assert true_peak(made) <= CEILING + 0.05


@pytest.mark.parametrize("mood", MOODS)
def test_the_loops_join_without_a_seam(mood: str) -> None:
    loop = music.load(mood)
    assert loop is not None
    assert 30 < len(loop) / RATE < 60
    twice = looped(loop, 2 * len(loop))
    seam = np.abs(twice[len(loop)] - twice[len(loop) - 1]).max()
    assert seam < 3 * np.percentile(np.abs(np.diff(loop, axis=0)), 99)
