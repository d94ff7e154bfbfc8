"""The beats of a piece of music that nobody wrote down: from the sound's onsets, by dynamic programming.

After Ellis, "Beat Tracking by Dynamic Programming" (2007). Written here, as the well-kept library for it
(librosa) brings a compiler of its own that holds numpy back. Works on samples; knows nothing about films.
"""

from __future__ import annotations

import numpy as np

from core.video.audio.speech import RATE, Samples

HOP = 480  # samples between two measurements: a hundred a second
WINDOW = 2048
SLOWEST, FASTEST, USUAL = 60.0, 180.0, 115.0  # beats a minute
STRICT = 100.0  # how much an even beat counts against a strong onset


def found(samples: Samples) -> np.ndarray:
    """The seconds of the beats in samples [n, 2] at 48 kHz, rising; none where nothing beats."""
    if len(samples) < 4 * RATE or (onsets := onset_strength(samples)).std() < 1e-6:
        return np.zeros(0)
    onsets = onsets / onsets.std()
    period = _period(onsets)
    best, before = onsets.copy(), np.full(len(onsets), -1)
    steps = np.arange(-round(2 * period), -round(period / 2) + 1)
    cost = -STRICT * np.log(-steps / period) ** 2
    for at in range(-steps[0], len(onsets)):
        reached = best[at + steps] + cost
        came = int(np.argmax(reached))
        best[at], before[at] = onsets[at] + reached[came], at + steps[came]
    beats = [len(onsets) - round(period) + int(np.argmax(best[-round(period) :]))]
    while before[beats[-1]] >= 0:
        beats.append(int(before[beats[-1]]))
    return np.array(beats[::-1]) * HOP / RATE


def onset_strength(samples: Samples) -> np.ndarray:
    """How much louder the sound gets, over all pitches, a hundred times a second: float [n]."""
    from scipy.signal import ShortTimeFFT

    mono = samples.mean(1)
    transform = ShortTimeFFT(np.hanning(WINDOW), HOP, RATE, mfft=WINDOW)
    loud = np.log1p(100 * np.abs(transform.stft(mono))[:, transform.p_min * -1 :])
    rise = np.maximum(0, np.diff(loud, axis=1)).mean(0)
    calm = np.convolve(rise, np.ones(50) / 50, "same")
    return np.maximum(0, rise - calm)


def _period(onsets: np.ndarray) -> float:
    """Measurements from one beat to the next, at the tempo at which onsets repeat, near a usual one."""
    size = 1 << (2 * len(onsets) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(onsets, size)) ** 2
    alike = np.fft.irfft(spectrum)[: len(onsets)]
    per_minute = 60 * RATE / HOP
    lags = np.arange(round(per_minute / FASTEST), min(round(per_minute / SLOWEST), len(alike) - 1) + 1)
    likely = np.exp(-0.5 * (np.log2(lags * USUAL / per_minute) / 0.8) ** 2)
    return float(lags[np.argmax(alike[lags] * likely)])
