"""Generated hostile input: files of every kind with bytes flipped, cut, doubled, moved, set to extremes."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hostile.case import Case

EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\1\0\0\0")
CONFIG = b"""kind: image
train_data_dir: .
lora_rank: 8
learning_rate: 2e-4
target_modules: [to_q, to_k]
sample_prompts:
- a boat
- in ink: a cat
"""
WORDS = "The river wakes before the town. A boat waits under the old bridge, and nobody is in a hurry."
LINES = [f"{WORDS} It is day {number} of the rain." for number in range(12)]


def cases(folder: Path, seed: int, count: int) -> Iterator[Case]:
    """`count` damaged files, of each of `samples` in turn."""
    whole = samples()
    for number in range(count):
        name = sorted(whole)[number % len(whole)]
        data, argv = whole[name]
        own = folder / f"{seed}-{number}"
        own.mkdir()
        (own / name).write_bytes(mutated(data, random.Random(f"{seed} {number}")))
        yield Case(f"{number}: {name}", tuple(part.format(own=own, file=own / name) for part in argv))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes after one to four blows."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice((_flipped, _cut, _doubled, _moved, _without, _extreme, _inserted))(data, chance)
    return data


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    return start, min(len(data), start + chance.choice((1, 4, 32, len(data) // 4 + 1)))


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 16)) if data else 0):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _doubled(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 1, 50)) + data[end:]


def _moved(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    rest, to = data[:start] + data[end:], chance.randint(0, len(data) - (end - start))
    return rest[:to] + data[start:end] + rest[to:]


def _without(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def _extreme(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + chance.choice(EXTREMES) + data[start + 4 :]


def _inserted(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + chance.randbytes(chance.choice((1, 8, 300))) + data[start:]


def samples() -> dict[str, tuple[bytes, tuple[str, ...]]]:
    """A whole file of each kind by its name, and the command that reads it: `{own}` is its folder."""
    label, texts, train = (
        ("label", "{own}"),
        ("texts", "{file}"),
        ("train", "--preflight", "--config", "{file}"),
    )
    lora = Path(__file__).resolve().parents[2] / "assets" / "loras" / "ink-wash.safetensors"
    found: dict[str, tuple[bytes, tuple[str, ...]]] = {
        f"picture.{kind}": (data, label) for kind, data in pictures().items()
    }
    found |= {f"texts.{kind}": (data, texts) for kind, data in written().items()}
    found["config.yaml"] = (CONFIG, train)
    found["lora.safetensors"] = (
        lora.read_bytes(),
        ("export", "{file}", "--output", "{own}/made.safetensors"),
    )
    return found


def pictures() -> dict[str, bytes]:
    """A picture in each format that the studio reads, with what usually stands in its head."""
    import numpy as np
    from PIL import Image, ImageCms, TiffImagePlugin

    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    picture = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a boat"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    notes = {"exif": exif, "icc_profile": profile}
    ways: dict[str, dict[str, Any]] = {
        "png": notes, "jpeg": notes, "webp": notes, "avif": notes, "gif": {}, "bmp": {},
        "tiff": {"compression": "tiff_lzw", "tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()},
    }  # fmt: skip
    made = {}
    for kind, how in ways.items():
        data = io.BytesIO()
        picture.save(data, kind, **how)
        made[kind] = data.getvalue()
    return made


def written() -> dict[str, bytes]:
    """Texts in each kind of file that the studio reads."""
    import json

    import docx
    import openpyxl

    stamp = "00:00:{:02},000 --> 00:00:{:02},900"
    plain = {
        "txt": "\n\n".join(LINES),
        "md": "\n\n".join(f"# Day {number}\n\n{line}" for number, line in enumerate(LINES)),
        "csv": "topic,text\n" + "\n".join(f'day {number},"{line}"' for number, line in enumerate(LINES)),
        "jsonl": "\n".join(json.dumps({"instruction": "day", "output": line}) for line in LINES),
        "json": json.dumps([{"topic": "rain", "text": line} for line in LINES]),
        "srt": "\n\n".join(f"{n}\n{stamp.format(n, n)}\n{line}" for n, line in enumerate(LINES, 1)),
        "ass": "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
        + "\n".join(f"Dialogue: 0,0:00:{n:02}.00,0:00:{n:02}.90,,{line}" for n, line in enumerate(LINES)),
        "lrc": "\n".join(f"[00:{n:02}.00]{line}" for n, line in enumerate(LINES)),
    }  # fmt: skip
    plain["vtt"] = f"WEBVTT\n\n{plain['srt'].replace(',', '.')}"
    made = {kind: text.encode() for kind, text in plain.items()}
    document, sheet = docx.Document(), openpyxl.Workbook()
    assert sheet.active is not None
    for line in LINES:
        document.add_paragraph(line)
        sheet.active.append(["day", line])
    for kind, one in (("docx", document), ("xlsx", sheet)):
        data = io.BytesIO()
        one.save(data)
        made[kind] = stored(data.getvalue())
    return made


def stored(data: bytes) -> bytes:
    """A zip archive without compression, so that a blow strikes what is in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for item in source.namelist():
            target.writestr(item, source.read(item))
    return out.getvalue()
