"""Text, tables and JSON as other programs write them: encodings, separators and small faults are found out.

Works on bytes and strings alone; knows nothing about what they are for. chardet tells an encoding older than
UTF-8, by models of many languages' letters: of Chinese strings of 6 to 10 characters it told 98 of 100 where
charset-normalizer told 40.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.messages import Mistake

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    ("\ufeff".encode("gb18030"), "gb18030"),
)
CHINESE = "gb18030"  # it holds GBK
ODDS = {CHINESE: 2.0, "cp1252": 1.5}  # for whom the studio is; they tell short texts, and cost others little
SCRIPTS = ("cp1251", "koi8-r", "cp866", "cp1253", "cp1255", "cp1256", "cp874")  # without a letter of ASCII
LEGACY = (CHINESE, "big5hkscs", "cp932", "euc-jp", "cp949", "cp1252", "cp1250", "cp1254", *SCRIPTS)
SURE = 0.4  # the confidence below which all of chardet's errors lay
TELLING = 30_000  # bytes or letters beyond ASCII, with the lines they stand in, that a file is told by
VOICES = 200  # lines
THREE_BYTES = 0xE0  # opens a character of as many in UTF-8; one of two is often found by chance
LINE = 400  # characters, within which a text has a space or ends a line
MISREAD = {CHINESE: 0.5, "cp932": 0.35, "sloppy-windows-1252": 0.3, "sloppy-windows-1251": 0.3}
"""How many characters of a misread text make one, less some that are lost."""
LEAST_MISREAD = 32  # of 60,000 strings in twenty languages none is misread, alone or several together
TRACE = re.compile(
    "|".join(
        f"[{bytes(range(0xC2, 0xF5)).decode(one)}][{bytes(range(0x80, 0xC0)).decode(one, 'ignore')}]"
        for one in ("latin-1", "cp1252", "cp1251")
    )
)
"""What begins a character of UTF-8, misread, before what goes on with one: ftfy is too slow to be asked."""
csv.field_size_limit(2**31 - 1)  # a book may stand in one cell; how much is read at all, core.files says
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
MOST_CONTROLS = 0.05  # of a text's characters
BROKEN = re.compile(r"[\x00\ud800-\udfff\ufffd]")
SHOWN = 5
MOST_VALUES = 300_000  # of a JSON text


@dataclass(frozen=True)
class Decoded:
    """A text, and what had to be done to read it.

    `unsure`: the encoding where it was told from too little, else "". Numbers of lines: `broken`, where
    characters were dropped; `mended`, where UTF-8 had been read as something else and saved so.
    """

    text: str
    unsure: str = ""
    broken: tuple[int, ...] = ()
    mended: tuple[int, ...] = ()

    def problems(self, name: str) -> tuple[Mistake, ...]:
        """The same in sentences about the file `name`."""
        found = []
        if self.unsure:
            found.append(
                Mistake(
                    "{name} is not UTF-8 and too short to be sure of: it was read as {encoding}; save it as "
                    "UTF-8 if it looks wrong.",
                    name=name,
                    encoding=self.unsure,
                )
            )
        if self.broken:
            found.append(
                Mistake(
                    "{name} is damaged: broken characters were left out, in line {lines}.",
                    name=name,
                    lines=some(self.broken),
                )
            )
        if self.mended:
            found.append(
                Mistake(
                    "{name} held UTF-8 that some program had read as something else; mended in line {lines}.",
                    name=name,
                    lines=some(self.mended),
                )
            )
        return tuple(found)


def decoded(raw: bytes, name: str, like: str = "") -> Decoded:
    """The text of `raw` without its byte order mark, lines ended by a line feed; `like`: see `encoding_of`.

    Raises Mistake about the file `name` where it is no text, or one that can't be put right.
    """
    encoding, sure = encoding_of(raw, like)
    text = raw.decode(encoding, errors="replace") if encoding else ""
    if raw and (not encoding or len(CONTROLS.findall(text)) > MOST_CONTROLS * len(text)):
        raise Mistake("{name} is not text, whatever its ending says; save it as plain text.", name=name)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    right, mended, left = _mended(text)
    broken = _lines(right, BROKEN) if BROKEN.search(right) else ()
    right = whole(right)
    if garbled := misread(right) or misread(left, least=1):
        raise Mistake(
            "{name} is garbled: some program read its UTF-8 as {encoding} and saved that; take it anew from "
            "its source.",
            name=name,
            encoding=garbled,
        )
    return Decoded(right, "" if sure else encoding, broken, mended)


def as_read(text: str, name: str) -> str:
    """A text as it will be read from the file `name` that it is written into.

    Raises Mistake where it would be refused then: what the studio writes it can read.
    """
    return decoded(text.encode("utf-8"), name).text


def whole(text: str) -> str:
    """A text without what is no character: halves of one (lone surrogates, as of a cut emoji), which neither
    UTF-8 nor a tokenizer takes, NUL, and the sign that stands for a lost one.
    """
    return BROKEN.sub("", text)


def encoding_of(raw: bytes, like: str = "") -> tuple[str, bool]:
    """(the encoding of `raw`, whether that is sure); "" where it is no text.

    A byte order mark decides. UTF-8 may have broken characters, where more are whole. like: the encoding of
    files from the same hand, for one too short to tell.
    """
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return encoding, True
    lines = [line for line in raw.splitlines() if not line.isascii()]
    mostly_utf8 = bool(_mostly_utf8(b"\n".join(lines)[:TELLING]))
    if b"\0" in raw and not mostly_utf8 and (wide := _unmarked_utf16(raw)):
        return wide, True
    if like and _fits(raw, like) and not (_fits(raw, "utf-8") and max(raw, default=0) >= THREE_BYTES):
        return like, True
    if mostly_utf8 or _fits(raw, "utf-8"):
        return "utf-8", True
    return _legacy(lines)


def shared(raws: Iterable[bytes]) -> tuple[str, bool]:
    """(the encoding that most files from one hand are in, whether that is sure); "" where it is UTF-8."""
    encoding, sure = encoding_of(b"\n".join(raws))
    return ("", True) if encoding.startswith("utf") else (encoding, sure)


def _fits(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(raw: bytes, odds: int = 1) -> int:
    """How many characters beyond ASCII are whole in UTF-8; 0 where no more than `odds` times the broken.

    Of 19,000 strings in other encodings, up to 200 letters long, 49 pass.
    """
    text = raw.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    good = _beyond_ascii(text) - broken
    return good if good > odds * broken else 0


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", errors="ignore"))


def _unmarked_utf16(raw: bytes) -> str:
    """UTF-16 in the order in which spaces and line ends are found; "" where few are, as in other files."""
    ends = {"utf-16-le": rb"[\n\r ]\0", "utf-16-be": rb"\0[\n\r ]"}
    found = {order: len(re.findall(sign, raw)) for order, sign in ends.items()}
    best = max(found, key=lambda order: found[order])
    text = raw.decode(best, errors="replace")
    faults = BROKEN.search(text) or CONTROLS.search(text)
    return best if found[best] * LINE >= len(text) and not faults else ""


def _legacy(lines: Sequence[bytes]) -> tuple[str, bool]:
    """An encoding older than UTF-8, by lines that aren't plain ASCII.

    They are asked all together; where that tells too little, as where a broken letter rules the true one out,
    each has a voice.
    """
    best, confidence = _likeliest(b"\n".join(lines)[:TELLING])
    if confidence < SURE and len(lines) > 1:
        voices: dict[str, float] = {}
        for encoding, weight in map(_likeliest, lines[:VOICES]):
            voices[encoding] = voices.get(encoding, 0) + weight
        best = max(voices, key=lambda one: voices[one])
    return best, confidence >= SURE


def _likeliest(raw: bytes) -> tuple[str, float]:
    """(encoding, confidence) by chardet; "" for what is no text.

    Bytes above 127 that stand alone are letters of Latin words, or halves of characters.
    """
    import chardet

    runs = re.findall(rb"[\x80-\xff]+", raw)
    alone = sum(map(len, runs)) < 1.5 * len(runs)
    found = chardet.detect_all(
        raw,
        include_encodings=LEGACY,
        exclude_encodings=SCRIPTS if alone else None,
        ignore_threshold=True,
        compat_names=False,
    )
    confidence = {one["encoding"] or "": one["confidence"] for one in found}
    best = max(confidence, key=lambda one: confidence[one] * ODDS.get(one, 1))
    return best, confidence[best]


def mended(text: str) -> str:
    """A text with such as `Itâ€™s` put right, line by line, where that can be."""
    return _mended(text)[0]


def _mended(text: str) -> tuple[str, tuple[int, ...], str]:
    """(the text with such as `Itâ€™s` put right where that can be, in which lines, those that stayed bad)."""
    if not TRACE.search(text):
        return text, (), ""
    import ftfy
    from ftfy.badness import is_bad

    lines = text.split("\n")
    changed, left = [], []
    for at, line in enumerate(lines):
        if TRACE.search(line) and is_bad(line):
            lines[at] = ftfy.fix_encoding(line)
            if lines[at] != line:
                changed.append(at + 1)
            if is_bad(lines[at]):
                left.append(lines[at])
    return "\n".join(lines), tuple(changed), "\n".join(left)


def misread(text: str, least: int = LEAST_MISREAD) -> str:
    """The encoding as which UTF-8 was read to make this text; "" where it is none such.

    Written back in that encoding, most of it is UTF-8, at least so many characters, as hardly anything else
    is by chance.
    """
    import ftfy.bad_codecs  # noqa: F401  # Windows' encodings with their gaps filled, as programs read them

    part = "\n".join(line for line in text.split("\n") if not line.isascii())[:TELLING]
    for encoding, share in MISREAD.items() if part else ():
        good = _mostly_utf8(part.encode(encoding, errors="ignore"), odds=4)
        if good >= max(least, share * _beyond_ascii(part)):
            return encoding.removeprefix("sloppy-")
    return ""


def _lines(text: str, sign: re.Pattern[str]) -> tuple[int, ...]:
    """Numbers of the lines in which `sign` stands."""
    return tuple(number for number, line in enumerate(text.split("\n"), 1) if sign.search(line))


def some(numbers: Sequence[int]) -> str:
    """The first few numbers, and how many more: "3, 8, 9 (+4)"."""
    shown = ", ".join(map(str, numbers[:SHOWN]))
    return f"{shown} (+{len(numbers) - SHOWN})" if len(numbers) > SHOWN else shown


class Table(NamedTuple):
    """Rows of cells, their separator, and the lines in which a quotation mark isn't closed."""

    rows: list[list[str]]
    separator: str
    unclosed: tuple[int, ...]

    def problems(self, name: str) -> tuple[Mistake, ...]:
        """What is wrong with the table, in sentences about the file `name`."""
        if not self.unclosed:
            return ()
        return (
            Mistake(
                "A quotation mark in {name} isn't closed, in line {lines}; its text was read to the end of "
                "the line.",
                name=name,
                lines=some(self.unclosed),
            ),
        )


def table(text: str) -> Table:
    """A CSV text: comma, semicolon or tab, whichever its first line has most of.

    Blank lines and Excel's `sep=;` line are passed over. A row that a quotation mark carries over lines, but
    that isn't whole where it ends, is read again as one line, and the rows that it swallowed are rows. Raises
    csv.Error.
    """
    numbered = [(number, f"{line}\n") for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if numbered and re.fullmatch(r"sep=.\n", numbered[0][1]):
        numbered = numbered[1:]
    lines = [line for _, line in numbered]
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows: list[list[str]] = []
    unclosed: list[int] = []
    at = 0
    while at < len(lines):
        rest = (lines[number] for number in range(at, len(lines)))
        reader = csv.reader(rest, delimiter=separator, skipinitialspace=True, strict=True)
        begun = at
        try:
            for row in reader:
                rows.append(row)
                begun = at + reader.line_num
            break
        except csv.Error:
            line = lines[begun]
            rows += csv.reader([line.rstrip("\n")], delimiter=separator, skipinitialspace=True)
            if line.count('"') % 2:
                unclosed.append(numbered[begun][0])
            at = begun + 1
    return Table(rows, separator, tuple(unclosed))


def json_values(text: str) -> list[tuple[int, Any]]:
    """(line, value) of each JSON value: one a line, over several lines, or the items of a single array.

    Commas after a last item, commas between values and bare line ends in strings are passed over. Raises
    json.JSONDecodeError where the first fault is.
    """
    try:
        return _values(text)
    except json.JSONDecodeError:
        softened = _TOO_MANY_COMMAS.sub(lambda match: match[1] or " ", text)
        try:
            return _values(softened)
        except json.JSONDecodeError as remaining:
            fault = remaining
        try:
            return _values(softened, strict=False)
        except json.JSONDecodeError:
            raise fault from None


# A string that isn't closed goes to the text's end: looked for from each of its quotes, it took a minute.
_TOO_MANY_COMMAS = re.compile(r'("(?:[^"\\]|\\.)*(?:"|\\?\Z))|,(?=\s*[\]}])', re.DOTALL)
_GAP = re.compile(r"[\s,]*")


def _values(text: str, strict: bool = True) -> list[tuple[int, Any]]:
    decoder = json.JSONDecoder(strict=strict)
    found: list[tuple[int, Any]] = []
    line, counted, at = 1, 0, 0
    while (at := _GAP.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise json.JSONDecodeError("nested too deeply", text, at) from None
        except ValueError:
            raise json.JSONDecodeError("a number too long", text, at) from None
        found.append((line, value))
        if len(found) > MOST_VALUES:
            raise json.JSONDecodeError("more values than anything has use for", text, at)
    if len(found) == 1 and isinstance(found[0][1], list):
        return [(line, value) for value in found[0][1]]
    return found
