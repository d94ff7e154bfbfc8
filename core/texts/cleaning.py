"""Takes out of a text what nobody says: times, tags, addresses and sound notes; by choice also the marks of
speakers, emoji and hashtags.

Works on plain strings with the lines that they were written in, before anything joins or splits them: most
marks are known by standing where a line begins or ends. Knows nothing about files, samples or personal data.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from core.settings.data import TextCleaning
from core.texts.letters import HAN
from core.texts.speech import one_line

AS_IT_COMES = TextCleaning()
Pattern = tuple[re.Pattern[str], str]
LEAST_TURNS, LEAST_SHARE = 3, 0.2  # of a file's lines, from which a name before a colon is a speaker
LEAST_TIMES, TIMED_SHARE = 3, 0.4  # of a text's lines that open with a time, from which it is a transcript

_CLOCK = r"\d{1,2}[:：]\d{2}(?:[:：]\d{2})?(?:[.,]\d{1,3})?"
_TIME = rf"[\[(<]?{_CLOCK}[\])>]?"
_RANGE = rf"{_TIME}[ \t]*(?:-{{0,2}}>|-{{1,2}}|[–—~])[ \t]*{_TIME}"
_ALONE = rf"(?={_TIME}[ \t]*$)"
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_NOTES = "music|applause|laughter|laughs|cheering|silence|inaudible|音乐|掌声|笑声"
_OPENING_TIME = re.compile(rf"[ \t]*{_TIME}(?![\d/])")
_CUE_SETTINGS = r"(?:[ \t]+(?:align|line|position|region|size|vertical):\S+)*"
_TIMES = (
    (re.compile(rf"(?m)^[ \t]*\d+[ \t]*\n(?=[ \t]*{_RANGE})"), ""),  # a subtitle's number
    (re.compile(rf"(?m)^[ \t]*{_RANGE}{_CUE_SETTINGS}[ \t]*"), ""),
    (re.compile(rf"[\[(<]{_CLOCK}[\])>]"), ""),
    (
        re.compile(
            rf"(?m)^[ \t]*(?:{_DATE},?[ \t]+)?{_CLOCK}(?:[ \t]*[AaPp][Mm])?[ \t]*[-–—:：]?(?:[ \t]+|$)"
        ),
        "",
    ),
)
_RUBBISH = (
    (re.compile(r"[\u200b\u200c\u2060\ufeff\ufffd\x00-\x08\x0b-\x1f]"), ""),
    (re.compile(r"[\u00a0\u3000\t]"), " "),
)
_COMMENTS = re.compile(r"(?s)<!--.{0,2000}?-->")
_STOPS = ",.;:!?，。"  # which end the sentence, not the address
_MARKUP = (
    (re.compile(rf"(?i)\b(?:https?://|www\.)(?:[{_STOPS}]*[^\s<>\"'）)】\]{_STOPS}]+)+"), ""),
    (re.compile(r"</?[A-Za-z][^<>]{0,200}>|\{\\[^}]{0,200}\}"), ""),
    (re.compile(r"[♪♫🎵🎶]+"), ""),
    (re.compile(rf"(?i)[\[(（【](?:{_NOTES})[^\])）】]{{0,20}}[\])）】]"), ""),
)
_TAGS = r"(?:[ \t]*[#＃][\w·-]+(?:[#＃](?![\w·-]))?)+"
_HASHTAGS = (
    (re.compile(rf"(?m){_TAGS}[ \t]*$|({_TAGS})"), r"\1"),  # others are passed over whole, not tag by tag
    (re.compile(rf"[#＃](?=[^#＃\s]*[{HAN}])[^#＃\s]+[#＃]"), ""),  # as Weibo writes them: #主题#
    (re.compile(r"(?<!\w)[#＃](?=[^\W\d])"), ""),
)
_EMOJI = (
    (re.compile(rf"\[[{HAN}]{{1,4}}\]"), ""),  # as chat programs write theirs: [微笑]
    (re.compile("[0-9#*]\ufe0f?\u20e3"), ""),  # a digit on a key: 1️⃣
    (re.compile("[\U0001f000-\U0001faff\u231a-\u23fa\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3]+"), ""),
)
_BEFORE = r"(?m)^[ \t]*(?:>>+[ \t]*|[-–][ \t]+)?"
_ROLES = "speaker|spk|host|guest|interviewer|narrator|voice-?over|说话人|发言人|主持人|旁白|嘉宾|画外音|配音"
_ARROWS = re.compile(r"(?m)^[ \t]*>>+[ \t]*")
_NAME = re.compile(
    rf"(?m)^[ \t]*(?:(?:{_DATE},?[ \t]+)?[\[(]?{_CLOCK}[\])]?(?:[ \t]*[AaPp][Mm])?(?:[ \t]*-)?[ \t]*)?"
    r"(?:>>+[ \t]*|[-–][ \t]+)?"
    r"[\[【]?([^\W\d_a-z][\w.'’-]{0,15}(?: [^\W\d_a-z][\w.'’-]{0,15}){0,2})[\]】]?"
    rf"(?:[ \t]*(?:\({_CLOCK}\))?[ \t]*[:：][ \t]*(?=\S)|[ \t]+{_ALONE})"
)
_NO_NAMES = frozenset(
    "topic title prompt question answer note tip ps q a 主题 标题 问题 问 答 注 注意 提示 客户 客服".split()  # noqa: SIM905
)


_BLANKS = re.compile(r"[^\S\n]{2,}")


def tight(text: str) -> str:
    """Blanks side by side as one: a pattern that looks on from each of a thousand takes the square of it."""
    return _BLANKS.sub(" ", text)


def speakers(text: str) -> frozenset[str]:
    """Names that stand before a colon at the beginning of many lines, as in a talk that was written down.

    Each at least `LEAST_TURNS` times, all together in at least `LEAST_SHARE` of the lines that aren't empty.
    """
    text = tight(text)
    turns = Counter(name for name in _NAME.findall(text) if name.casefold() not in _NO_NAMES)
    often = {name: count for name, count in turns.items() if count >= LEAST_TURNS}
    lines = sum(1 for line in text.split("\n") if line.strip())
    return frozenset(often) if sum(often.values()) >= LEAST_SHARE * lines else frozenset()


def is_transcript(text: str) -> bool:
    """True where times (without a date) open many lines, as in a speech that was written down."""
    lines = [line for line in tight(text).split("\n") if line.strip()]
    timed = sum(bool(_OPENING_TIME.match(line)) for line in lines)
    return timed >= LEAST_TIMES and timed >= TIMED_SHARE * len(lines)


def clean(text: str, choices: TextCleaning = AS_IT_COMES, names: Collection[str] = ()) -> str:
    """Spoken words alone; `names` are the file's speakers, whose marks go with the others'.

    Lines stay lines and one blank line stays between those that had any; a line that held only marks is gone.
    """
    if not text.strip():
        return ""
    patterns = _patterns(choices, frozenset(names))
    blocks = re.split(r"\n[ \t]*(?:\n\s*)+", tight(_COMMENTS.sub("", text)))
    return "\n\n".join(filter(None, (_cleaned(block, patterns) for block in blocks)))


def _cleaned(block: str, patterns: Iterable[Pattern]) -> str:
    for pattern, instead in patterns:
        block = pattern.sub(instead, block)
        if "  " in block:  # what was between them is gone
            block = tight(block)
    lines = "\n".join(filter(None, map(one_line, html.unescape(block).split("\n"))))
    return re.sub(r" +([,.!?;:，。！？；：])", r"\1", lines).strip()


@lru_cache(maxsize=16)
def _patterns(choices: TextCleaning, names: frozenset[str]) -> tuple[Pattern, ...]:
    """What goes, in order, and what stands there instead."""
    who = [rf"(?i:{_ROLES})[ \t]*\w{{0,2}}", *map(re.escape, sorted(names, key=len, reverse=True))]
    named = rf"{_BEFORE}[\[【]?(?:{'|'.join(who)})[\]】]?"
    turns = ((re.compile(rf"{named}[ \t]+{_ALONE}"), ""),)  # Anna 0:05, above what she says
    speakers = ((re.compile(rf"{named}[ \t]*[:：][ \t]*"), ""), (_ARROWS, ""))
    return (
        *_RUBBISH,
        *(() if choices.keep_speakers else turns),
        *(() if choices.keep_timestamps else _TIMES),
        *_MARKUP,
        *(() if choices.keep_speakers else speakers),
        *(() if choices.keep_emoji else _EMOJI),
        *(() if choices.keep_hashtags else _HASHTAGS),
    )
