"""A picture's file as the studio uses it: 8-bit sRGB, upright, on white, checked to be whole.

Works on any file that a person may drop in: what it is, its content tells, never its name; and one that can't
be used is named with the reason in one sentence. Originals are read, never changed or moved. Knows nothing
about captions, tags or training.
"""

from __future__ import annotations

import contextlib
import io
import stat
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.files import nameable
from core.images import kinds
from core.images.kinds import Unreadable
from core.messages import Mistake

MAX_PIXELS = 80_000_000
MAX_BYTES = 500_000_000
MAX_PASSES = 100  # of a JPEG: cameras save about ten; each costs 0.05 s at `MAX_PIXELS`, in a hundred bytes
MIN_SIDE = 16

# What Pillow finds odd is either damage, which it raises, or doesn't matter.
warnings.filterwarnings("ignore", module="PIL")

# A picture that large takes up to 1.6 GB while it is opened, so that there is one at a time.
_LARGE_PIXELS = 20_000_000
_one_large = threading.Lock()

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """A picture that opens; width and height in pixels as it is seen (EXIF rotation applied).

    `ending`: the usual one of its format, whatever the file is called.
    """

    path: Path
    width: int
    height: int
    ending: str


@dataclass(frozen=True)
class SetAside:
    """A file that was left out, and why."""

    path: Path
    reason: Mistake


def open_picture(path: Path, least: int = 0) -> Image.Image:
    """The picture as 8-bit RGB: upright by its EXIF, in sRGB, the first frame, transparency on white.

    `least` > 0 lets a JPEG be decoded at a fraction of its size, no side below `least` pixels: many times
    faster where only a thumbnail is needed. Raises Unreadable with what is wrong and what to do.
    """
    with _opened(path) as image:
        if least:
            image.draft(image.mode, (least, least))
        return _decoded(path, image)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels as seen, from the header alone. Raises Unreadable."""
    with _opened(path) as image:
        return _size_seen(image)


def _size_seen(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _orientation(image) in (5, 6, 7, 8) else (width, height)


def _opened(path: Path) -> Image.Image:
    """The picture with only its header read: the one place where the studio opens pictures.

    What it lets through decodes in a few seconds: pixels, bytes and passes are what takes time.
    """
    if not nameable(path):
        raise Unreadable(
            "The name of {name} can't be kept in a table of captions; rename the file with plain letters.",
            name=path,
        )
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a folder, or a pipe, which would wait for ever
            raise kinds.unknown(path, b"")
        if found.st_size == 0:
            raise Unreadable("{name} is empty (0 bytes); copy it again from its source.", name=path.name)
        if found.st_size > MAX_BYTES:
            raise Unreadable(
                "{name} has more than {limit} MB; make it smaller first.",
                name=path.name,
                limit=MAX_BYTES // 1_000_000,
            )
        image = Image.open(path, formats=kinds.FORMATS)
        if isinstance(image, TiffImageFile) and kinds.is_raw(image, _head(path)):
            raise kinds.unread(path, "RAW")
        if isinstance(image, JpegImageFile) and _passes(path) > MAX_PASSES:
            raise Unreadable(
                "{name} is a JPEG in more than {limit} passes, as no program saves them; save it anew.",
                name=path.name,
                limit=MAX_PASSES,
            )
        pixels = max(image.width * image.height, kinds.tile_pixels(image))
    except FileNotFoundError:
        raise Unreadable("There is no picture {path}; check the name.", path=path) from None
    except PermissionError:
        raise Unreadable("{name} may not be read; change its permissions.", name=path.name) from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except UnidentifiedImageError:
        raise kinds.unknown(path, _head(path)) from None
    except Unreadable:
        raise
    except Exception as error:  # a damaged header makes Pillow's plugins raise errors of many kinds
        raise _damaged(path, error) from None
    width, height = image.size
    if pixels > MAX_PIXELS:
        image.close()
        raise _too_large(path)
    if min(width, height) < MIN_SIDE:
        image.close()
        raise Unreadable(
            "{name} is {width}×{height} pixels, too small to learn from; use at least {least} on each side.",
            name=path.name,
            width=width,
            height=height,
            least=MIN_SIDE,
        )
    return image


def _too_large(path: Path) -> Unreadable:
    return Unreadable(
        "{name} has more than {limit} megapixels; make it smaller first.",
        name=path.name,
        limit=MAX_PIXELS // 1_000_000,
    )


def _passes(path: Path) -> int:
    """How many passes (SOS markers) a JPEG has, those of pictures in it or behind it too."""
    with path.open("rb") as file:
        return sum(block.count(b"\xff\xda") for block in iter(lambda: file.read(1 << 20), b""))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(kinds.HEAD_BYTES)


def _decoded(path: Path, image: Image.Image, corner: int = 0) -> Image.Image:
    """Decodes the whole picture and converts it, or with `corner` only a corner that wide, to save memory."""
    large = image.width * image.height > _LARGE_PIXELS
    try:
        with _one_large if large else contextlib.nullcontext():
            image.load()
            if corner:
                return _rgb(image.crop((0, 0, min(corner, image.width), min(corner, image.height))))
            turn = _UPRIGHT.get(_orientation(image))
            rgb = _rgb(image)
            return rgb.transpose(turn) if turn is not None else rgb
    except MemoryError:
        raise Unreadable(
            "{name} needs more memory than there is; make it smaller first.", name=path.name
        ) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> Unreadable:
    reason = " ".join(str(error).split()).strip(" .") or type(error).__name__
    return Unreadable(
        "{name} is damaged ({reason}); copy it again from its source or save it anew.",
        name=path.name,
        reason=reason if len(reason) <= 100 else f"{reason[:100]}…",
    )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 where the EXIF block is broken, which doesn't spoil the picture."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # the EXIF parser raises SyntaxError, struct.error, TypeError, ValueError
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_deep(image)
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = _on_white(image if image.mode == "RGBA" else image.convert("RGBA"))
    if profile and image.mode in ("RGB", "CMYK"):
        return _to_srgb(image, profile)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _from_deep(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys scaled to 8 bits; Pillow's own conversion clips them to white."""
    if image.mode.startswith("I;16"):
        grey = (np.arange(65536) / 257 + 0.5).astype(np.uint8)[np.asarray(image)]
        return Image.fromarray(grey).convert("RGB")
    values = np.nan_to_num(np.asarray(image, dtype=np.float32)).clip(min=0)
    top = float(values.max())
    white = 65535.0 if 255 < top <= 65535 else max(top, 255.0)
    if image.mode == "F" and top <= 1:
        white = 1.0
    grey = np.clip(values * (255 / white) + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours through the embedded ICC profile; as they stand where it is sRGB, broken or foreign."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        described = ImageCms.getProfileDescription(source)
        if "srgb" in described.lower() or source.profile.xcolor_space.strip() != image.mode:
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def check(path: Path) -> Picture | SetAside:
    """Decodes a picture to see whether it is whole; once, as long as the file isn't changed."""
    try:
        stamp = path.stat()
    except OSError:
        return SetAside(path, Unreadable("There is no picture {path}; check the name.", path=path))
    return _checked(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=20_000)
def _checked(path: Path, changed_ns: int, size_bytes: int) -> Picture | SetAside:
    try:
        with _opened(path) as image:
            size, kind = _size_seen(image), str(image.format)
            image.draft(image.mode, (64, 64))
            _decoded(path, image, corner=64)
    except Unreadable as reason:
        return SetAside(path, reason)
    return Picture(path, *size, kinds.ending(kind))
