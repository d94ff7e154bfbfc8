"""What a line claims: its numbers with their units, and whether it says a point.

Works on short texts, English or Chinese. Strict: what it can't be sure of isn't said.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from core.texts.letters import HAN
from core.texts.overlap import plain
from core.video.script.scoring import telling

Number = tuple[str, str]
"""A value (`12`, `1299`, `0.5`), and its unit: a currency's or per cent's sign, else the word after it."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_WORDS = {word: number for number, word in enumerate(f"{_UNITS} seventeen eighteen nineteen".split())}
_WORDS |= {
    word: 20 + 10 * at
    for at, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())  # noqa: SIM905
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_FIXED = {"half": "0.5", "dozen": "12", "twice": "2", "double": "2", "triple": "3", "半": "0.5"}
_ENGLISH = "|".join(sorted((*_WORDS, *_SCALES, "half", "dozen", "twice", "double", "triple"), key=len)[::-1])
_DIGITS = {sign: number for number, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_HAN = "零〇一二两三四五六七八九十百千万亿半"
_SIGNS = {
    **dict.fromkeys(("$", "usd", "dollar"), "$"),
    **dict.fromkeys(("¥", "元", "块", "yuan", "rmb", "cny", "人民币"), "¥"),
    **dict.fromkeys(("€", "eur", "euro"), "€"),
    **dict.fromkeys(("£", "gbp"), "£"),
    **dict.fromkeys(("%", "percent", "百分之"), "%"),
}
MONEY = frozenset(_SIGNS.values())
_NUMBER = re.compile(
    rf"([$¥€£]|\b(?:usd|rmb|cny|eur|gbp)|人民币|百分之)? ?"
    rf"(\d[\d,]*(?:\.\d+)?|\b(?:(?:{_ENGLISH})(?:[ -](?:and )?)?)+\b|[{_HAN}]+)"
    rf"(?:[ -]?(%|percent\b|[a-z]+|[{HAN}]))?",
    re.I,
)
_NO = re.compile(
    r"\b(?:no|not|never|without|free|none|non|less|zero|un\w+)\b|n't\b|[不无没未零免非勿别]", re.I
)


def numbers(text: str) -> set[Number]:
    """The numbers in a text, in digits or words; `one` and 一 are words more often than numbers."""
    found = set()
    for sign, said, unit in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
        if said.casefold().strip(" -") in ("one", "一"):
            continue
        found.add((_value(said), _unit(sign) or _unit(unit)))
    return found


def _unit(said: str) -> str:
    word = said.casefold()
    return _SIGNS.get(word) or _SIGNS.get(word.rstrip("s")) or word.rstrip("s")


def _value(said: str) -> str:
    try:
        return f"{Decimal(said.replace(',', '')).normalize():f}"
    except InvalidOperation:
        return _FIXED.get(said) or _worded(said)


def _worded(said: str) -> str:
    """The value of a number in words; the words themselves where they are no plain number."""
    total = part = 0
    for word in re.findall(r"[a-z]+", said.casefold()):
        if word in _SCALES:
            part = max(part, 1) * _SCALES[word]
            total, part = (total + part, 0) if word != "hundred" else (total, part)
        elif word in _WORDS:
            part += _WORDS[word]
        elif word != "and":
            return _FIXED.get(word, said)
    if re.match("[a-z]", said, re.I):
        return str(total + part)
    digit = 0
    for sign in said:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in ("万", "亿"):
            total, part, digit = ((total + part + digit) or 1) * _POWERS[sign], 0, 0
        elif sign in _POWERS:
            part, digit = part + (digit or 1) * _POWERS[sign], 0
        else:
            return said
    return str(total + part + digit)


def invented(line: str, sheet: str) -> set[Number]:
    """The numbers of a line that a sheet doesn't have, or has of something else."""
    known = numbers(sheet)
    bare = {value for value, unit in known if not unit}
    return {(value, unit) for value, unit in numbers(line) - known if unit in MONEY or value not in bare}


def says(line: str, point: str) -> bool:
    """Whether a line says a point: all its telling words and numbers, and no more nor fewer denials."""
    words = telling(point)
    if not words and " ".join(plain(point)) not in " ".join(plain(line)):
        return False
    return words <= telling(line) and numbers(point) <= numbers(line) and _denials(line) == _denials(point)


def touches(line: str, point: str, besides: str = "") -> bool:
    """Whether a line says half of a point or more, but for words that it has from elsewhere."""
    words = telling(point) - telling(besides)
    return bool(words) and 2 * len(words & telling(line)) >= len(words)


def _denials(text: str) -> int:
    return len(_NO.findall(text))
