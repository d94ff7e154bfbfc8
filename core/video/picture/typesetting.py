"""Lines of text for a film: how wide words are, where a line is broken.

No letter is smaller than `least_size`. A word too wide for its line is drawn a little smaller so as to stay
whole, else broken (`parts`); what then still has no room is left out, and whoever asked is told. Works on
words as plain text; which font draws a sign stands in core.video.picture.signs. Knows nothing about films,
times or colours.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from core.video.picture.signs import faces, is_wide, load_face, runs, signs

LEAST = 32 / 1080  # the smallest letters, of the film's shorter side: a sixtieth of the height of 9:16
LEAST_PX = 8  # and in tiny films; below that no letter can be told from another
SHRINK = 0.75  # how much smaller words are drawn before any is broken
STEP = 0.94  # from one size tried to the next
LEADING = 1.08  # from line to line, of ascent and descent
BREAK, HYPHEN = "\u200b", "\u00ad"  # end a part of a word; the second is a hyphen at a line's end
MARKS = BREAK + HYPHEN

# An address is broken after these, where something else follows.
_PLACES = re.compile(r"(?<=[\s/\-_.@&=?#:,;+])(?![\s/\-_.@&=?#:,;+])")
_ADDRESS = re.compile(r"[/@_\d]|\w\.\w")  # a hyphen in it would seem to belong to it
_UNITS = (
    "[kcm]?m|[km]?g|m?l|m?s|k?W|k?Hz|[KMGT]B|h|min|mph|km/h|°[CF]|[%‰]|percent|hours?|minutes?|seconds?|days?"
    "|weeks?|months?|years?|dollars?|euros?|pounds?|cents?|miles?|o['’]clock|[ap]\\.?m\\.?"
)
_UNITS_ZH = (
    "[百千万亿]*(?:小时|分钟|秒钟|公里|公斤|公分|平方米|[千分厘毫]米|[千毫]克|毫升|摄氏度|[美欧日]元|块钱|个月|世纪|年代"
    "|[百千万亿年月日号时点分秒个只条张人次元块毛角岁度米里克斤两升杯瓶台辆件位名本页集层楼天周届倍折步款种套双片颗朵棵座家间句遍首])"
)
# Stands together: a number and its unit; what closes, and what it closes.
_HELD = re.compile(
    rf"\d(?:{_UNITS_ZH}| ?(?:{_UNITS})(?!\w))|\S [^\w\s“‘（《〈「『【〔(\[{{«¿¡¥￥$€£#@&+–—-]+(?= |$)"
)
_PAIRS = ("ch", "ck", "ph", "qu", "sh", "th")  # one sound, never cut
_ENDS = "-.,;:，。、；："  # not before "…"


def least_size(width: int, height: int) -> float:
    """The smallest letters of a film, in pixels."""
    return max(LEAST * min(width, height), LEAST_PX)


def letter_size(size: float, width: int, height: int) -> float:
    """Letters of `size` pixels at 1080 wide, in pixels of the film; never below `least_size`."""
    return max(size * min(width, height) / 1080, least_size(width, height))


def line_text(words: Sequence[str]) -> str:
    """Words of a line (of `speech.split_words`) as its text: spaces between, none by Chinese or in a word."""
    text = words[0] if words else ""
    for before, word in itertools.pairwise(words):
        if before.endswith((BREAK, HYPHEN)):
            text = text[:-1] + word
        else:
            close = any(map(is_wide, (before[-1:], before[:1], word[:1])))
            text += word if close else f" {word}"
    return f"{text[:-1]}-" if text.endswith(HYPHEN) else text.rstrip(BREAK)


def parts(word: str, font: str, size: float, width: float) -> list[str]:
    """A word that is wider than `width` in parts that aren't, in its order; any other word as it is.

    An address is cut at its own signs; what is still too wide, into parts of even length. Each part but the
    last ends in a mark: BREAK, or HYPHEN within a plain word.
    """
    if line_width([word], font, size) <= width:
        return [word]
    inner = BREAK if _ADDRESS.search(word) else HYPHEN
    made: list[str] = []
    for piece in filter(None, _PLACES.split(word)):
        for count in range(1, len(piece) + 1):
            *firsts, last = _evenly(piece, count)
            cut = [*(part + inner for part in firsts), last + BREAK]
            if all(line_width([part], font, size) <= width for part in cut):
                break
        made += cut
    return [*made[:-1], made[-1].rstrip(MARKS)]


def _evenly(text: str, count: int) -> list[str]:
    """A text in `count` parts of even length, where it can be before a consonant and a vowel."""
    ends = {_syllable(text, round(len(text) * number / count)) for number in range(1, count)}
    return [text[start:end] for start, end in itertools.pairwise([0, *sorted(ends), len(text)])]


def _syllable(text: str, at: int) -> int:
    """A cut that reads well, `at` or up to three signs before it; a sign keeps the marks on it."""
    for cut in range(at, max(0, at - 3), -1):
        if text[cut].isalpha() and not _vowel(text[cut]) and _vowel(text[cut + 1 : cut + 2]):
            return cut - 1 if cut > 1 and text[cut - 1 : cut + 1].lower() in _PAIRS else cut
    cuts = [0, *itertools.accumulate(map(len, signs(text)))]
    return max((cut for cut in cuts if 0 < cut <= at), default=cuts[1])


def _vowel(sign: str) -> bool:
    return unicodedata.normalize("NFD", sign)[:1].lower() in tuple("aeiouy")


def held(words: Sequence[str]) -> list[list[str]]:
    """Words in the runs that neither a line nor a card parts: a number and its unit, `!` beside a word."""
    text, at = line_text(words), 0
    spans = [match.span() for match in _HELD.finditer(text)]
    runs: list[list[str]] = []
    for word in words:
        if at and any(start < at < end for start, end in spans):
            runs[-1].append(word)
        else:
            runs.append([word])
        seen = word.rstrip(MARKS)
        at = text.index(seen, at) + len(seen)
    return runs


def fitted(words: Sequence[str], font: str, size: float, width: float, most: int) -> list[list[str]] | None:
    """Words in as few lines as fit `width`, of even length; None where `most` lines are not enough.

    What stands together (`held`) stays on one line where that is wide enough.
    """
    runs = [
        part
        for run in held(words)
        for part in ([run] if line_width(run, font, size) <= width else [[word] for word in run])
    ]
    lines: list[list[str]] = [[]]
    for run in runs:
        if lines[-1] and line_width([*lines[-1], *run], font, size) > width:
            lines.append([])
        lines[-1] += run
        if len(lines) > most or line_width(lines[-1], font, size) > width:
            return None
    even = _balanced(runs, font, size, len(lines))
    return even if all(line_width(line, font, size) <= width for line in even) else lines


def wrapped(
    words: Sequence[str], font: str, size: float, room: tuple[float, float], most: int, least: float
) -> tuple[list[list[str]], float, bool]:
    """Words in at most `most` lines for a room (width, height), their size, and whether that is all of them.

    Letters shrink to `SHRINK` of `size` before a word is broken, and then to `least`; what is too long even
    so ends in "…".
    """
    width, height = room
    for smallest, breaking in ((max(least, SHRINK * size), False), (least, True)):
        for at in _sizes(size, smallest):
            units = _units(words, font, at, width) if breaking else words
            lines = fitted(units, font, at, width, _rows(words, font, at, height, most))
            if lines is not None:
                return lines, at, True
    rows = _rows(words, font, least, height, most)
    units = _units(words, font, least, width - line_width(["…"], font, least))

    def begun(count: int) -> list[list[str]] | None:
        kept = [*units[: count - 1], units[count - 1].rstrip(MARKS + _ENDS) + "…"] if count else ["…"]
        return fitted(kept, font, least, width, rows)

    most_units = bisect.bisect_left(range(1, len(units)), True, key=lambda count: begun(count) is None)
    return begun(most_units) or [["…"]], least, False


def _units(words: Sequence[str], font: str, size: float, width: float) -> list[str]:
    return [part for word in words for part in parts(word, font, size, width)]


def _sizes(size: float, least: float) -> Iterator[float]:
    """Sizes to try: from `size` down to `least`, which is the last."""
    while size > least:
        yield size
        size *= STEP
    yield least


def _rows(words: Sequence[str], font: str, size: float, height: float, most: int) -> int:
    """How many lines fit a height, `most` at most."""
    line = sum(metrics(words, font, size))
    return max(1, min(most, 1 + int((height - line) // round(line * LEADING))))


def _balanced(runs: Sequence[list[str]], font: str, size: float, count: int) -> list[list[str]]:
    """Runs of words in `count` lines (fewer for few runs) whose longest is as short as can be."""
    reach = [line_width([*itertools.chain(*runs[:end])], font, size) for end in range(len(runs) + 1)]
    count = min(count, len(runs))
    best: list[tuple[float, tuple[int, ...]]] = [(width, (end,)) for end, width in enumerate(reach)]
    for _ in range(count - 1):
        best = [
            min(
                ((max(best[cut][0], reach[end] - reach[cut]), (*best[cut][1], end)) for cut in range(1, end)),
                default=best[end],
            )
            for end in range(len(runs) + 1)
        ]
    return [[*itertools.chain(*runs[start:end])] for start, end in itertools.pairwise((0, *best[-1][1]))]


def metrics(words: Iterable[str], font: str, size: float) -> tuple[int, int]:
    """Ascent and descent of a line of words in pixels: the largest of the faces that draw them."""
    return _metrics(frozenset().union(*({*faces(word, font)} for word in ("", *words))), size)


@functools.lru_cache(maxsize=256)
def _metrics(drawn: frozenset[str], size: float) -> tuple[int, int]:
    pairs = [load_face(face, size).getmetrics() for face in drawn]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def line_width(words: Sequence[str], font: str, size: float) -> float:
    """A line's width in pixels."""
    return _text_width(line_text(words), font, size)


@functools.lru_cache(maxsize=4096)
def _text_width(text: str, font: str, size: float) -> float:
    return sum(load_face(face, size).getlength(run) for run, face in runs(text, font))
