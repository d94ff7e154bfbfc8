"""Takes out of a text what nobody says: times, tags, addresses and sound notes; by choice also the marks of
speakers, emoji and hashtags.

Works on plain strings. Knows nothing about files, samples or personal data.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection

from core.settings import TextCleaning
from core.texts.speech import one_line

AS_IT_COMES = TextCleaning()
LEAST_TURNS, LEAST_SHARE = 3, 0.2  # of a file's lines, from which a name before a colon is a speaker

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_NOTES = "music|applause|laughter|laughs|cheering|silence|inaudible|音乐|掌声|笑声"
_TIMES = (
    (re.compile(rf"(?m)^[ \t]*[\[(<]?{_CLOCK}[\])>]?\s*(?:-->?|–|—)\s*[\[(<]?{_CLOCK}[\])>]?.*$"), ""),
    (re.compile(rf"[\[(<]{_CLOCK}[\])>]"), ""),
    (re.compile(rf"(?m)^[ \t]*(?:{_DATE},?\s+)?{_CLOCK}(?:\s*[AaPp][Mm])?\s*[-:：]?\s+"), ""),
)
_RUBBISH = (
    (re.compile(r"[\u200b\u200c\u2060\ufeff\ufffd\x00-\x08\x0b-\x1f]"), ""),
    (re.compile(r"[\u00a0\u3000\t]"), " "),
)
_MARKUP = (
    (re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"'）)】\]]+?(?=[,.;:!?，。]*(?:[\s<>\"'）)】\]]|$))"), ""),
    (re.compile(r"(?s)</?[A-Za-z][^<>]{0,200}>|<!--.{0,2000}?-->|\{\\[^}]{0,200}\}"), ""),
    (re.compile(r"[♪♫🎵🎶]+"), ""),
    (re.compile(rf"(?i)[\[(（【](?:{_NOTES})[^\])）】]{{0,20}}[\])）】]"), ""),
)
_HASHTAGS = (
    (re.compile(r"(?m)(?:\s*[#＃][\w·-]+[#＃]?)+\s*$"), ""),
    (re.compile(r"[#＃][^#＃\s]*[\u4e00-\u9fff][^#＃\s]*[#＃]"), ""),  # as Weibo writes them: #主题#
    (re.compile(r"(?<!\w)[#＃](?=[^\W\d])"), ""),
)
_EMOJI = (
    (re.compile(r"\[[\u4e00-\u9fff]{1,4}\]"), ""),  # as chat programs write theirs: [微笑]
    (re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3]+"), ""),
)
_BEFORE = r"(?m)^[ \t]*(?:>>+[ \t]*|[-–][ \t]+)?"
_ROLES = "speaker|spk|host|guest|interviewer|narrator|voice-?over|说话人|发言人|主持人|旁白|嘉宾|画外音|配音"
_SPEAKERS = (
    re.compile(_BEFORE + rf"(?i:{_ROLES})[ \t]*\w{{0,2}}[ \t]*[:：][ \t]*"),
    re.compile(r"(?m)^[ \t]*>>+[ \t]*"),
)
_NAME = re.compile(
    rf"(?m)^[ \t]*(?:(?:{_DATE},?\s+)?[\[(]?{_CLOCK}[\])]?(?:\s*[AaPp][Mm])?\s*)?(?:>>+[ \t]*|[-–][ \t]+)?"
    r"[\[【]?([^\W\d_a-z][\w.'’-]{0,15}(?: [^\W\d_a-z][\w.'’-]{0,15}){0,2})[\]】]?[ \t]*[:：][ \t]*(?=\S)"
)
_NO_NAMES = frozenset(
    "topic title prompt question answer note tip ps q a 主题 标题 问题 问 答 注 注意 提示 客户 客服".split()  # noqa: SIM905
)


def speakers(text: str) -> frozenset[str]:
    """Names that stand before a colon at the beginning of many lines, as in a talk that was written down.

    Each at least `LEAST_TURNS` times, all together in at least `LEAST_SHARE` of the lines that aren't empty.
    """
    turns = Counter(name for name in _NAME.findall(text) if name.casefold() not in _NO_NAMES)
    often = {name: count for name, count in turns.items() if count >= LEAST_TURNS}
    lines = sum(1 for line in text.split("\n") if line.strip())
    return frozenset(often) if sum(often.values()) >= LEAST_SHARE * lines else frozenset()


def clean(text: str, choices: TextCleaning = AS_IT_COMES, names: Collection[str] = ()) -> str:
    """Spoken words alone, lines kept; `names` are the file's speakers, whose marks go with the others'."""
    patterns = [*_RUBBISH, *(() if choices.keep_timestamps else _TIMES), *_MARKUP]
    if not choices.keep_speakers:
        patterns += [(pattern, "") for pattern in _SPEAKERS]
        if names:
            known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
            patterns.append((re.compile(rf"{_BEFORE}[\[【]?(?:{known})[\]】]?[ \t]*[:：][ \t]*"), ""))
    patterns += () if choices.keep_emoji else _EMOJI
    patterns += () if choices.keep_hashtags else _HASHTAGS
    for pattern, instead in patterns:
        text = pattern.sub(instead, text)
    text = html.unescape(text)
    lines = [one_line(line) for line in text.split("\n")]
    text = re.sub(r"\n{2,}", "\n", "\n".join(lines))
    return re.sub(r" +([,.!?;:，。！？；：])", r"\1", text).strip()
