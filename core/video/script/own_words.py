"""One's own words as scenes: a script's parts in order, with every word that it says.

Works on documents and subtitles; knows nothing about pictures, models and sound. What marks a script up is no
word of it (core.video.script.marks): rules, headings, `Scene 3:`, `旁白：`, times, and what a picture shall
show, as `[picture: a red fox in snow]`. Nothing else is left out, added, mended or shortened.

Where scenes are marked (rules, numbers, times), they are as marked. Else a blank line, a heading and what a
picture shall show begin one, and what takes long to say is parted by sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.messages import Mistake
from core.texts import document
from core.texts.letters import IDEOGRAPH
from core.texts.records import REPLIES, key
from core.texts.speech import ABBREVIATION, WHOLE, one_line, passages, sentences, spoken_seconds
from core.texts.subtitles import PAUSE, Cue
from core.video.script.marks import COUNTED, PICTURE, Line, is_counted, lines_of, span
from core.video.storyboard.board import MOST_SCENES

SECONDS = 6.0  # of speech, up to which sentences share a scene
LONGEST_CUES = 10.0  # seconds after which subtitles without marks begin another scene
MOST_CHARACTERS, MOST_ABOUT, MOST_TITLE = 2000, 500, 300  # of a scene's words and picture, subject; of a film
LONGEST_SCENE = 600.0  # seconds

_VOICE = "voice_over vo voice words 解说词 旁白文案 字幕 旁白/台词 台词/旁白"
_SEEN = "picture image visual visuals draw 画面 画面内容 画面描述 画面说明 视觉 图片 配图"
_LENGTH = "seconds duration length time 时长 秒 秒数 时间 时长(秒) 时长（秒）"
_COLUMNS = {
    "say": {*REPLIES, *_VOICE.split()},
    "draw": {*_SEEN.split()},
    "seconds": {*_LENGTH.split()},
}


@dataclass(frozen=True)
class Part:
    """A scene's words; what its picture shall show and what it is about, where the script says so.

    seconds: its length by the script's times; 0: as its words take.
    """

    say: str
    draw: str = ""
    about: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Script:
    """A script's parts in order; its title where it has one; what was mended to read it."""

    parts: tuple[Part, ...]
    title: str = ""
    notes: tuple[Mistake, ...] = ()

    @property
    def name(self) -> str:
        """The title, else the first words."""
        first = next(part.say for part in self.parts if _speaks(part.say))
        return self.title or beginning(first)

    @property
    def words(self) -> str:
        """All that is said."""
        return " ".join(part.say for part in self.parts)


def read(path: Path) -> Script:
    """The script in a file: text, Markdown, Word, subtitles of any kind, or a table with a column of words.

    Raises Mistake where it can't be read, says nothing, or makes more scenes than a film has.
    """
    found = document.read(path)
    headings: list[str] = []
    parts = [part for piece in found.pieces for part in _parts(piece, headings)]
    if not any(_speaks(part.say) for part in parts):
        parts = [Part(heading) for heading in headings]
    parts = [short for part in _with_words(parts) for short in _short(part)]
    if not parts:
        raise Mistake("{path} has no words to say; write what the film shall say.", path=path)
    if len(parts) > MOST_SCENES:
        raise Mistake(
            "{path} makes {count} scenes, and a film has {most} at most; make several films of it.",
            path=path,
            count=len(parts),
            most=MOST_SCENES,
        )
    title = headings[0] if headings and all(part.about != headings[0] for part in parts) else ""
    return Script(tuple(parts), title[:MOST_TITLE], found.notes)


def kept(text: str, folder: Path) -> Path:
    """A pasted script as a new file in `folder`, which `read` reads; returns its path."""
    return document.kept(text, folder, "script")


def _parts(piece: document.Piece, headings: list[str]) -> list[Part]:
    """A piece's parts; adds its headings, the film's title first, to `headings`."""
    if isinstance(piece, str):
        return _of_text(piece, headings)
    if isinstance(piece, document.Cues):
        return _of_cues(piece.cues)
    return _of_table(piece)


def beginning(text: str) -> str:
    """The first words of a text, as a film's name: its first clause, cut where that is long."""
    first = re.split(r"(?<=\w)[,，。！？；：.!?;:…](?:\s|$)|(?<=[^\x00-\x7f])[，。！？；：…]", text)[0]
    first = first.strip().rstrip(".。!！?？,，")
    most = 16 if IDEOGRAPH.search(first) else 48
    if len(first) > most:
        first = (first[:most].rsplit(" ", 1)[0] if " " in first[:most] else first[:most]) + "…"
    return first or text[:most]


def _speaks(text: str) -> bool:
    return bool(re.search(r"\w", text))


def _run_on(lines: Sequence[str]) -> str:
    """Lines as one: a space between them, but none after a Chinese mark."""
    whole = ""
    for line in filter(None, map(one_line, lines)):
        close = not whole or (
            whole[-1] in "，。！？；：、…”’」』）》" and IDEOGRAPH.match(line.lstrip("“‘「『《（") or line)
        )
        whole += line if close else f" {line}"
    return whole


def _with_words(parts: Sequence[Part]) -> list[Part]:
    """Parts where each says something or is a picture alone; signs that stand alone join their neighbour."""
    found: list[Part] = []
    for part in parts:
        before = found[-1] if found else None
        alone = bool(before and before.say and not _speaks(before.say))
        if before and (alone or (part.say and not _speaks(part.say) and not part.draw)):
            say, seconds = _run_on([before.say, part.say]), before.seconds + part.seconds
            found[-1] = Part(say, before.draw or part.draw, before.about or part.about, seconds)
        else:
            found.append(part)
    return found if any(_speaks(part.say) for part in found) else []


def _short(part: Part) -> list[Part]:
    """A part as it is; one of more than `MOST_CHARACTERS` as several under one picture."""
    texts = list(_cut(part.say))
    seconds = round(min(part.seconds / len(texts), LONGEST_SCENE), 2)
    return [Part(text, part.draw[:MOST_CHARACTERS], part.about[:MOST_ABOUT], seconds) for text in texts]


def _cut(text: str) -> Iterator[str]:
    """Pieces of at most `MOST_CHARACTERS`: to a sentence's end, else a word's, else as many as may be."""
    while len(text) > MOST_CHARACTERS:
        most = text[: MOST_CHARACTERS + 1]
        ends = [match.end() for match in re.finditer(r"[。！？]|[.!?…](?= )", most[:MOST_CHARACTERS])]
        at = ends[-1] if ends else most.rfind(" ") if most.rfind(" ") > 0 else MOST_CHARACTERS
        yield text[:at].strip()
        text = text[at:].strip()
    yield text


@dataclass
class _Scene:
    """A scene that is being read. whole: it was marked as one, so it isn't parted however long it is."""

    about: str = ""
    whole: bool = False
    seconds: float = 0.0
    draw: list[str] = field(default_factory=list)
    say: list[str] = field(default_factory=list)


def _of_text(text: str, headings: list[str]) -> list[Part]:
    lines = lines_of(text)
    headings += [line.text for line in lines if line.kind in ("title", "heading")]
    found = [scene for scene in _scenes(lines) if scene.say or scene.draw]
    alone = len(found) == 1
    parts: list[Part] = []
    for scene in found:
        said, draw = _run_on(scene.say), ", ".join(scene.draw)
        enough = SECONDS if alone else WHOLE * SECONDS
        long = not scene.whole and spoken_seconds(said) > enough
        texts = passages(_sentences(said), SECONDS) if long else [said]
        parts += [Part(one, draw, scene.about, scene.seconds) for one in texts]
    return parts


def _scenes(lines: Sequence[Line]) -> list[_Scene]:
    """Lines as scenes: as they are marked, else by blank lines, headings and pictures."""
    marked, about = any(line.kind == "mark" for line in lines), ""
    counted = not marked and is_counted(lines)
    scenes = [_Scene(whole=marked)]
    for at, line in enumerate(lines):
        now = scenes[-1]
        last = all(later.kind != "said" for later in lines[at + 1 : at + 2])
        if line.kind == "heading":
            about = line.text
        begins = line.kind in ("mark", "heading") or (counted and bool(COUNTED.match(line.text)))
        if not marked:
            begins |= line.kind == "blank" and bool(now.say)
            begins |= line.kind == "picture" and bool(now.say) and (bool(now.draw) or not last)
        if begins:
            now = _Scene(about, marked or counted, line.seconds)
            scenes.append(now)
        if line.kind == "about":
            now.about = line.text or now.about
        elif line.kind == "picture":
            now.draw.append(line.text)
            now.whole = True
        elif line.kind == "said":
            now.say.append(line.text)
    return scenes


def _sentences(text: str) -> list[str]:
    """A text's sentences; `Dr.` ends none."""
    found: list[str] = []
    for piece in sentences(text):
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


def _of_cues(cues: Sequence[Cue]) -> list[Part]:
    """Subtitles' sentences in scenes of their own times, each up to where the next begins."""
    told: list[list[Cue]] = []
    for cue in cues:
        if told and not _ends(told[-1], cue):
            told[-1].append(cue)
        else:
            told.append([cue])
    scenes: list[list[Cue]] = []
    for group in told:
        if scenes and group[-1].end - scenes[-1][0].start <= SECONDS and not _pauses(scenes[-1], group[0]):
            scenes[-1] += group
        else:
            scenes.append(group)
    ends = [*(scene[0].start for scene in scenes[1:]), *(scene[-1].end for scene in scenes[-1:])]
    return [
        _shown(_run_on([line for cue in scene for line in cue.text.split("\n")]), end - scene[0].start)
        for scene, end in zip(scenes, ends, strict=True)
    ]


def _shown(text: str, seconds: float) -> Part:
    """A part of subtitles; what its picture shall show is no word of it."""
    shown = [(match[1] or match[2] or "").strip() for match in PICTURE.finditer(text)]
    said = one_line(PICTURE.sub(" ", text)) if shown else text
    return Part(said, ", ".join(filter(None, shown)), seconds=min(max(seconds, 0.0), LONGEST_SCENE))


def _pauses(before: Sequence[Cue], cue: Cue) -> bool:
    return cue.start - before[-1].end > PAUSE


def _ends(sentence: Sequence[Cue], cue: Cue) -> bool:
    """Whether what was said before a cue is a whole sentence, or long enough."""
    ended = re.search(r"[.!?…。！？][\"'”’」』）)]*$", sentence[-1].text.rstrip())
    long = cue.end - sentence[0].start > LONGEST_CUES
    return bool(ended) or long or _pauses(sentence, cue)


def _of_table(rows: Sequence[Sequence[str]]) -> list[Part]:
    """A table's rows as scenes, by its columns of words, pictures and seconds; without these all is said."""
    header = [key(cell) for cell in rows[0]] if rows else []
    column = {
        what: next((at for at, name in enumerate(header) if name in names), None)
        for what, names in _COLUMNS.items()
    }
    if column["say"] is None:
        return [Part(_run_on(row)) for row in rows if any(map(str.strip, row))]

    def cell(row: Sequence[str], what: str) -> str:
        at = column[what]
        return one_line(row[at]) if at is not None and at < len(row) else ""

    parts = [Part(cell(row, "say"), cell(row, "draw"), "", _length(cell(row, "seconds"))) for row in rows[1:]]
    return [part for part in parts if part.say or part.draw]


def _length(text: str) -> float:
    """The seconds in a cell: `5`, `3.5s`, `0:05-0:09`; 0 where there are none."""
    if timing := span(text):
        return min(timing[1], LONGEST_SCENE)
    number = re.search(r"\d{1,3}(?:\.\d{1,2})?", text)
    return min(float(number[0]), LONGEST_SCENE) if number else 0.0
