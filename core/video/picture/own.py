"""A person's own picture or clip for a scene. What a file says of its place and camera is not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.images.picture_file import open_picture
from core.messages import Mistake
from core.project import replacing, safe_name, unused

CLIPS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")


def is_clip(path: Path) -> bool:
    """Whether a file is a moving picture, by its ending."""
    return path.suffix.lower() in CLIPS


def check(path: Path) -> None:
    """Raises Mistake where a scene's own file can't be used, before anything is made."""
    if not path.is_file():
        raise Mistake("There is no picture {path}; check the name, or choose it again.", path=path)
    if is_clip(path):
        from core.video.picture import clips

        clips.check(path)
    else:
        open_picture(path, least=64)


def take_in(path: Path, folder: Path) -> Path:
    """A copy of a person's file in `folder` without what it tells of its place, time and camera.

    A picture is saved upright as PNG or JPEG, of a clip the streams are copied. Raises Mistake where it can't
    be used.
    """
    check(path)
    name = safe_name(path.stem)
    if is_clip(path):
        return _clip_taken_in(path, unused(folder / f"{name}.mp4"))
    image = open_picture(path)
    photo = path.suffix.lower() in (".jpg", ".jpeg", ".heic", ".heif", ".webp")
    target = unused(folder / f"{name}.{'jpg' if photo else 'png'}")
    with replacing(target) as part:
        image.save(part, quality=95)  # which PNG doesn't look at
    return target


def take_picture(path: Path, folder: Path) -> Path:
    """As `take_in`, of what has to be a picture. Raises Mistake for a clip too."""
    open_picture(path, least=64)
    return take_in(path, folder)


def _clip_taken_in(path: Path, target: Path) -> Path:
    import av

    with (
        replacing(target) as part,
        av.open(str(path.absolute())) as source,
        av.open(str(part.absolute()), "w") as copy,
    ):
        kept = [source.streams.video[0], *source.streams.audio[:1]]
        try:
            streams = {one.index: copy.add_stream_from_template(one) for one in kept}
            for packet in source.demux(kept):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    copy.mux(packet)
        except (av.FFmpegError, ValueError) as error:  # a codec that mp4 has no place for
            raise Mistake(
                "{path} can't be read as a clip ({reason}); save it again as mp4.",
                path=path,
                reason=str(error)[:120],
            ) from None
    return target


def picture(path: Path) -> np.ndarray:
    """A picture file, uint8 [H, W, 3]. Raises Mistake where it can't be used."""
    check(path)
    return np.asarray(open_picture(path))
