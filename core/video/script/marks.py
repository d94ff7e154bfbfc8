"""How a script is marked up: which of its lines are words, and which say where scenes begin or what is seen.

Works on one text. Knows the marks that people and language models write, in English and Chinese; nothing of
what becomes of them (core.video.script.own_words).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from core.texts.speech import one_line

_PICTURE = "picture|image|visuals?|photo|画面内容|画面描述|画面|配图|图片|视觉"
PICTURE = re.compile(
    rf"(?i)[\[【] ?(?:{_PICTURE}|shot|镜头|图) ?\d* ?[:：]([^\[\]【】]*)[\]】]"
    rf"|[(（] ?(?:{_PICTURE}|shot|镜头|图) ?\d* ?[:：]([^()（）]*)[)）]"
)
_OPENING, _CLOSING = r"[^\w\s]{0,4} ?", r"[\]】)）*_]{0,3}"
_SHOWN = re.compile(rf"(?i){_OPENING}(?:{_PICTURE}) ?\d*{_CLOSING} ?[:：]{_CLOSING} ?(.+)")
_SAID = re.compile(
    rf"(?i){_OPENING}(?:narrat(?:or|ion)|voice-?over|v\.?o\.?|旁白|解说词?|口播|画外音|配音|台词|文案){_CLOSING}"
    rf" ?[:：]{_CLOSING} ?(.*)"
)
_TITLE = re.compile(r"(?i)(?:title|标题|片名) ?[:：] ?(.+)")
_HEADING = re.compile(r"(#{1,6}) (.+)")
_ONE_TO_TEN = "one|two|three|four|five|six|seven|eight|nine|ten"
_NUMBER = rf"(?:\d{{1,3}}|[ivx]{{1,5}}|{_ONE_TO_TEN}|[零〇一二两三四五六七八九十百]{{1,5}})"
_SCENE = re.compile(  # Scene 3: …; 第三幕; 镜头3（0-5秒）：…
    rf"(?i){_OPENING}(?:(?:scene|shot|clip|slide|frame|part|act) ?(?:no\.? ?|# ?)?{_NUMBER}"
    rf"|第 ?{_NUMBER} ?(?:幕|场景|场|个镜头|镜头|镜|段|节|部分)|(?:镜头|场景|分镜|片段) ?{_NUMBER})"
    rf"(?: ?[(（]([^()（）]{{0,40}})[)）])?{_CLOSING} ?(?:[:：.、|—–-]{_CLOSING} ?(.*))?"
)
_CLOCK = r"(?:\d{1,2}[:：])?\d{1,2}[:：]\d{2}(?:[.,]\d{1,3})?"
_TO = r" ?(?:-{1,2}>|[-–—~至到]) ?"
_SPAN = re.compile(  # 0:00-0:05 text; (0–5s) text; 0-5秒：text
    rf"[\[【(（]?(?:({_CLOCK}){_TO}({_CLOCK})[\]】)）]?[:：]?(?: |$)"
    rf"|(\d{{1,3}}) ?(?:秒|s)?{_TO}(\d{{1,3}}) ?(?:秒|s)(?:[\]】)）][:：]?|[:：]|$)) ?(.*)",
    re.I,
)
_TIME = re.compile(rf"[\[【(（]{_CLOCK}[\]】)）] ?(.*)")
COUNTED = re.compile(r"(\d{1,3}) ?[.、)．）] ?\S")
_RULE = re.compile(r"[-*_=—~ ]{3,}")


class Line(NamedTuple):
    """A line of a script: `blank`, `mark` (a scene begins), `heading`, `about`, `picture`, or `said`."""

    kind: str
    text: str = ""
    seconds: float = 0.0


def is_counted(lines: Sequence[Line]) -> bool:
    """Whether lines are numbered 1, 2, 3, …"""
    found = (COUNTED.match(line.text) for line in lines if line.kind == "said")
    numbers = [int(match[1]) for match in found if match]
    return len(numbers) > 1 and numbers == [*range(1, len(numbers) + 1)]


def lines_of(text: str) -> list[Line]:
    """A text's lines by what they are."""
    plain = [one_line(line) for line in text.split("\n")]
    spans = (timing for line in plain if (timing := span(line)))
    timed = next(spans, (1.0, 0.0, ""))[0] == 0  # others tell hours of a day
    found = [known for line in plain for known in _apart(line, timed)]
    first = next((at for at, line in enumerate(found) if line.kind != "blank"), None)
    if first is not None and found[first].kind == "said" and (title := _TITLE.fullmatch(found[first].text)):
        found[first] = Line("title", title[1])
    return _titled(found)


def _titled(lines: list[Line]) -> list[Line]:
    """The first heading as the title, where another one or a scene's mark follows at once."""
    told = [(at, line) for at, line in enumerate(lines) if line.kind != "blank"]
    if len(told) > 1 and told[0][1].kind == "heading" and told[1][1].kind in ("heading", "mark"):
        lines[told[0][0]] = Line("title", told[0][1].text)
    return lines


def _apart(line: str, timed: bool) -> Iterator[Line]:
    """A line as its parts: what a picture shall show stands by itself."""
    if not line:
        yield Line("blank")
    at = 0
    for match in PICTURE.finditer(line):
        yield from _known(line[at : match.start()].strip(), timed)
        if shown := (match[1] or match[2] or "").strip():
            yield Line("picture", shown)
        at = match.end()
    yield from _known(line[at:].strip(), timed)


def _known(line: str, timed: bool) -> Iterator[Line]:
    """What is left of a line: its marks, each at most once, then its words."""
    heading = _HEADING.fullmatch(line)
    text = heading[2].rstrip("# ") if heading else line
    scene = _SCENE.fullmatch(text)
    if scene:
        timing = span(scene[1] or "")
        yield Line("mark", seconds=timing[1] if timing else 0.0)
        yield Line("about", "" if timing else scene[1] or "")
        text = scene[2] or ""
    if heading:
        yield Line("about", text) if scene else Line("heading", text or line)
        return
    if _RULE.fullmatch(text) and len(text.replace(" ", "")) > 2:
        yield Line("mark")
        return
    if timed and (timing := span(text)):
        yield Line("mark", seconds=timing[1])
        text = timing[2]
    if stamped := _TIME.fullmatch(text):
        text = stamped[1]
    if shown := _SHOWN.fullmatch(text):
        yield Line("picture", shown[1])
        return
    said = _SAID.fullmatch(text)
    text = said[1] if said else text
    if text:
        yield Line("said", text)


def span(line: str) -> tuple[float, float, str] | None:
    """(start, seconds, rest) of a line that begins with a span of time; None where it doesn't."""
    match = _SPAN.fullmatch(line)
    if not match:
        return None
    start, end = _clock(match[1] or match[3]), _clock(match[2] or match[4])
    return (start, end - start, match[5]) if end > start else None


def _clock(text: str) -> float:
    """Seconds of `1:02:03`, `02:03,5` or `3`."""
    parts = [float(part.replace(",", ".")) for part in re.split("[:：]", text)]
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))
