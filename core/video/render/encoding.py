"""Frames and samples into mp4 files by ffmpeg's libraries (PyAV): pieces encoded, then joined as they are.

Files are named from the root on: a name such as `a: b.mp4` alone would be an address to ffmpeg.
H.264 High, yuv420p, BT.709, AAC at 48 kHz, the index in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from core.project import replacing
from core.video.audio.speech import RATE
from core.video.render.film import Film

# x264's rate factor and preset; a preview is looked at once.
QUALITIES = {"final": {"crf": "18", "preset": "veryfast"}, "preview": {"crf": "26", "preset": "ultrafast"}}
AUDIO_BITRATE = 192_000
BLOCK = 1024  # samples of an AAC frame
REORDERED = 2  # frames that x264 decodes before one that is shown earlier, with its B-frames at most
AHEAD = 4  # frames that wait for the encoder


def encode(
    frame: Callable[[int], np.ndarray], first: int, end: int, film: Film, quality: str, target: Path
) -> Generator[None, None, None]:
    """Writes the frames from `first` up to `end` as a film without sound; stops after each to be told of."""
    import av

    with replacing(target) as part, av.open(str(part.absolute()), "w") as file:
        stream = file.add_stream("libx264", rate=film.fps, options=_options(film, quality))
        stream.width, stream.height, stream.pix_fmt = film.width, film.height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, film.fps)
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        for number, pixels in enumerate(_ahead(frame, range(first, end)), first):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            # Frames come as RGB; without the conversion ffmpeg's default (BT.601) would shift the colours.
            turned = picture.reformat(
                format="yuv420p", src_color_range=2, dst_color_range=1, dst_colorspace="ITU709"
            )
            turned.pts = number - first
            file.mux(stream.encode(turned))
            yield
        file.mux(stream.encode(None))


def _ahead(frame: Callable[[int], np.ndarray], numbers: Iterable[int]) -> Iterator[np.ndarray]:
    """Frames in their order, made on another thread while the one before them is encoded."""
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(1, "frames") as maker:
        try:
            for number in numbers:
                waiting.append(maker.submit(frame, number))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            maker.shutdown(wait=False, cancel_futures=True)


def _options(film: Film, quality: str) -> dict[str, str]:
    return QUALITIES[quality] | {"profile": "high", "g": str(2 * film.fps)}


def join(pieces: Sequence[Path], lengths: Sequence[int], film: Film, target: Path) -> None:
    """One film of pieces (each of so many frames), whose packets are copied, and its sound, encoded.

    Raises OSError where the disk has no room left for it.
    """
    import av

    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(target.absolute()), "w", options=options) as file:
        file.metadata.update(film.metadata)
        with av.open(str(pieces[0])) as piece:
            video = file.add_stream_from_template(piece.streams.video[0])
        audio = _audio(file) if film.sound is not None else None
        written, started, number = 0, 0, 0
        for path, length in zip(pieces, lengths, strict=True):
            with av.open(str(path)) as piece:
                for packet in piece.demux(piece.streams.video[0]):
                    if packet.dts is None or packet.pts is None:  # the end
                        continue
                    # A piece's own times of decoding begin sooner the longer it is, so they are counted anew.
                    ticks = Fraction(1, film.fps) / packet.time_base
                    packet.pts += int(started * ticks)
                    packet.dts = int((number - REORDERED) * ticks)
                    packet.stream = video
                    file.mux(packet)
                    number += 1
            started += length
            if audio is not None:
                written = _sound_up_to(file, audio, film.sound, written, round(started / film.fps * RATE))
        if audio is not None:
            file.mux(audio.encode(None))


def _audio(file: Any) -> Any:
    stream = file.add_stream("aac", rate=RATE, layout="stereo")
    stream.bit_rate = AUDIO_BITRATE
    return stream


def _sound_up_to(file: Any, stream: Any, sound: Any, written: int, end: int) -> int:
    """Encodes the samples up to `end`, in whole blocks until the last; returns how far it came."""
    import av

    last = end >= len(sound) - BLOCK
    end = len(sound) if last else end // BLOCK * BLOCK
    while written < end:
        block = sound[written : min(written + BLOCK, end)]
        samples = np.ascontiguousarray(np.clip(block, -1, 1).T.astype(np.float32))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, written, Fraction(1, RATE)
        file.mux(stream.encode(frame))
        written += len(block)
    return written
