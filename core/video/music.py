"""The studio's own music: short loops by mood, composed and synthesised by assets/build/music.py (CC0).

Gives samples; core.video.sound lays them under a voice.
"""

from __future__ import annotations

from pathlib import Path

from core.settings import ROOT
from core.video.voice import RATE, Samples

FOLDER = ROOT / "assets" / "music"


def moods() -> list[str]:
    """The moods there is music for."""
    return sorted(path.stem for path in FOLDER.glob("*.ogg"))


def load(mood: str) -> Samples | None:
    """A mood's loop, float32 [n, 2] at 48 kHz; None for "none"."""
    return None if mood == "none" else read(FOLDER / f"{mood}.ogg")


def read(path: Path) -> Samples:
    """A sound file as stereo float32 [n, 2] at 48 kHz."""
    import soundfile
    from scipy.signal import resample_poly

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        samples = resample_poly(samples, RATE, rate, axis=0).astype("float32")
    return samples[:, [0, -1]]
