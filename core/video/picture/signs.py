"""Which font draws a sign: the one that was asked for, else another of the studio's, else this machine's.

What several characters make up - a flag, a family, a skin's tone, a key - is one sign. It is drawn as one
where the emoji font has it, else as the first sign in it; none comes apart into what it is made of. Works on
plain text; knows nothing about lines, sizes or colours. assets/build/fonts.py made the fonts and emoji.txt.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

from core.project import ROOT
from core.texts.letters import WIDE

FONTS = ROOT / "assets" / "fonts"
NAMES = ("sans", "serif", "hand")
EMOJI = "emoji.woff2"
TOGETHER = 0xF0000  # the emoji font's code for what line 0 of emoji.txt lists
LOOKED_AT = 37  # pixels at which a font is asked; what holds pictures of some sizes has none of it

_FLAG, _TONES, _TAGS = "\U0001f1e6-\U0001f1ff", "\U0001f3fb-\U0001f3ff", "\U000e0020-\U000e007f"
_PICTURES = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_PICTURE = f"[{_PICTURES}][\ufe0e\ufe0f]?[{_TONES}]?\ufe0f?[{_TAGS}]*"
_SIGN = re.compile(rf"[{_FLAG}]{{2}}|[0-9#*]\ufe0f?\u20e3|{_PICTURE}(?:\u200d{_PICTURE})*|.", re.DOTALL)
_AS_PICTURE = re.compile(f"[\ufe0f{_TONES}]")
_UNSEEN = ("Mn", "Me", "Cf", "Sk", "Zs", "Cc")  # marks on other signs, joiners, spaces


def signs(text: str) -> list[str]:
    """A text's signs: characters, and those together that are drawn as one."""
    return _SIGN.findall(text)


@functools.lru_cache(maxsize=4096)
def runs(text: str, font: str) -> tuple[tuple[str, str], ...]:
    """A text cut where the face changes: what is drawn, and in which; signs that none has are left out."""
    known: list[tuple[str, str]] = []
    for sign in signs(text):
        mark = unicodedata.category(sign[0]) in _UNSEEN and not sign.isspace() and len(sign) == 1
        if mark and not _AS_PICTURE.match(sign):  # it stands on the sign before it, or nowhere
            face = known[-1][1] if known else own_face(font, sign)
            known += [(sign, face)] if _has(face, sign) else []
        elif found := _drawn(sign, font):
            known += found
    groups = itertools.groupby(known, key=lambda pair: pair[1])
    return tuple(("".join(sign for sign, _ in pairs), face) for face, pairs in groups)


def faces(text: str, font: str) -> frozenset[str]:
    """The faces that a text's line needs room for: the font's own, and those that draw its signs."""
    return frozenset({own_face(font, ""), *(face for _, face in runs(text, font))})


def borrowed(text: str, font: str) -> list[str]:
    """The faces of a text's signs that the font doesn't have itself, by name."""
    return sorted(faces(text, font) - {own_face(font, one) for one in ("", "中")})


def missing(text: str, font: str) -> str:
    """The signs of a text that no font here can draw, each once."""
    found = (one for one in signs(text) if unicodedata.category(one[0]) not in _UNSEEN)
    return "".join(dict.fromkeys(one for one in found if not _drawn(one, font)))


def own_face(font: str, sign: str) -> str:
    """The file of the font (sans, serif, hand) for a sign: Chinese has a companion of its own."""
    if not is_wide(sign):
        return f"{font}.ttf"
    return f"{'serif' if font == 'serif' else 'sans'}-zh.woff2"


def is_wide(sign: str) -> bool:
    """Whether a character is Chinese, or punctuation among it."""
    return bool(WIDE.match(sign)) or "\u3000" <= sign <= "\u303f" or "\uff00" <= sign <= "\uffef"


@functools.lru_cache(maxsize=64)
def load_face(face: str, size: float) -> ImageFont.FreeTypeFont:
    """A font file at a size in pixels: a name under assets/fonts, or the whole path of a machine's own.

    Raises OSError where it can't be read.
    """
    return ImageFont.truetype(FONTS / face, size)


@functools.lru_cache(maxsize=4096)
def _drawn(sign: str, font: str) -> list[tuple[str, str]]:
    """What is drawn for a sign, and in which face; empty where none has it."""
    if sign.isspace():
        return [(sign, own_face(font, sign))]
    if re.fullmatch(f"[{_FLAG}]+", sign) and sign not in _together():
        letters = "".join(chr(ord(one) - 0x1F1E6 + ord("A")) for one in sign)  # of a land that none knows
        return [(letters, own_face(font, letters))]
    for text in _forms(sign):
        if text in _together():
            return [(_together()[text], EMOJI)]
        if len(text) == 1 and (face := _face(text, font, bool(_AS_PICTURE.search(sign)))):
            return [(text, face)]
    return []


def _forms(sign: str) -> Iterator[str]:
    """A sign without what changes nothing here, then as less and less of it."""
    plain = re.sub("[\ufe0e\ufe0f]", "", sign)
    toneless = re.sub(f"(?<=.)[{_TONES}]", "", plain)
    yield toneless
    parts = toneless.split("\u200d")
    yield "\u200d".join(part for part in parts if part not in "♀♂")
    yield parts[0]
    yield toneless[:1]


def _face(sign: str, font: str, as_picture: bool) -> str | None:
    """The face that draws a character; as a picture where it shall be one."""
    own = own_face(font, sign)
    ours = [own, *(own_face(name, sign) for name in NAMES)]
    ours += [own_face(name, other) for other in ("", "中") for name in NAMES]
    first = [EMOJI, *ours] if as_picture else [*ours, EMOJI]
    return next((face for face in dict.fromkeys(first) if _has(face, sign)), None) or _system_face(sign)


@functools.lru_cache(maxsize=4096)
def _has(face: str, sign: str) -> bool:
    """Whether a face can draw a character: its picture differs from that of a code that no font holds."""
    drawn = load_face(face, LOOKED_AT)
    return bytes(drawn.getmask(sign)) != bytes(drawn.getmask("\U0010fffe"))


@functools.lru_cache(maxsize=1024)
def _system_face(sign: str) -> str | None:
    """A font of this machine that has a character, a bold one before others; None where there is none."""
    for face in system_faces():
        try:
            if _has(face, sign) and load_face(face, LOOKED_AT).getmask(sign).getbbox() is not None:
                return face
        except OSError:  # damaged, or of pictures alone
            continue
    return None


@functools.lru_cache(maxsize=1)
def system_faces() -> tuple[str, ...]:
    """The font files of this machine, as its system lists them, bold and upright ones first."""
    import find_system_fonts_filename as system

    try:
        found = [Path(name) for name in system.get_system_fonts_filename()]
    except (system.FindSystemFontsFilenameException, OSError):
        return ()

    def rank(path: Path) -> tuple[bool, bool, str]:
        name = path.name.lower()
        return bool(re.search("italic|oblique|condensed", name)), "bold" not in name, str(path)

    return tuple(map(str, sorted((one for one in found if "lastresort" not in one.name.lower()), key=rank)))


@functools.lru_cache(maxsize=1)
def _together() -> dict[str, str]:
    """What several characters make up, and the emoji font's own character for it."""
    lines = (FONTS / "emoji.txt").read_text("utf-8").splitlines()
    return {text: chr(TOGETHER + number) for number, line in enumerate(lines) for text in line.split()}
