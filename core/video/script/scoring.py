"""What makes a line fit to be said: its faults, what it repeats of others, its worth for a scene.

Works on texts, English or Chinese, and on figures that a language model gave; knows no model itself. A small
model babbles, so what is broken, copied or about itself is thrown out by rules.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher

from core.texts.letters import HAN, HAN_SIGN
from core.texts.overlap import Known, dense, plain
from core.texts.speech import ended_sentences
from core.video.script.brief import Brief
from core.video.script.fitting import TOLERANCE
from core.video.script.language import ENGLISH, Language
from core.video.script.vocabulary import chinese_names, hours, things

COPIED_WORDS, COPIED_CHARACTERS = 6, 10
NOTHING = Known([])
# Mean log-probability a token beyond which a line gains nothing by being likelier: it would only be blander.
SURE, PLAIN = -1.0, -2.2  # under the LoRA, under the base

STRANGE = re.compile(r"[^A-Za-zÀ-ɏ0-9 .,;:!?'\"()\-–—…%$&]")
STRANGE_ZH = re.compile(rf"[^{HAN}A-Za-z0-9 ，。！？、；：“”‘’（）《》·…—%-]")
BROKEN = re.compile(
    r"\w[.!?,;]\w|[,;:][,;:.]|\s[,.;:!?]|\(\s*\)|--|\b(\w+) \1\b(?! \1)"
    r"|(?<!\.)\.\.(?!\.)|\.{4}|。。|[，、；：][，。、；：！？]|^[，。、；：！？]|（\s*）"
    rf"|[{HAN}] [{HAN}]",
    re.I,
)
ABOUT_ITSELF = re.compile(
    r"\b(?:this (?:video|scene|story|image|picture|clip|short)|narrat\w*|voice-?over|welcome|subscribe"
    r"|camera (?:pans|zooms|shows)|as an ai|language model|here(?:'s| is) (?:a|the|your)|once upon"
    r"|title|fade (?:in|out)|cut to|scene \d|let's (?:take|explore|dive|see)|imagine|instructions?|prompt"
    r"|(?:viewer|audience|reader)s?|smollm|hugging face)\b|^sure\b"
    r"|视频|短片|镜头|画面|旁白|解说|字幕|脚本|场景|标题|观众|订阅|点赞|欢迎来到|语言模型|人工智能助手"
    r"|以下是|通义|千问|^(?:好的|当然)[，。！]",
    re.I,
)
COMMANDS = re.compile(
    r"^(?:you (?:should|must|can|need|will)|make sure|remember to|try to|don't forget)\b"
    r"|^(?:请|记得|不要忘|别忘|你(?:应该|必须|需要|可以)|让我们|让我)",
    re.I,
)
COMMON_WORDS = """
    a an the and or but so as at by for from in into of off on onto out over to up down under with without it
    its is are was were be been has have had does do did not no nor he she they them his her their our us we i
    my me you your this that these those there then than when while where who what which if all one two some
    any each every more most very too just only still even like about after before back now here
"""
COMMON = frozenset(COMMON_WORDS.split())
COMMON_ZH = frozenset(
    "的了着过是在和与也都就又还有不没很这那个一只上下里中外边到去来把被给让得地我你他她它们人么什说会要能"
)


@dataclass(frozen=True)
class Line:
    """A candidate: what is said, its length in seconds, its worth by itself, its faults (none: sound)."""

    text: str
    seconds: float
    worth: float = 0.0
    faults: tuple[str, ...] = ()


def faults(text: str, known: Known = NOTHING, language: Language = ENGLISH) -> tuple[str, ...]:
    """What makes a candidate unfit, in short words; empty for a sound one. `known`: texts it may not copy."""
    found = {
        "empty": len(plain(text)) < 4,
        "unfinished": not re.search(r"[.!?…。！？][\"')”’」』）]*$", text),
        "another language": bool(text) and dense([text]) != language.dense,
        "strange signs": bool((STRANGE_ZH if language.dense else STRANGE).search(text)),
        "broken": bool(BROKEN.search(text)) or _unbalanced(text),
        "about itself": bool(ABOUT_ITSELF.search(text)),
        "a year or a price": bool(re.search(r"\d{3}", text)),
        "instruction": bool(COMMANDS.search(text)),
        "lower case start": any(
            not re.match(rf"[\"'(“‘《（]?[A-Z0-9{HAN}]", piece) for piece in ended_sentences(text)
        ),
        "repeats itself": _repeats(text),
        "copied": known.longest(text).length >= (COPIED_CHARACTERS if dense([text]) else COPIED_WORDS),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def content(text: str) -> list[str]:
    """A text's content words as they come, plurals cut; of Chinese each pair of telling characters."""
    said = plain(text)
    found = [
        word[:-1] if len(word) > 3 and word.endswith("s") else word for word in said if word not in COMMON
    ]
    pairs = itertools.pairwise(said)
    return [word for word in found if not HAN_SIGN.match(word)] + [
        one + other
        for one, other in pairs
        if HAN_SIGN.match(one) and HAN_SIGN.match(other) and not {one, other} & COMMON_ZH
    ]


def telling(text: str) -> set[str]:
    """The set of a text's content words."""
    return set(content(text))


def _unbalanced(text: str) -> bool:
    """Whether a quotation or a bracket is left open; a single quotation mark is no narrator's."""
    quoted = re.search(r"(?<!\w)'", text) is not None
    pairs = (("(", ")"), ("“", "”"), ("（", "）"), ("《", "》"), ("‘", "’"))
    return quoted or text.count('"') % 2 == 1 or any(text.count(a) != text.count(b) for a, b in pairs)


def _repeats(text: str) -> bool:
    """A run of words twice, a content word three times, or sentences that begin alike."""
    said, wide = plain(text), dense([text])
    size = 5 if wide else 3
    runs = Counter(tuple(said[at : at + size]) for at in range(len(said) - size + 1))
    pairs = Counter(pair for pair in itertools.pairwise(said) if not wide and set(pair) - COMMON)
    often = Counter(content(text) if wide else (word for word in said if word not in COMMON))
    starts = [tuple(plain(piece)[: 3 if wide else 2]) for piece in ended_sentences(text)]
    return (
        max(runs.values(), default=0) > 1
        or max(pairs.values(), default=0) > 1
        or max(often.values(), default=0) > 2
        or len(set(starts)) < len(starts)
    )


@functools.lru_cache(200_000)
def alike(one: str, other: str, common: frozenset[str] = frozenset()) -> float:
    """How much two lines repeat each other: 0 not at all, 1 and more: not in one video.

    `common`: words of the story as a whole (the town, the river); they weigh less.
    """
    mine, yours = plain(one), plain(other)
    run = SequenceMatcher(None, mine, yours, autojunk=False).find_longest_match().size
    shared = telling(one) & telling(other)
    total = 0.3 * len(shared - common) + 0.05 * len(shared & common)
    total += (
        0.05 * (mine[:1] == yours[:1])
        + 0.5 * (mine[:2] == yours[:2])
        + 0.6 * (run >= (6 if dense([one]) else 4))
    )
    ends = [plain(ended_sentences(line)[-1])[:2] if ended_sentences(line) else [] for line in (one, other)]
    return total + 0.35 * (ends[0] == ends[1])


def worth(line: Line, brief: Brief, spoken: float, fluent: float, neutral: float) -> float:
    """A line's worth for a scene, by its brief: larger is better.

    spoken, fluent: its mean log-probability a token under the LoRA and under the base, which measure how sane
    it is; neutral: under the base when it is asked for anything at all. Tried on 160 lines by reading.
    """
    return (
        1.5 * min(spoken, SURE)
        + 0.75 * min(fluent, PLAIN)
        + min(fluent - neutral, 1.0)
        + in_time(line, brief.seconds)
        + mentions(line, brief)
        + 0.6 * _has_a_turn(line.text)
        - 0.4 * _echoes(line.text)
        - 2.0 * _lacks_article(line.text, brief.thing)
        - 1.5 * _at_another_hour(line.text, brief.subject)
        - 3.0 * len(line.faults)
    )


def _has_a_turn(text: str) -> bool:
    """Whether a line goes on after a pause: a second sentence or clause."""
    return bool(re.search(r"[.,;:!?] \w|[，。；：！？—…]\w", text))


def _lacks_article(text: str, thing: str) -> bool:
    """Whether a line begins `Fisherman picks`, which wants an article."""
    known = things().get(thing)
    return known is not None and known.article is None and plain(text)[:1] == [thing]


def _at_another_hour(text: str, subject: str) -> bool:
    """Whether a line says `At noon` of a scene that is asked for in the morning."""
    asked = set(plain(subject))
    now = next((known for known in hours() if known & asked), None)
    said = set(re.findall(r"\b(?:at|by|this|toward|in the) (\w+)", text.lower()))
    return now is not None and bool(said & frozenset().union(*hours()) - now)


def _echoes(text: str) -> int:
    """Content words that a line says twice."""
    return sum(count > 1 for count in Counter(content(text)).values())


def in_time(line: Line, seconds: float) -> float:
    """0 within the tolerance of the seconds asked for, falling by 1 for each further 15 %."""
    if seconds <= 0:
        return 0.0
    return -max(0.0, abs(line.seconds / seconds - 1) / TOLERANCE - 1)


def mentions(line: Line, brief: Brief) -> float:
    """1 for a line that names the scene's thing, 0.4 for one that shares another of the subject's words."""
    said = telling(line.text)
    if telling(brief.thing) & said or any(name in line.text for name in chinese_names(brief.thing)):
        return 1.0
    return 0.4 if telling(brief.subject) & said else 0.0
