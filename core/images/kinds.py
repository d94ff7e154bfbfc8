"""Which formats of pictures are read, and what a file is that is none of them, told from its content.

Names count for nothing: a `.jfif`, or a file without an ending, is as good a picture as any. Works on a
file's first bytes, and on a TIFF that Pillow has opened; knows nothing about folders.
"""

from __future__ import annotations

import re
from pathlib import Path

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.messages import Mistake

# What Pillow may read. Without a list it tries all it knows, and hands PostScript to Ghostscript, a program
# interpreter, whatever the file is called.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
HEAD_BYTES = 1024

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg"}  # MPO: a JPEG with others behind it, as some phones take
_OTHERS = {
    "HEIC": rb".{4}ftyp(hei|hev|mif1|msf1)",
    "AVIF": rb".{4}ftypavi",
    "RAW": rb".{4}ftypcrx|FUJIFILMCCD-RAW|IIR[OS]|IIU\0|MMOR|II\*\0.{4}CR",
    "PSD": rb"8BPS",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    "SVG": rb"(\xef\xbb\xbf)?\s*(<\?xml.*|<!--.*)?(<!DOCTYPE svg.*)?<svg",
    "PDF": rb"%PDF",
    "PostScript": rb"%!|\xc5\xd0\xd3\xc6",
    "ICO": rb"\0\0[\x01\x02]\0",
    "EXR": rb"v/1\x01",
}
_WEB_PAGE = rb"(?i)(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype html|html|head)"
_FILM = rb".{4}(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF.{4}(AVI |WAVE)|FLV|OggS|ID3|\0\0\x01[\xba\xb3]"
_PACKED = rb"PK\x03\x04|Rar!|7z\xbc\xaf|\x1f\x8b|\xd0\xcf\x11\xe0"
_DNG_VERSION, _SUBFILE_TYPE, _TILE_WIDTH, _TILE_HEIGHT = 50706, 254, 322, 323  # tags of TIFF


class Unreadable(Mistake):
    """A picture that can't be used, with the reason as a sentence."""


def ending(kind: str) -> str:
    """The usual ending of a picture of a format, as Pillow calls it: `.jpg` of JPEG."""
    return _ENDINGS.get(kind, f".{kind.lower()}")


def is_raw(image: TiffImageFile, head: bytes) -> bool:
    """Whether a TIFF is a camera's raw photo: its first picture then is a small preview."""
    preview = int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & 1
    return bool(preview) or _DNG_VERSION in image.tag_v2 or _is(_OTHERS["RAW"], head)


def tile_pixels(image: ImageFile) -> int:
    """How many pixels are decoded at once of a picture that stands in tiles; 0 of any other.

    A TIFF says by itself how large they are, and so 64 pixels may be cut from a tile of a thousand million.
    """
    if not isinstance(image, TiffImageFile):
        return 0
    return int(image.tag_v2.get(_TILE_WIDTH, 0)) * int(image.tag_v2.get(_TILE_HEIGHT, 0))


def unknown(path: Path, head: bytes) -> Unreadable:
    """What a file that is no picture of `FORMATS` seems to be by its first bytes, and what to do."""
    name = path.name
    for kind, signature in _OTHERS.items():
        if _is(signature, head):
            return unread(path, kind)
    if _is(_WEB_PAGE, head):
        return Unreadable("{name} is a web page, not the picture on it; save the picture itself.", name=name)
    if _is(_FILM, head):
        return Unreadable("{name} is a video or a sound; save frames of it as PNG or JPEG.", name=name)
    if _is(_PACKED, head):
        return Unreadable("{name} is an archive or a document; take the pictures out of it first.", name=name)
    if head.startswith(b"version https://git-lfs"):
        return Unreadable("{name} only says where Git LFS keeps it; get it with: git lfs pull", name=name)
    return Unreadable("{name} is not a picture that the studio knows; save it as PNG or JPEG.", name=name)


def unread(path: Path, kind: str) -> Unreadable:
    """The reason of a picture in a format that the studio doesn't read."""
    return Unreadable(
        "{name} is of the kind {kind}, which the studio can't open; save it as PNG or JPEG.",
        name=path.name,
        kind=kind,
    )


def _is(signature: bytes, head: bytes) -> bool:
    return re.match(signature, head, re.DOTALL) is not None
