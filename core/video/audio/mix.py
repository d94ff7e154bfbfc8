"""Mixes voice and music into one level track.

Works on float32 samples at 48 kHz: mono speech with the times it starts at, a stereo music loop; gives
stereo [n, 2] at −14 LUFS with true peaks under the ceiling. Knows nothing about texts, pictures or projects.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from core.video.audio.level import levelled, loudness
from core.video.audio.speech import RATE, Samples, Speech

LOUDNESS = -14.0  # LUFS integrated, what the platforms level to
SOUNDS = -22.0  # LUFS of clips' own sound, where the voice has −16
CEILING = -1.5  # dBTP; AAC adds up to half a decibel, and −1 is what must hold in the film
DUCK = -9.0  # decibels of music under the voice; with the usual volume it is then 20 dB below it
ATTACK, RELEASE = 0.08, 0.35  # seconds in which the music goes down and comes back
FADE_IN = 0.4  # seconds, the music's
OVERSAMPLING = 4


def mix(
    seconds: float,
    speeches: Sequence[tuple[float, Speech]],
    music: Samples | None = None,
    volume: float = 0.25,
    sounds: Sequence[tuple[float, Samples]] = (),
    fade: float = 1.6,
) -> Samples:
    """The film's sound, float32 [n, 2] of exactly `seconds`.

    speeches: (start in seconds, speech). music: stereo [m, 2], repeated to the film's length and lowered
    under the voice; volume is its loudness against the voice's, 0 to 1; it fades in the last `fade` seconds,
    a third of the film at most. sounds: (start, mono samples) of what else is heard, a little below the
    voice. Without any it is silence.
    """
    length = round(seconds * RATE)
    voice = np.zeros(length, np.float32)
    for start, speech in speeches:
        at = round(start * RATE)
        part = speech.samples[: length - at]
        voice[at : at + len(part)] += part
    spoken = [(start, start + speech.seconds) for start, speech in speeches if speech.samples.any()]
    track = np.repeat(levelled(voice, -16.0)[:, None], 2, 1) if spoken else np.zeros((length, 2), np.float32)
    heard = np.zeros(length, np.float32)
    for start, samples in sounds:
        at = round(start * RATE)
        heard[at : at + len(samples)] += samples[: length - at]
    track = track + levelled(heard, SOUNDS)[:, None]
    if music is not None and volume > 0:
        bed = levelled(looped(music, length), -16.0 + 20 * np.log10(volume))
        track = track + bed * (ducking(length, spoken) * _fades(length, fade))[:, None]
    return master(track)


def looped(music: Samples, length: int) -> Samples:
    """Music [m, 2] repeated to `length` samples; its end passes into its start by itself."""
    return np.resize(music, (length, 2)).astype(np.float32)


def ducking(length: int, spoken: Sequence[tuple[float, float]]) -> Samples:
    """The music's gain at each sample, 1 or lowered by `DUCK` where somebody speaks; eased both ways.

    Pauses shorter than attack and release together stay lowered, so that the music doesn't pump.
    """
    points: list[tuple[float, float]] = []
    for start, end in spoken:
        if points and start - points[-1][0] < ATTACK:
            points = points[:-2]
        else:
            points += [(start - ATTACK, 0.0), (start, DUCK)]
        points += [(end, DUCK), (end + RELEASE, 0.0)]
    if not points:
        return np.ones(length, np.float32)
    times, gains = zip(*points, strict=True)
    now = np.arange(length) / RATE
    return (10 ** (np.interp(now, times, gains) / 20)).astype(np.float32)


def master(track: Samples) -> Samples:
    """A track [n, 2] at `LOUDNESS` with true peaks under `CEILING`; silence stays silence.

    Limiting takes loudness away, so gain and limiter are repeated until it is reached.
    """
    made = track
    for _ in range(4):
        measured = loudness(made)
        if measured is None or (abs(measured - LOUDNESS) < 0.1 and true_peak(made) <= CEILING + 0.05):
            return made
        made = limited(made * np.float32(10 ** ((LOUDNESS - measured) / 20)))
    return made


def true_peak(track: Samples) -> float:
    """The highest peak between samples too, in dBTP (four times oversampled)."""
    from scipy.signal import resample_poly

    peak = float(np.abs(resample_poly(track, OVERSAMPLING, 1, axis=0)).max(initial=0.0))
    return 20 * np.log10(max(peak, 1e-9))


def limited(track: Samples) -> Samples:
    """[n, 2] with true peaks held under `CEILING`: a gain that looks 5 ms ahead and lets go in 60 ms."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d
    from scipy.signal import resample_poly

    ceiling = 10 ** (CEILING / 20)
    fine = np.abs(resample_poly(track, OVERSAMPLING, 1, axis=0)).max(1)
    peaks = fine[: len(track) * OVERSAMPLING].reshape(-1, OVERSAMPLING).max(1)
    if peaks.max(initial=0.0) <= ceiling:
        return track
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    ahead = round(0.005 * RATE)
    held = minimum_filter1d(wanted, 2 * ahead + 1)
    hold = round(0.06 * RATE)
    soft = np.minimum(uniform_filter1d(minimum_filter1d(held, hold), hold), held)
    return (track * uniform_filter1d(soft, ahead)[:, None]).astype(np.float32)


def write_wav(track: Samples, path: Path) -> Path:
    """Writes [n, 2] as 24-bit WAV at 48 kHz."""
    import soundfile

    wav = BytesIO()  # libsndfile keeps to itself what a disk does to it
    soundfile.write(wav, np.clip(track, -1, 1), RATE, subtype="PCM_24", format="WAV")
    path.write_bytes(wav.getvalue())
    return path


def as_mp3(samples: Samples) -> bytes:
    """A sound [n] or [n, 2] as MP3, which every browser plays."""
    import soundfile

    made = BytesIO()
    soundfile.write(made, np.clip(samples, -1, 1), RATE, format="MP3")
    return made.getvalue()


def _fades(length: int, fade: float) -> Samples:
    """The music's rise at the start and its fall at the end."""
    now = np.arange(length) / RATE
    left = (length - 1) / RATE - now
    fade_out = max(0.01, min(fade, length / RATE / 3))
    gain = np.clip(now / FADE_IN, 0, 1) * np.clip(left / fade_out, 0, 1)
    return np.sin(gain * np.pi / 2).astype(np.float32)
