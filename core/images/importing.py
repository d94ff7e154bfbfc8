"""Pictures from a disk as the studio uses them: 8-bit sRGB, upright, on white, checked to be whole.

Works on any file that a person may drop in: what it is, its content tells, never its name; and one that can't
be used is named with the reason in one sentence. Originals are read, never changed or moved. Knows nothing
about captions, tags or training.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from core.images import kinds
from core.images.kinds import Unreadable
from core.jobs import Mistake
from core.project import file_hash, replacing, unused

# Kept beside pictures on purpose, by people, by the studio and by other programs.
COMPANIONS = (
    ".txt", ".caption", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".md",
    ".npz", ".npy", ".pt", ".safetensors", ".db", ".ini",
)  # fmt: skip
MAX_PIXELS = 80_000_000
MIN_SIDE = 16

# Pillow only warns between 89 and 179 megapixels; nothing in the studio wants such a picture decoded.
warnings.simplefilter("error", Image.DecompressionBombWarning)

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


@dataclass(frozen=True)
class PictureSet:
    """The usable pictures of a folder in natural order of names, and those set aside."""

    pictures: tuple[Picture, ...]
    set_aside: tuple[SetAside, ...]


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
    """The picture with only its header read: the one place where the studio opens pictures."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a folder, or a pipe, which would wait for ever
            raise kinds.unknown(path, b"")
        if found.st_size == 0:
            raise Unreadable("{name} is empty (0 bytes); copy it again from its source.", name=path.name)
        image = Image.open(path, formats=kinds.FORMATS)
        if isinstance(image, TiffImageFile) and kinds.is_raw(image, _head(path)):
            raise kinds.unread(path, "RAW")
    except FileNotFoundError:
        raise Unreadable("There is no picture {path}; check the name.", path=path) from None
    except PermissionError:
        raise Unreadable("{name} may not be read; change its permissions.", name=path.name) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(
            "{name} has more than {limit} megapixels; make it smaller first.",
            name=path.name,
            limit=MAX_PIXELS // 1_000_000,
        ) from None
    except UnidentifiedImageError:
        raise kinds.unknown(path, _head(path)) from None
    except Unreadable:
        raise
    except Exception as error:  # a damaged header makes Pillow's plugins raise errors of many kinds
        raise _damaged(path, error) from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise Unreadable(
            "{name} has more than {limit} megapixels; make it smaller first.",
            name=path.name,
            limit=MAX_PIXELS // 1_000_000,
        )
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


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(kinds.HEAD_BYTES)


def _decoded(path: Path, image: Image.Image, corner: int = 0) -> Image.Image:
    """Decodes the whole picture and converts it, or with `corner` only a corner that wide, to save memory."""
    try:
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
    return Unreadable(
        "{name} is damaged ({reason}); copy it again from its source or save it anew.",
        name=path.name,
        reason=str(error).strip(" .") or type(error).__name__,
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
        image = _on_white(image.convert("RGBA"))
    if profile and image.mode in ("RGB", "CMYK"):
        return _to_srgb(image, profile)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys scaled to 8 bits; Pillow's own conversion clips them to white."""
    if image.mode.startswith("I;16"):
        grey = (np.arange(65536) / 257 + 0.5).astype(np.uint8)[np.asarray(image)]
        return Image.fromarray(grey).convert("RGB")
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
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


def natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key that puts `2.png` before `10.png`."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def picture_files(folder: Path) -> list[Path]:
    """All files under `folder` that may be pictures, in natural order.

    Passed over are hidden ones and what stands beside pictures (`COMPANIONS`: captions, tables, caches);
    whether another is a picture, `check` tells. Raises Mistake where the folder isn't there or can't be
    listed.
    """
    if not folder.is_dir():
        raise Mistake("There is no folder {path}; check the name.", path=folder)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Mistake("The folder {path} may not be read; change its permissions.", path=folder)
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and not name.lower().endswith(COMPANIONS)
        ]
    return sorted(found, key=natural)


def some_pictures(folder: Path) -> list[Path]:
    """As `picture_files`; raises Mistake where there are none, too."""
    files = picture_files(folder)
    if not files:
        raise Mistake("The folder {path} holds no pictures; put .png or .jpg files in it.", path=folder)
    return files


def hopeless(folder: Path, set_aside: Sequence[SetAside]) -> Mistake:
    """The mistake of a folder whose files all had to be set aside."""
    return Mistake(
        "None of the {count} files in {path} can be used as a picture; the first: {reason}",
        count=len(set_aside),
        path=folder,
        reason=set_aside[0].reason,
    )


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


def check_all(paths: Iterable[Path]) -> PictureSet:
    """Checks pictures on a few threads (Pillow decodes outside the interpreter's lock), in their order."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        checked = list(pool.map(check, paths))
    return PictureSet(
        tuple(one for one in checked if isinstance(one, Picture)),
        tuple(one for one in checked if isinstance(one, SetAside)),
    )


def read_folder(folder: Path) -> PictureSet:
    """The pictures of a folder and of the folders in it; what can't be used is set aside with its reason.

    Raises Mistake where the folder is missing, holds no pictures, or only unreadable ones.
    """
    files = some_pictures(folder)
    found = check_all(files)
    if not found.pictures:
        raise hopeless(folder, found.set_aside)
    return found


@dataclass(frozen=True)
class Imported:
    """What an import did: copies made, sources that were there already, and those set aside."""

    added: tuple[Path, ...]
    known: tuple[Path, ...]
    set_aside: tuple[SetAside, ...]


def import_pictures(sources: Iterable[Path], folder: Path) -> Imported:
    """Copies pictures (files, or folders of them) into `folder`; the originals stay as they are.

    A copy gets its format's own ending, whatever the source is called, so that every program knows it. A
    picture whose bytes are there already is not copied again; a name, or a name up to its ending, that is
    taken gets a number, because `1.png` and `1.jpg` would share one caption file. Raises Mistake where a
    source doesn't exist.
    """
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += picture_files(source)
        elif source.exists():
            files.append(source)
        else:
            raise Mistake("There is no file or folder {path}; check the name.", path=source)
    folder.mkdir(parents=True, exist_ok=True)
    present = picture_files(folder)
    hashes = {file_hash(path) for path in present}
    stems = {path.stem.casefold() for path in present if path.parent == folder}
    found = check_all(files)
    added, known = [], []
    for picture in found.pictures:
        digest = file_hash(picture.path)
        if digest in hashes:
            known.append(picture.path)
            continue
        target = _free(folder, picture, stems)
        with replacing(target) as part:
            shutil.copyfile(picture.path, part)
        hashes.add(digest)
        stems.add(target.stem.casefold())
        added.append(target)
    return Imported(tuple(added), tuple(known), found.set_aside)


def _free(folder: Path, picture: Picture, stems: set[str]) -> Path:
    """A name for the copy that is not taken; of a source's name only what can be an ending is dropped."""
    own = re.sub(r"\.\w{1,12}$", "", picture.path.name) or picture.path.name
    stem, number = own, 2
    while stem.casefold() in stems:
        stem = f"{own}-{number}"
        number += 1
    return unused(folder / f"{stem}{picture.ending}")
