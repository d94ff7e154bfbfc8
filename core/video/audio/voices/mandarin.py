"""Mandarin to the sounds that Kokoro was trained on: characters to pinyin (pypinyin), pinyin to phonemes.

The phonemes are those of misaki 0.9.4 (Apache-2.0), which takes Python below 3.13 alone, so they stand here;
tests/video/test_sounds.py holds some of its readings. Knows nothing about models.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from core.texts.chinese import usual

INITIALS = {
    **{sign: sign for sign in "flmns"},
    **{"b": "p", "p": "pʰ", "d": "t", "t": "tʰ", "g": "k", "k": "kʰ", "h": "x"},
    **{"j": "ʨ", "q": "ʨʰ", "x": "ɕ", "z": "ʦ", "c": "ʦʰ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ"},
}
# A final's sounds, the tone in the place of 0.
FINALS = {
    **{"a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0", "en": "ə0n"},
    **{"eng": "ə0ŋ", "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ", "iao": "jau0", "ie": "je0"},
    **{"in": "i0n", "iou": "jou0", "ing": "i0ŋ", "iong": "jʊ0ŋ", "ong": "ʊ0ŋ", "ou": "ou0", "u": "u0"},
    **{"uei": "wei0", "ua": "wa0", "uai": "wai0", "uan": "wa0n", "uen": "wə0n", "uang": "wa0ŋ"},
    **{"ueng": "wə0ŋ", "uo": "wo0", "o": "wo0", "ü": "y0", "üe": "ɥe0", "üan": "ɥɛ0n", "ün": "y0n"},
}
WHOLE = {
    "er": "ɚ0",
    "o": "ɔ0",
    "ê": "ɛ0",
    "io": "jɔ0",
    "m": "m0",
    "n": "n0",
    "ng": "ŋ0",
    "hm": "hm0",
    "hng": "hŋ0",
}
BUZZED = frozenset(("zh", "ch", "sh", "r", "z", "c", "s"))  # after these, i is no i
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
MARKS = {
    **dict.fromkeys("，、", ", "),
    **{"。": ". ", "！": "! ", "？": "? ", "：": ": ", "；": "; ", "（": " (", "）": ") "},
    **{"《": " “", "》": "” ", "「": " “", "」": "” ", "『": " “", "』": "” ", "【": " “", "】": "” "},
}
LONGEST = 15  # signs of a number that is counted; a longer one is said digit by digit
MEASURES = "元点个只条张块瓶杯份本辆台匹头位次天小时分秒岁斤米层间家座棵朵颗片首种句段件双对把根幅"


def sounds(text: str) -> list[str]:
    """The sounds of each character of a run of Chinese; a blank after a word's last one."""
    from pypinyin import Style, lazy_pinyin

    made: list[str] = []
    for word in usual().lcut(text):
        one_by_one: Any = lambda signs: [*signs]  # noqa: E731 - a list, which its types forget
        read = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=one_by_one)
        made += [*map(syllable, read[:-1]), f"{syllable(read[-1])} "]
    return made


@functools.cache
def syllable(pinyin: str) -> str:
    """A syllable such as `xiao3` as phonemes; "" for what is none."""
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    plain, tone = pinyin[:-1], pinyin[-1:]
    if tone not in TONES or not plain:
        return ""
    initial = to_initials(plain, strict=True)
    final = to_finals(plain, strict=True, v_to_u=True)
    if plain in WHOLE:
        said = WHOLE[plain]
    elif final == "i" and initial in BUZZED:
        said = f"{INITIALS[initial]}ɨ0"
    else:
        said = INITIALS.get(initial, "") + FINALS.get(final, "")
    return said.replace("0", TONES[tone])


def numbers(text: str) -> list[tuple[str, str]]:
    """A text cut at its numbers: what is written, and what is said of it (the same but for numbers)."""
    found = [
        (match.start(), order, match, say)
        for order, (pattern, say) in enumerate(_READINGS)
        for match in pattern.finditer(text)
    ]
    parts: list[tuple[str, str]] = []
    end = 0
    for start, _, match, say in sorted(found, key=lambda one: one[:2]):
        if start >= end:
            parts += [(text[end:start],) * 2, (match.group(), say(match))]
            end = match.end()
    return [part for part in (*parts, (text[end:],) * 2) if part[0]]


def _digits(number: str) -> str:
    """Digit by digit, as years and telephone numbers are said."""
    return "".join("零一二三四五六七八九"[int(digit)] if digit.isdigit() else "点" for digit in number)


def _amount(number: str) -> str:
    """A number such as -1,250.5 as it is counted."""
    import cn2an

    plain = number.replace(",", "")
    return _digits(plain.lstrip("-")) if len(plain) > LONGEST else str(cn2an.an2cn(plain, "low"))


def _clock(match: re.Match[str]) -> str:
    hour, minute = match.groups()
    said = f"{'两' if int(hour) == 2 else _amount(hour)}点"
    if not int(minute):
        return said
    return f"{said}{'零' if minute[0] == '0' else ''}{_amount(str(int(minute)))}分"


_PLAIN = r"\d+(?:,\d{3})*(?:\.\d+)?"
_READINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\d{2,4}(?=年(?!前|后|来|间|内))"), lambda found: _digits(found.group())),
    (re.compile(r"(\d{1,2})[:：](\d{2})(?!\d)"), _clock),
    (re.compile(rf"(-?{_PLAIN})[%％]"), lambda found: f"百分之{_amount(found[1])}"),
    (re.compile(r"(\d{1,4})/(\d{1,4})"), lambda found: f"{_amount(found[2])}分之{_amount(found[1])}"),
    (
        re.compile(rf"({_PLAIN})\s?[-–~～—]\s?({_PLAIN})(?!\d)"),
        lambda found: f"{_amount(found[1])}到{_amount(found[2])}",
    ),
    (
        re.compile(rf"(-?)({_PLAIN})\s?(?:℃|°C)"),
        lambda found: f"{found[1] and '零下'}{_amount(found[2])}摄氏度",
    ),
    (re.compile(rf"[¥￥]\s?({_PLAIN})"), lambda found: f"{_amount(found[1])}元"),
    (re.compile(rf"[$＄]\s?({_PLAIN})"), lambda found: f"{_amount(found[1])}美元"),
    (re.compile(rf"(?<!第)2(?=[{MEASURES}]|年[前后内来多])"), lambda found: "两"),
    (re.compile(r"\d{8,}"), lambda found: _digits(found.group())),
    (re.compile(rf"(?<![\w])-?{_PLAIN}|{_PLAIN}"), lambda found: _amount(found.group())),
)
