"""Subtitles as passages of spoken text: cues joined until a pause or the chosen length.

Their times order the cues and are no part of the text; what speakers are called is, by choice. srt, vtt and
sbv are read here, because rolling captions and hand-made files need lines as they stand, and lrc; ass, ttml
and sami by pysubs2.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.settings.data import TextCleaning
from core.texts.cleaning import clean, speakers
from core.texts.records import Found, Pair, taken, unopened
from core.texts.speech import one_line, run_on

PAUSE = 2.0  # seconds of silence that end a passage


@dataclass(frozen=True)
class Cue:
    """A text, from `start` to `end` in seconds."""

    start: float
    end: float
    text: str


_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2}(?:[.,]\d{1,3})?)"
_TIMES = re.compile(rf"(?m)^[ \t]*{_TIME}[ \t]*(?:-->|,(?=\d+:))[ \t]*{_TIME}(?:[ \t]+\w+:\S+)*[ \t]*$")
_BEGINNING = re.compile(rf"(?m)^(?:[ \t]*\d+[ \t]*\n)?(?={_TIMES.pattern.removeprefix('(?m)^')})")
_STAMP = re.compile(r"\[(?:(\d{1,4}):)?(\d{1,6}):(\d{2}(?:[.,:]\d{1,3})?)\]")  # before a line, in lrc
FORMATS = {".ttml": "ttml", ".dfxp": "ttml", ".smi": "sami", ".sami": "sami"}  # of pysubs2; others: ass
STYLED = (".ass", ".ssa", *FORMATS)
KINDS = (".srt", ".vtt", ".sbv", ".lrc", *STYLED)
_TAG = re.compile(r"<[^<>]{0,200}>")
_UNCLOSED = re.compile(r"\{([^{}\n]*)(?=[{\n]|\Z)")  # pysubs2 looks for the end of each from each
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")  # pysubs2 finds it in the square of the tags
_VOICE = re.compile(r"<v(?:\.[\w.]+)?[ \t]+([^<>]{1,80})>")  # a speaker, in vtt


def ending(text: str) -> str:
    """The ending of a file of subtitles with this text: .vtt, .ass or .srt; "" where it is something else."""
    first = text.strip().partition("\n")[0].strip()
    if first == "[Script Info]":
        return ".ass"
    if _TIMES.search(text):
        return ".vtt" if first.startswith("WEBVTT") else ".srt"
    return ""


def timed(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """Srt, vtt and sbv: spoken passages."""
    written = yield from taken(path, list(_written(text, choices.keep_speakers)))
    yield from _passages(_cues(written, choices), choices)


def lyrics(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """Lrc: lines in the order of their times, which each may have several of; a time alone is a pause."""
    lines = yield from taken(path, [line for line in text.split("\n") if line.strip()])
    sung = (replace(cue, text=one_line(clean(cue.text, choices))) for cue in _sung(lines))
    yield from _passages((cue for cue in sung if cue.text), choices)


def styled(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """Ass, ssa, ttml and sami: spoken passages of the dialogue, without comments and drawings.

    Raises Mistake where it can't be read.
    """
    choices = _times_kept(choices)
    events = list((yield from taken(path, _events(path, text))))
    names = speakers("\n".join(event.plaintext for event in events))
    found: list[Cue] = []
    before = ""
    for event in sorted(events, key=lambda event: event.start):
        name = f"{event.name}: " if choices.keep_speakers and event.name else ""
        said = one_line(clean(event.plaintext, choices, names))
        if _is_said(event) and said and said != before:
            found.append(Cue(event.start / 1000, event.end / 1000, name + said))
            before = said
    yield from _passages(found, choices)


def cues(path: Path, text: str) -> list[Cue]:
    """All that is said in a file of subtitles of any kind, as it stands there but for its tags, by its times.

    Lines stay lines. What rolling captions, or a line's shadow, say a second time is left out; nothing else
    is. Raises Mistake for a damaged file.
    """
    kind = path.suffix.lower() if path.suffix.lower() in KINDS else ending(text)
    if kind == ".lrc":
        found = _sung(text.split("\n"))
    elif kind in STYLED:
        events = sorted(filter(_is_said, _events(path, text)), key=lambda event: event.start)
        told = (Cue(event.start / 1000, event.end / 1000, event.plaintext) for event in events)
        found = list(dict.fromkeys(told))
    else:
        found = [Cue(start, end, "\n".join(lines)) for start, end, lines in _written(text, keep_voices=False)]
    return [cue for cue in _unrolled(found) if cue.text.strip()]


def _unrolled(found: Sequence[Cue]) -> list[Cue]:
    """Cues without lines that each repeats of the one before, where many do: captions that roll upwards."""
    lines = [list(filter(None, map(one_line, cue.text.split("\n")))) for cue in found]
    before = [[], *lines[:-1]]
    rolling = sum(bool(set(mine) & set(other)) for mine, other in zip(lines, before, strict=False))
    if rolling <= len(found) / 3:
        return list(found)
    fresh = ([line for line in mine if line not in other] for mine, other in zip(lines, before, strict=False))
    return [replace(cue, text="\n".join(mine)) for cue, mine in zip(found, fresh, strict=True)]


def _sung(lines: Iterable[str]) -> list[Cue]:
    """The lines of an lrc by their times, each up to the next; a time alone has no text."""
    found = []
    for line in lines:
        said = _TAG.sub("", _STAMP.sub("", line)).strip()
        found += [Cue(at, at, said) for at in (_seconds(stamp.groups()) for stamp in _STAMP.finditer(line))]
    found.sort(key=lambda cue: cue.start)
    nexts = itertools.pairwise([*found, *found[-1:]])
    return [replace(cue, end=after.start) for cue, after in nexts]


def _events(path: Path, text: str) -> list[Any]:
    """What pysubs2 reads of ass, ssa, ttml and sami. Raises Mistake for a damaged file."""
    import pysubs2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            format_ = FORMATS.get(path.suffix.lower(), "ass")
            return pysubs2.SSAFile.from_string(_UNCLOSED.sub(r"\1", text), format_=format_).events
    except Exception as error:  # of a damaged one pysubs2 raises errors of many kinds
        raise unopened(path, type(error).__name__) from None


def _is_said(event: Any) -> bool:
    """Whether an event is dialogue, no comment and no drawing."""
    return event.type == "Dialogue" and not _DRAWING.search(event.text)


def _passages(cues: Iterable[Cue], choices: TextCleaning) -> Iterator[Pair]:
    """Cues joined until a pause of `PAUSE` seconds or enough whole sentences."""
    spoken: list[str] = []
    parts: list[str] = []
    last_end = 0.0
    for cue in cues:
        if parts and cue.start - last_end > PAUSE:
            spoken += run_on(parts, choices.seconds)
            parts = []
        parts.append(cue.text)
        last_end = cue.end
    spoken += run_on(parts, choices.seconds)
    return (("", passage) for passage in spoken)


def _times_kept(choices: TextCleaning) -> TextCleaning:
    """A cue's times stand outside of its text: one that stands in it was said."""
    return choices.model_copy(update={"keep_timestamps": True})


def _cues(written: Sequence[tuple[float, float, list[str]]], choices: TextCleaning) -> list[Cue]:
    """Cues in the file's order; lines that rolling captions repeat from the cue before are dropped."""
    choices = _times_kept(choices)
    names = speakers("\n".join(line for _, _, lines in written for line in lines))
    found: list[Cue] = []
    before: list[str] = []
    for start, end, lines in written:
        said = [one for one in (clean(line, choices, names) for line in lines) if one]
        fresh = [line for line in said if line not in before]
        before = said
        if not choices.keep_speakers:
            fresh = [line.lstrip(">-– ") for line in fresh]
        if fresh:
            found.append(Cue(start, end, " ".join(fresh)))
    return found


def _written(text: str, keep_voices: bool) -> Iterator[tuple[float, float, list[str]]]:
    """(start, end, lines without tags) of each cue, also where no blank line stands between cues."""
    for block in re.split(r"\n\s*\n", _BEGINNING.sub("\n\n", text)):
        if times := _TIMES.search(block):
            parts = times.groups()
            lines = block[times.end() :].strip().split("\n")
            named = (_VOICE.sub(r"\1: " if keep_voices else "", line) for line in lines)
            bare = [_TAG.sub("", line) for line in named]
            yield _seconds(parts[:3]), _seconds(parts[3:]), bare


def _seconds(parts: Sequence[str | None]) -> float:
    """Hours (None: none), minutes and seconds, a fraction after a point, comma or colon."""
    hours, minutes, seconds = (re.sub("[,:]", ".", part or "0") for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
