"""How loud a sound is, and a sound as loud as it should be (ITU-R BS.1770). Works on samples at 48 kHz."""

from __future__ import annotations

import numpy as np

from core.video.audio.speech import RATE, Samples


def loudness(track: Samples) -> float | None:
    """Integrated loudness in LUFS (ITU-R BS.1770) of [n] or [n, 2]; None for silence.

    Shorter than one measuring block of 0.4 s, it is repeated to fill that.
    """
    import pyloudnorm

    if len(track) == 0 or not track.any():
        return None
    least = round(0.4 * RATE)
    if len(track) < least:
        track = np.concatenate([track] * (least // len(track) + 1))
    with np.errstate(divide="ignore"):
        measured = float(pyloudnorm.Meter(RATE).integrated_loudness(track.astype(np.float64)))
    return measured if np.isfinite(measured) else None


def levelled(track: Samples, target: float) -> Samples:
    """`track` at a loudness in LUFS."""
    measured = loudness(track)
    return track if measured is None else track * np.float32(10 ** ((target - measured) / 20))
