"""The music under a film: the studio's own loops by mood, or a sound file of a person's own, and its beats.

The loops were composed and synthesised by assets/build/music.py (CC0). core.video.audio.mix lays music under
a voice.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Mistake
from core.project import ROOT, replacing, safe_name, unused
from core.settings.style import Style
from core.video.audio import beats
from core.video.audio.speech import RATE, Samples

FOLDER = ROOT / "assets" / "music"
# Beats a minute, as they were composed: a loop begins on a beat and holds whole ones.
TEMPOS = {
    **{"calm": 58, "night": 80, "bright": 108, "tender": 72, "dream": 70},
    **{"drive": 122, "lofi": 78, "playful": 116, "heroic": 100},
}
LONGEST_BEAT = 0.7  # seconds: of slower music half a beat counts
SOUNDS = (".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus", ".wma")
LONGEST = 20 * 60  # seconds of a person's file that are read


def load(mood: str) -> Samples | None:
    """A mood's loop, float32 [n, 2] at 48 kHz; None for "none"."""
    return None if mood == "none" else read(FOLDER / f"{mood}.ogg")


def bed(style: Style, file: Path | None) -> Samples | None:
    """What plays under a film, float32 [n, 2] at 48 kHz from where it begins; None for nothing.

    file: a person's own, in place of the style's mood; it begins at the style's second. Raises Mistake where
    it can't be read.
    """
    music = own(file) if file is not None else load(style.music)
    if music is None:
        return None
    start = round(style.music_start * RATE)
    if file is None:
        return np.roll(music, -start, 0)
    if start >= len(music):
        raise Mistake(
            "{path} ends before second {start}; begin it sooner.", path=file, start=style.music_start
        )
    return music[start:]


def beats_of(style: Style, file: Path | None, music: Samples, seconds: float) -> np.ndarray:
    """Where a bed's beats fall in a film of so many seconds, rising; those of our own loops are known."""
    length = len(music) / RATE
    if file is None:
        period = 60 / TEMPOS[style.music]
        first = -style.music_start % period
        found = np.arange(first, seconds, period)
    else:
        once = beats.found(music)
        found = np.concatenate([once + turn * length for turn in range(int(seconds // length) + 1)])
    if len(found) > 1 and np.median(np.diff(found)) > LONGEST_BEAT:
        found = np.sort(np.concatenate([found, (found[:-1] + found[1:]) / 2]))
    return found[found < seconds]


def check(file: Path | None) -> None:
    """Raises Mistake where a person's music can't be used, before anything is made."""
    if file is not None:
        with _opened(file):
            pass


def take_in(file: Path, folder: Path) -> Path:
    """A copy of a person's music in `folder`. Raises Mistake where it can't be used."""
    check(file)
    target = unused(folder / f"{safe_name(file.stem)}{re.sub(r'[^.a-z0-9]', '', file.suffix.lower())}")
    with replacing(target) as part:
        shutil.copyfile(file, part)
    return target


def own(file: Path) -> Samples:
    """A person's sound file, or a clip's sound, as stereo float32 [n, 2] at 48 kHz. Raises Mistake."""
    import av

    parts: list[np.ndarray] = []
    with _opened(file) as opened:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        read = 0
        try:
            for frame in opened.decode(opened.streams.audio[0]):
                for one in resampler.resample(frame):
                    parts.append(one.to_ndarray())
                    read += parts[-1].shape[1]
                if read > LONGEST * RATE:
                    break
            parts += [one.to_ndarray() for one in resampler.resample(None)]
        except (av.FFmpegError, ValueError) as error:
            raise _unusable(file, error) from None
    if not parts:
        raise _unusable(file, "no sound in it")
    return np.ascontiguousarray(np.concatenate(parts, 1).T.astype(np.float32))


def _opened(file: Path) -> Any:
    import av

    if not file.is_file():
        raise Mistake("There is no music {path}; check the name, or choose it again.", path=file)
    try:
        # Absolute: a name such as `a: b.mp3` alone would be an address to ffmpeg.
        opened = av.open(str(file.absolute()), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unusable(file, error) from None
    if not opened.streams.audio:
        opened.close()
        raise Mistake("{path} has no sound in it; choose a sound file, such as mp3 or wav.", path=file)
    return opened


def _unusable(file: Path, reason: object) -> Mistake:
    return Mistake(
        "{path} can't be read as music ({reason}); save it again as mp3 or wav.",
        path=file,
        reason=str(reason)[:120],
    )


def read(path: Path) -> Samples:
    """One of the studio's own sound files as stereo float32 [n, 2] at 48 kHz."""
    import soundfile
    from scipy.signal import resample_poly

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        samples = resample_poly(samples, RATE, rate, axis=0).astype("float32")
    return samples[:, [0, -1]]
