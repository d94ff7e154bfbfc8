"""Subtitles (srt, vtt, ass) as passages of spoken text: cues joined until a pause or the chosen length.

srt and vtt are read here, because rolling captions and hand-made files need lines as they stand; ass and ssa
by pysubs2.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.settings import TextCleaning
from core.texts.cleaning import clean
from core.texts.records import Pair, unopened
from core.texts.speech import DENSE, flowing, one_line, passages, sentences

PAUSE = 2.0  # seconds of silence that end a passage


@dataclass(frozen=True)
class Cue:
    """A text, from `start` to `end` in seconds."""

    start: float
    end: float
    text: str


_TIMES = re.compile(
    r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)


def timed(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """Srt and vtt: spoken passages."""
    return _passages(_cues(text, choices), choices)


def styled(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """Ass and ssa: spoken passages of the dialogue, without comments, drawings and karaoke layers."""
    import pysubs2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            events = pysubs2.SSAFile.from_string(text, format_="ass").events
    except (ValueError, LookupError, pysubs2.Pysubs2Error) as error:
        raise unopened(path, type(error).__name__) from None
    found: list[Cue] = []
    before = ""
    for event in sorted(events, key=lambda event: event.start):
        name = f"{event.name}: " if choices.keep_speakers and event.name else ""
        said = one_line(clean(event.plaintext, choices))
        if event.type == "Dialogue" and not event.is_drawing and said and said != before:
            found.append(Cue(event.start / 1000, event.end / 1000, name + said))
            before = said
    return _passages(found, choices)


def _passages(cues: Iterable[Cue], choices: TextCleaning) -> Iterator[Pair]:
    """Cues joined until a pause of `PAUSE` seconds or enough whole sentences."""
    spoken: list[str] = []
    parts: list[str] = []
    last_end = 0.0
    for cue in cues:
        if parts and cue.start - last_end > PAUSE:
            spoken += _spoken(parts, choices)
            parts = []
        parts.append(cue.text)
        last_end = cue.end
    spoken += _spoken(parts, choices)
    return (("", passage) for passage in spoken)


def _spoken(parts: Sequence[str], choices: TextCleaning) -> list[str]:
    text = flowing("\n".join(parts))
    whole = f"{text}。" if text and DENSE.match(text[-1]) else text
    return passages(sentences(whole), choices.seconds)


def _cues(text: str, choices: TextCleaning) -> list[Cue]:
    """Cues in the file's order; lines that rolling captions repeat from the cue before are dropped."""
    found: list[Cue] = []
    before: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().split("\n")
        at = next((index for index, line in enumerate(lines[:3]) if _TIMES.search(line)), None)
        if at is None:
            continue
        match = _TIMES.search(lines[at])
        assert match is not None
        numbers = [int(part or 0) for part in match.groups()]
        bare = (re.sub(r"<[^<>]{0,200}>", "", line) for line in lines[at + 1 :])
        said = [one for one in (one_line(clean(line, choices)) for line in bare) if one]
        fresh = [line.lstrip(">-– ") for line in said if line not in before]
        before = said
        if fresh:
            found.append(Cue(_seconds(numbers[:4]), _seconds(numbers[4:]), " ".join(fresh)))
    return found


def _seconds(numbers: Sequence[int]) -> float:
    hours, minutes, seconds, thousandths = numbers
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
