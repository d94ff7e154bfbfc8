"""Listens to a finished film, and to sounds of a person's own: where nothing is heard, what is cut off.

Works on files that ffmpeg's libraries (PyAV) read; knows nothing about scenes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.video.post.watching import Span

QUIET = 10 ** (-60 / 20)  # of full scale; below it nothing is heard
BLOCK = 0.05  # seconds
FLAT, ALIKE, HIGH = 8, 4e-5, 0.5  # samples in a row that are the same within so much, at so much of the peak
MOST = 20 * 60  # seconds of a sound that are listened to


def silence(video: Path, least: float) -> tuple[Span, ...]:
    """Where nothing is heard for so many seconds at least; all of a film that has no sound."""
    spans: list[Span] = []
    since, end = 0.0, 0.0
    rest = np.zeros(0, np.float32)
    for samples, rate in _heard(video):
        loud = np.concatenate([rest, np.abs(samples).max(0)])
        size = round(BLOCK * rate)
        whole = len(loud) // size * size
        rest = loud[whole:]
        for peak in loud[:whole].reshape(-1, size).max(1):
            if peak > QUIET:
                spans += [Span(since, end)] if end - since >= least else []
                since = end + BLOCK
            end += BLOCK
    if not end:
        return (Span(0.0, _length(video)),)
    return (*spans, *([Span(since, end)] if end - since >= least else []))


def _length(video: Path) -> float:
    import av

    with av.open(str(video.absolute())) as film:
        return float((film.duration or 0) / av.time_base)


def cut_off(path: Path) -> int:
    """How often the tops of a sound are cut off, as where it was recorded or made too loud.

    A top is cut off where samples in a row stay at one height near the loudest, or reach beyond full scale.
    """
    count, peak = 0, 0.0
    heard: list[np.ndarray] = []
    for samples, rate in _heard(path):
        heard.append(samples)
        if sum(one.shape[1] for one in heard) > MOST * rate:
            break
    for samples in heard:
        peak = max(peak, float(np.abs(samples).max(initial=0)))
    for channel in np.concatenate(heard, 1) if heard and peak else ():
        count += _flat(channel, HIGH * peak) + _beyond(channel)
    return count


def _flat(samples: np.ndarray, least: float) -> int:
    """Runs of samples at one height that is at least so far from the middle."""
    same = (np.abs(np.diff(samples)) <= ALIKE) & (np.abs(samples[1:]) >= least)
    edges = np.diff(np.concatenate([[0], same.view(np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int((lengths >= FLAT - 1).sum())


def _beyond(samples: np.ndarray) -> int:
    """Runs of samples beyond full scale, as of a lossy file made from what was cut off."""
    over = (np.abs(samples) > 1.0).view(np.int8)
    return int((np.diff(np.concatenate([[0], over])) == 1).sum())


def _heard(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """A file's sound as it stands, in parts: float32 [channels, n], and the rate; none where it is silent."""
    import av

    with av.open(str(path.absolute()), options={"protocol_whitelist": "file"}) as file:
        if not file.streams.audio:
            return
        resampler = av.AudioResampler(format="fltp")
        for frame in file.decode(file.streams.audio[0]):
            for one in resampler.resample(frame):
                yield one.to_ndarray(), one.sample_rate
