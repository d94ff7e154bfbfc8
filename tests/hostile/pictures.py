"""Pictures that are none, or too much: cut, forged, oversized, odd, badly named, with odd things beside them.

Each lies in a folder of its own, which `label` or a training's pre-flight reads.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from tests.hostile.case import Case
from tests.hostile.fuzz import pictures as whole_pictures

File = tuple[str, str, bytes]  # what is wrong, the file's name, its bytes


def cases(folder: Path, seed: int) -> Iterator[Case]:
    """Every one alone in its folder; every third with a good picture beside it, and read for training."""
    chance = random.Random(seed)
    good = whole_pictures()["png"]
    made = [*_damaged(chance), *_others(), *_polyglots(), *_bombs(), *_many(), *_modes(), *_notes()]
    for number, (name, file, data) in enumerate(made):
        own = _own(folder, number)
        (own / file).write_bytes(data)
        if number % 3:
            yield Case(name, ("label", str(own)))
        else:
            (own / "good.png").write_bytes(good)
            yield Case(f"{name}, with a good one", _training(own))
    for number, (name, lay) in enumerate(LAID.items(), len(made)):
        own = _own(folder, number)
        (own / "good.png").write_bytes(good)
        lay(own, good)
        yield Case(name, _training(own) if name.startswith("training") else ("label", str(own)))


def _own(folder: Path, number: int) -> Path:
    own = folder / f"{number:03}"
    own.mkdir()
    return own


def _training(own: Path) -> tuple[str, ...]:
    config = own.with_suffix(".yaml")
    config.write_text(json.dumps({"train_data_dir": str(own), "output_dir": str(own.with_suffix(".made"))}))
    return ("train", "--preflight", "--config", str(config))


def _damaged(chance: random.Random) -> Iterator[File]:
    """Whole pictures cut or with bits flipped, and under endings that say something else."""
    endings = dict(zip(whole_pictures(), ("svgz", "html", "svg", "mp3", "exe", "pdf", "js"), strict=True))
    for kind, data in whole_pictures().items():
        yield f"{kind} cut in its head", f"a.{kind}", data[:11]
        yield f"{kind} cut in half", f"a.{kind}", data[: len(data) // 2]
        yield f"{kind} without its last byte", f"a.{kind}", data[:-1]
        for times in (3, 300):
            bad = bytearray(data)
            for _ in range(times):
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
            yield f"{kind} with {times} bits flipped", f"a.{kind}", bytes(bad)
        yield f"{kind} named {endings[kind]}", f"a.{endings[kind]}", data


def _others() -> Iterator[File]:
    """What is no picture that the studio reads, named as one."""
    endless = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    entity = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../../up.png", b"x")
    contents = {
        "PostScript with a loop": endless,
        "EPS with a preview": b"\xc5\xd0\xd3\xc6"
        + struct.pack("<6I", 30, len(endless), 0, 0, 0, 0)
        + endless,
        "PDF": b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript>>>>endobj",
        "SVG": svg,
        "SVGZ": gzip.compress(svg),
        "SVG with an entity": entity,
        "a web page": b"<!DOCTYPE html><script>fetch('http://127.0.0.1')</script>",
        "a program for Windows": b"MZ\x90\0" + bytes(200),
        "a program for Linux": b"\x7fELF\2\1\1" + bytes(200),
        "a shell script": b"#!/bin/sh\ntouch /tmp/ran\n",
        "a zip that climbs": packed.getvalue(),
        "gzip": gzip.compress(bytes(1000)),
        "tar": b"a/../b".ljust(257, b"\0") + b"ustar\0" + bytes(250),
        "rar": b"Rar!\x1a\7\0",
        "7z": b"7z\xbc\xaf\x27\x1c",
        "a pickle": pickle.dumps({"a": 1}),
        "mp3": b"ID3\3\0\0\0\0\0\0" + bytes(100),
        "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
        "ogg": b"OggS\0\2" + bytes(60),
        "flac": b"fLaC\0\0\0\x22" + bytes(60),
        "midi": b"MThd\0\0\0\6\0\1",
        "mp4": b"\0\0\0\x20ftypisom" + bytes(30),
        "mkv": b"\x1aE\xdf\xa3" + bytes(60),
        "a playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        "a list for ffmpeg": b"ffconcat version 1.0\nfile ../outside/canary.txt\n",
        "ICO": b"\0\0\1\0\1\0" + b"\xff" * 16,
        "ICNS": b"icns\0\0\0\x10" + bytes(8),
        "PSD": b"8BPS\0\1" + bytes(30),
        "Photo CD": bytes(2048) + b"PCD_IPI" + bytes(2048),
        "FITS": b"SIMPLE  =  T".ljust(2880),
        "HDF5": b"\x89HDF\r\n\x1a\n",
        "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40),
        "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
        "FLI": bytes(4) + b"\x12\xaf" + bytes(122),
        "XPM": b'/* XPM */\nstatic char *a[] = {"9999999 9999999 1 1"',
        "XBM": b"#define a_width 99999999\n#define a_height 99999999\n",
        "PPM": b"P6 99999999 99999999 255\n",
        "PCX": b"\x0a\5\1\x08" + b"\xff" * 124,
        "TGA": bytes([0, 0, 2]) + bytes(9) + b"\xff" * 6,
        "SGI": b"\1\xda" + b"\xff" * 20,
        "IM": b"Image type: RGB image\r\nImage size (x*y): 99999*99999\r\n",
        "DDS": b"DDS " + b"\xff" * 124,
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
        "JPEG XL": b"\xff\x0a\xfa\x7f",
        "EXR": b"v/1\1" + bytes(60),
        "HEIC": b"\0\0\0\x18ftypheic",
        "CR3": b"\0\0\0\x18ftypcrx ",
        "RAF": b"FUJIFILMCCD-RAW 0201",
        "AVIF of boxes alone": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0\0\0\x08meta" * 5000,
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
        "JSON": b'{"a": [' * 3000,
        "NumPy": b"\x93NUMPY\1\0v\0" + b" " * 118,
        "safetensors": struct.pack("<Q", 2) + b"{}",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "UTF-16 text": "ink".encode("utf-16"),
        "nothing": b"",
        "one byte": b"\x89",
        "escapes": b"\x1b[2J\x1b]0;owned\x07",
    }
    for number, (name, data) in enumerate(contents.items()):
        yield name, f"a.{('png', 'jpg', 'webp', 'gif')[number % 4]}", data


def _polyglots() -> Iterator[File]:
    """Pictures that are something else at the same time."""
    data = whole_pictures()
    page = b"<script>alert(1)</script>"
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(page)) + page
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.class", b"x")
    yield "a GIF and an archive", "a.gif", data["gif"] + packed.getvalue()
    yield "a JPEG and a web page", "a.html", data["jpeg"][:2] + comment + data["jpeg"][2:]
    yield "a PNG and a script", "a.php", data["png"] + b"<?php system('id'); ?>"
    yield "a BMP and JavaScript", "a.js", data["bmp"] + b"*/=1;alert(1)//"
    yield "a JPEG behind a PDF", "a.jpg", b"%PDF-1.4\n" + data["jpeg"]
    yield "a TIFF that is a PNG", "a.tif", data["tiff"][:4] + data["png"]
    yield "a PNG behind a line", "a.png", b"\n" + data["png"]
    yield "a WebP and a film", "a.webp", data["webp"] + b"\0\0\0\x20ftypisom"
    yield (
        "an SVG that is a Photo CD",
        "a.svg",
        b"<svg><script>1</script><!--".ljust(2048) + b"PCD_IPI" + bytes(9999),
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int], pixels: bytes | None = None, *more: bytes, kind: int = 0, depth: int = 1
) -> bytes:
    """A PNG of a size, one bit a pixel where nothing else is said, with chunks before its pixels."""
    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    if pixels is None:
        pixels = bytes((size[0] + 7) // 8 + 1) * size[1]
    packed = zlib.compress(pixels, 1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", head), *more, _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    )


def tiff(*tags: tuple[int, int, int, int], rest: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of tags (number, type, count, value), which go before the usual ones of a 64-pixel grey one."""
    usual = {256: (4, 1, 64), 257: (4, 1, 64), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8),
             277: (3, 1, 1), 278: (4, 1, 64), 279: (4, 1, 4096)}  # fmt: skip
    said = usual | {number: (kind, count, value) for number, kind, count, value in tags}
    entries = b"".join(struct.pack("<HHII", number, *values) for number, values in sorted(said.items()))
    at = 8 + 4096
    return (
        b"II*\0" + struct.pack("<I", at) + bytes(4096) + struct.pack("<H", len(said)) + entries
        + struct.pack("<I", following) + rest
    )  # fmt: skip


def _bombs() -> Iterator[File]:
    """A few bytes that claim, or become, a lot."""
    text = zlib.compress(bytes(100_000_000), 9)
    huge = 2**31 - 1
    yield "PNG of 78 megapixels", "a.png", png((8900, 8800))
    yield "PNG of 78 megapixels with transparency", "a.png", png((8900, 8800), None, _chunk(b"tRNS", b"\0\0"))
    yield "PNG of 3600 megapixels", "a.png", png((60_000, 60_000), b"")
    yield "PNG of the largest size", "a.png", png((huge, huge), b"")
    yield "PNG of no size", "a.png", png((0, 0), b"")
    yield "PNG of one row", "a.png", png((40_000_000, 1))
    yield "PNG of sixteen rows", "a.png", png((4_000_000, 16))
    yield "PNG of sixteen columns", "a.png", png((16, 400_000))
    yield "PNG with more pixels than it says", "a.png", png((64, 64), bytes(50_000_000))
    for kind in (b"zTXt", b"iTXt"):
        plain = b"a\0\0" if kind == b"zTXt" else b"a\0\1\0\0\0"
        yield f"{kind.decode()} of 100 MB", "a.png", png((64, 64), None, _chunk(kind, plain + text))
    yield "ICC profile of 100 MB", "a.png", png((64, 64), None, _chunk(b"iCCP", b"a\0\0" + text))
    yield (
        "PNG with a text of 20 MB",
        "a.png",
        png((64, 64), None, _chunk(b"tEXt", b"a\0" + b"x" * 20_000_000)),
    )
    data = whole_pictures()
    with_head = data["jpeg"][:2]
    laughs = b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [" + b'<!ENTITY a "' + b"&b;" * 9999 + b'">]>'
    for name, part in {"EXIF": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 60_000, "XMP": laughs}.items():
        segment = b"\xff\xe1" + struct.pack(">H", 2 + len(part)) + part
        yield f"JPEG with a forged {name}", "a.jpg", with_head + segment + data["jpeg"][2:]
        yield f"JPEG with {name} 200 times", "a.jpg", with_head + segment * 200 + data["jpeg"][2:]
    profile = b"".join(
        b"\xff\xe2" + struct.pack(">H", 65_535) + b"ICC_PROFILE\0" + bytes([at, 255]) + bytes(65_519)
        for at in range(1, 256)
    )
    yield "JPEG with an ICC profile of 16 MB", "a.jpg", with_head + profile + data["jpeg"][2:]
    yield "JPEG of 65500 × 16", "a.jpg", _saved(Image.new("RGB", (65_500, 16)), "JPEG")
    yield "JPEG of 3000 passes", "a.jpg", passes(3000, (8000, 8000))
    yield "JPEG that claims 65535 × 65535", "a.jpg", _sized(data["jpeg"])
    yield (
        "GIF that claims 65535 × 65535",
        "a.gif",
        b"GIF89a" + b"\xff" * 4 + bytes(3) + b",\0\0\0\0\xff\xff\xff\xff\0\2",
    )
    yield (
        "BMP that claims 2³¹ × 2³¹",
        "a.bmp",
        data["bmp"][:18] + struct.pack("<ii", huge, huge) + data["bmp"][26:],
    )
    yield (
        "BMP of negative size",
        "a.bmp",
        data["bmp"][:18] + struct.pack("<ii", -64, -(2**31)) + data["bmp"][26:],
    )
    yield (
        "WebP that claims 16384 × 16384",
        "a.webp",
        b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + b"VP8 ",
    )
    yield "TIFF that claims 2³² × 2³²", "a.tif", tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1))
    yield "TIFF of one tile of 900 megapixels", "a.tif", tile_bomb(30_000)
    yield "TIFF with a count of 2³²", "a.tif", tiff((270, 2, 2**32 - 1, 8), (305, 5, 2**32 - 1, 8))
    yield "TIFF that follows itself", "a.tif", tiff(following=8 + 4096)
    yield "TIFF with itself in itself", "a.tif", tiff((330, 4, 1, 8 + 4096), (34665, 4, 1, 8 + 4096))
    yield (
        "TIFF with a kind of sample unheard of",
        "a.tif",
        tiff((258, 3, 1, 77), (339, 3, 1, 9), (262, 3, 1, 999)),
    )
    yield "TIFF of kinds instead of numbers", "a.tif", tiff((254, 2, 4, 0x61616161), (274, 2, 4, 0x61616161))


def _saved(picture: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def passes(count: int, size: tuple[int, int]) -> bytes:
    """A progressive JPEG whose last pass stands in it `count` times."""
    data = _saved(Image.new("L", size), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + data[-2:]


def _sized(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + b"\xff" * 4 + jpeg[at + 4 :]


def tile_bomb(side: int) -> bytes:
    """A TIFF of 64 × 64 pixels in one tile of `side` × `side`, all zero."""
    packed, more = zlib.compressobj(1), []
    for _ in range(side):
        more.append(packed.compress(bytes(side)))
    data = b"".join((*more, packed.flush()))
    start = 8 + 4096 + 2 + 12 * 13 + 4
    tile = ((259, 3, 1, 8), (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, start), (325, 4, 1, len(data)))
    return tiff(*tile, rest=data)


def _many() -> Iterator[File]:
    """More parts than anybody makes."""
    frame = b"!\xf9\4\0\0\0\0\0,\0\0\0\0\x40\0\x40\0\0\2\2\x4c\1\0"
    yield (
        "GIF of 100 000 frames",
        "a.gif",
        b"GIF89a\x40\0\x40\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 100_000 + b";",
    )
    row = zlib.compress(bytes(64 * 9))
    control = struct.pack(">IIIIHHBB", 64, 64, 0, 0, 1, 1, 0, 0)
    more = b"".join(
        _chunk(b"fcTL", struct.pack(">I", 2 * at + 1) + control)
        + _chunk(b"fdAT", struct.pack(">I", 2 * at + 2) + row)
        for at in range(20_000)
    )
    first = (_chunk(b"acTL", struct.pack(">II", 20_001, 0)), _chunk(b"fcTL", struct.pack(">I", 0) + control))
    still = png((64, 64), None, *first)
    yield "PNG of 20 000 frames", "a.png", still[:-12] + more + still[-12:]
    one = _saved(Image.new("RGB", (64, 64)), "WEBP", lossless=True)[12:]
    part = b"ANMF" + struct.pack("<I", 16 + len(one)) + bytes(6) + b"\x3f\0\0" * 2 + bytes(4) + one
    body = b"WEBPVP8X\x0a\0\0\0\2\0\0\0" + b"\x3f\0\0" * 2 + b"ANIM\6\0\0\0" + bytes(6) + part * 20_000
    yield "WebP of 20 000 frames", "a.webp", b"RIFF" + struct.pack("<I", len(body)) + body
    page = tiff()
    ahead = len(page)
    entries = page[8 + 4096 : -4]
    pages = b"".join(entries + struct.pack("<I", ahead + (len(entries) + 4) * at) for at in range(1, 20_001))
    yield "TIFF of 20 000 pages", "a.tif", page[:-4] + struct.pack("<I", ahead) + pages
    yield "PNG of 100 000 chunks", "a.png", png((64, 64), None, _chunk(b"tEXt", b"a\0b") * 100_000)
    yield "PNG of empty parts", "a.png", png((64, 64), None, *[_chunk(b"IDAT", b"")] * 20_000)
    jpeg = whole_pictures()["jpeg"]
    yield "JPEG of 100 000 segments", "a.jpg", jpeg[:2] + b"\xff\xfe\0\3x" * 100_000 + jpeg[2:]
    yield "JPEG of 100 000 fill bytes", "a.jpg", jpeg[:2] + b"\xff" * 100_000 + jpeg[2:]
    yield (
        "AVIF of twenty frames",
        "a.avif",
        _saved(
            Image.new("RGB", (64, 64)), "AVIF", save_all=True, append_images=[Image.new("RGB", (64, 64))] * 19
        ),
    )


def _modes() -> Iterator[File]:
    """Pictures as few programs write them."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 4), np.uint8)
    picture = Image.fromarray(noise)
    for mode in ("1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "LAB"):
        kind = "PNG" if mode in ("LA", "RGBA", "P") else "TIFF"
        made = Image.new("LAB", (64, 48)) if mode == "LAB" else picture.convert("RGB").convert(mode)
        if mode != "PA":
            yield f"{kind} of mode {mode}", f"a.{kind.lower()}", _saved(made, kind)
    yield "CMYK JPEG", "a.jpg", _saved(picture.convert("CMYK"), "JPEG")
    deep = np.random.default_rng(2).integers(0, 65_535, (48, 64), np.uint16)
    yield "16-bit PNG", "a.png", _saved(Image.fromarray(deep), "PNG")
    yield "16-bit colour PNG", "a.png", png((64, 64), bytes((64 * 6 + 1) * 64), kind=2, depth=16)
    yield "32-bit TIFF", "a.tif", _saved(Image.fromarray(deep.astype(np.int32) - 40_000), "TIFF")
    for name, number in (("NaN", np.nan), ("infinity", np.inf), ("nothing but -1e38", -1e38)):
        yield (
            f"float TIFF of {name}",
            "a.tif",
            _saved(Image.fromarray(np.full((48, 64), number, np.float32)), "TIFF"),
        )
    yield "PNG without its palette", "a.png", png((64, 64), bytes(65 * 64), kind=3, depth=8)
    yield (
        "PNG beyond its palette",
        "a.png",
        png((64, 64), b"\0\xff" * 33 * 64, _chunk(b"PLTE", b"abc"), kind=3, depth=8),
    )
    palette, clear = _chunk(b"PLTE", b"abc"), _chunk(b"tRNS", bytes(999))
    yield "PNG of much transparency", "a.png", png((64, 64), bytes(65 * 64), palette, clear, kind=3, depth=8)
    yield "PNG of gamma 0", "a.png", png((64, 64), None, _chunk(b"gAMA", bytes(4)))
    yield "PNG of an unknown colour kind", "a.png", png((64, 64), kind=5)


def _notes() -> Iterator[File]:
    """Notes in a picture's head that make no sense."""
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8))
    for value in (0, 99, 65_535):
        exif = Image.Exif()
        exif[0x0112] = value
        yield f"EXIF orientation {value}", "a.jpg", _saved(picture, "JPEG", exif=exif)
    for kind, said in ((2, "six\0"), (5, (6, 0)), (4, (6, 6, 6))):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.tagtype[0x0112] = kind
        tags[0x0112] = said
        yield f"TIFF orientation {said!r}", "a.tif", _saved(picture, "TIFF", tiffinfo=tags)
    for name, profile in {"of zeros": bytes(200), "of one byte": b"x", "of ones": b"\xff" * 9999}.items():
        yield f"an ICC profile {name}", "a.png", _saved(picture, "PNG", icc_profile=profile)
    xmp = b'<x:xmpmeta tiff:Orientation="9">' + b"<a>" * 50_000
    yield (
        "XMP orientation 9",
        "a.png",
        png((64, 64), None, _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)),
    )


def _named(name: str | bytes) -> Callable[[Path, bytes], None]:
    """A good picture under a name."""

    def lay(own: Path, good: bytes) -> None:
        with open(os.path.join(os.fsencode(own), os.fsencode(name)), "wb") as file:
            file.write(good + b"\0")

    return lay


def _linked(name: str, to: str) -> Callable[[Path, bytes], None]:
    return lambda own, good: (own / name).symlink_to(to)


def _written(name: str, content: str | bytes) -> Callable[[Path, bytes], None]:
    """A file beside the pictures."""
    data = content.encode() if isinstance(content, str) else content

    def lay(own: Path, good: bytes) -> None:
        (own / name).write_bytes(data)

    return lay


def _labels(values: dict[str, object]) -> Callable[[Path, bytes], None]:
    """What the job says that it wrote last."""
    return _written(".metadata.labels.json", json.dumps(values))


def _pipe(name: str) -> Callable[[Path, bytes], None]:
    return lambda own, good: os.mkfifo(own / name)


def _earlier(own: Path, good: bytes) -> None:
    (own / "metadata.csv").write_text("file_name,text\ngood.png,a boat\n")
    (own / ".history" / "metadata-20200101-000000.csv").mkdir(parents=True)


def _socket(own: Path, good: bytes) -> None:
    here = os.getcwd()
    os.chdir(own)  # a socket's path is a hundred signs at most
    socket.socket(socket.AF_UNIX).bind("a.png")
    os.chdir(here)


def _sparse(own: Path, good: bytes) -> None:
    (own / "a.png").write_bytes(good)
    os.truncate(own / "a.png", 1 << 40)


def _four_large(own: Path, good: bytes) -> None:
    """Together they take four times the memory of one."""
    data = png((8900, 8800), bytes(4 * 8900 + 1) * 8800, kind=6, depth=8)
    for number in range(4):
        (own / f"{number}.png").write_bytes(data + bytes([number]))


def _deep(own: Path, good: bytes) -> None:
    below = own.joinpath(*["d"] * 100)
    below.mkdir(parents=True)
    (below / "a.png").write_bytes(good)


def _bad_folder(own: Path, good: bytes) -> None:
    below = os.path.join(os.fsencode(own), b"\xff\xfe")
    os.mkdir(below)
    with open(os.path.join(below, b"a.png"), "wb") as file:
        file.write(good)


HEAD = "file_name,text\n"
LAID: dict[str, Callable[[Path, bytes], None]] = {
    "a name that is no UTF-8": _named(b"\xff\xfe caf\xe9.png"),
    "a folder whose name is no UTF-8": _bad_folder,
    "training with a name that is no UTF-8": _named(b"\xe9.png"),
    "a name of 255 bytes": _named("x" * 251 + ".png"),
    "a name of two lines": _named("a\nstudio: done.png"),
    "a name that clears the screen": _named("\x1b[2J\x1b]0;owned\x07.png"),
    "a name with nothing but an ending": _named(".svgz"),
    "a name of blanks": _named("  .png"),
    "a name that is a template": _named("{a:>99999999}{0}%s%n.png"),
    "a name that is a formula": _named("=cmd|'calc'!A0.png"),
    "a name that is an option": _named("--home=x.png"),
    "a name that turns around": _named("\u202egnp.exe"),
    "a name with a colon": _named("http:a.png"),
    "a name with backslashes": _named("..\\..\\a.png"),
    "a pipe": _pipe("a.png"),
    "training with a pipe": _pipe("a.png"),
    "a socket": _socket,
    "a folder named png": lambda own, good: (own / "a.png").mkdir(),
    "a link to nothing": _linked("a.png", "gone.png"),
    "a link to itself": _linked("a.png", "a.png"),
    "a link to the folder above": _linked("up", ".."),
    "a link to endless zeros": _linked("a.png", "/dev/zero"),
    "a link to the canary": _linked("a.png", "../../outside/canary.txt"),
    "a file of a terabyte": _sparse,
    "training with four of 78 megapixels": _four_large,
    "a hundred folders deep": _deep,
    "a table that is a folder": lambda own, good: (own / "metadata.csv").mkdir(),
    "a table that is a pipe": _pipe("metadata.csv"),
    "training with a table that is a pipe": _pipe("metadata.csv"),
    "a table of zeros": _written("metadata.csv", bytes(100_000)),
    "a table of half a row": _written("metadata.csv", 'file_name,text\ngood.png,"a boat'),
    "training with a table that leads outside": _written(
        "metadata.csv", f"{HEAD}../../outside/canary.txt,a\n"
    ),
    "training with a table of 200 000 rows": _written("metadata.csv", HEAD + "gone.png,a\n" * 200_000),
    "a caption of 3 MB": _written("good.txt", "boat " * 600_000),
    "training with a caption of 3 MB": _written("good.txt", "boat " * 600_000),
    "a caption of bytes": _written("good.txt", bytes(range(256)) * 9),
    "a caption with escapes": _written("good.txt", "\x1b[2J\x1b]0;owned\x07 a boat"),
    "a caption that is a pipe": _pipe("good.txt"),
    "a caption that is a template": _written("good.txt", "{a:>99999999} {} {0}"),
    "labels that are deep": _written(".metadata.labels.json", "[" * 200_000),
    "labels that are a list": _written(".metadata.labels.json", "[1]"),
    "labels of the wrong kinds": _labels(
        {"trigger": 1, "captions": {"good.png": []}, "tags": {"good.png": [[1, 2, "x"]]}}
    ),
    "labels of no numbers": _labels(
        {"trigger": "a", "captions": {}, "tags": {"good.png": [["a", "b", 1e308 * 10]]}}
    ),
    "an earlier table that is a folder": _earlier,
}
