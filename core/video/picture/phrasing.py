"""Which words of a scene stand together, on how many lines, and from when to when.

Works on timed words; where a line may be broken stands in core.video.picture.typesetting, how captions are
drawn in core.video.picture.captions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.texts import chinese
from core.texts.letters import WIDE
from core.video.audio.speech import Word
from core.video.picture.lettering import Look, caption_area, padding
from core.video.picture.typesetting import (
    MARKS,
    SHRINK,
    STEP,
    fitted,
    held,
    least_size,
    letter_size,
    line_text,
    line_width,
    parts,
)

KEPT_WHOLE = 20  # letters up to which a word is drawn smaller before it is broken
PARTED = 4.0  # what it costs to part what stands together: it is done where nothing else fits
HOLD = 0.35  # seconds a phrase stays after its last word, where nothing follows
GAP = 0.8  # seconds of silence up to which a phrase stays until the next one
LEAD = 0.05  # seconds a phrase appears before its first word
PHRASE_CHARACTERS = 26  # a comfortable length at a glance
STOPS = ".!?…。！？"
PAUSES = ",;:—–，；：、"
WEAK_WORDS = (
    "a an the of to in on at by for and or but with from as into than that is are was were its his her their "
    "my your our this these those over under through"
)
WEAK = frozenset(WEAK_WORDS.split())
SIGN = rf"\W*{WIDE.pattern}\W*"  # a Chinese sign with its punctuation, as core.video.audio.speech parts them


@dataclass(frozen=True)
class Phrase:
    """Words shown together: lines of words, and when it is shown, in seconds, in letters of `size`."""

    lines: tuple[tuple[Word, ...], ...]
    start: float
    end: float
    size: float

    @property
    def words(self) -> tuple[Word, ...]:
        """Its words in reading order."""
        return tuple(itertools.chain.from_iterable(self.lines))

    @property
    def text(self) -> str:
        """Its lines as text."""
        return "\n".join(line_text([word.text for word in line]) for line in self.lines)


def phrases(words: Sequence[Word], look: Look, width: int, height: int) -> tuple[Phrase, ...]:
    """One scene's words as phrases of at most `look.lines` lines that fit `caption_area`, broken where one
    breathes; each word alone where the look shows them one by one.

    The breaks are the cheapest of all: length near `PHRASE_CHARACTERS`, ends at punctuation, not after a
    weak word such as "the", within a word or between a number and its unit. A word too wide for a line is
    drawn a little smaller where it is short and that is enough, else it comes in parts.
    """
    size = letter_size(look.size, width, height)
    least = max(least_size(width, height), SHRINK * size)
    room = caption_area(width, height).width - 2 * padding(look, size)
    words = [part for word in in_words(words) for part in _parts(word, look.font, size, room, least)]
    runs = held([word.text for word in words])
    if look.show == "word":
        cuts = [0, *itertools.accumulate(len(run) for run in runs)]
    else:
        cuts = _cuts(words, runs, look, size, room)
    made = [_phrase(words[start:end], look, size, room, least) for start, end in itertools.pairwise(cuts)]
    return tuple(
        replace(phrase, end=_shown_until(phrase, made[at + 1] if at + 1 < len(made) else None))
        for at, phrase in enumerate(made)
    )


def in_words(words: Sequence[Word]) -> Iterator[Word]:
    """The words, Chinese signs that are one word put together; nothing is put together over punctuation."""
    for wide, run in itertools.groupby(words, key=lambda word: bool(re.fullmatch(SIGN, word.text))):
        signs = list(run)
        if not wide:
            yield from signs
            continue
        at = 0
        for cut in chinese.usual().lcut("".join(WIDE.findall("".join(sign.text for sign in signs)))):
            for part in _unparted(signs[at : at + len(cut)]):
                yield Word("".join(one.text for one in part), part[0].start, part[-1].end)
            at += len(cut)


def _unparted(signs: Sequence[Word]) -> Iterator[list[Word]]:
    """Signs in runs without punctuation inside."""
    run: list[Word] = []
    for sign in signs:
        if run and (run[-1].text[-1:] != WIDE.findall(run[-1].text)[0] or not WIDE.match(sign.text)):
            yield run
            run = []
        run.append(sign)
    yield run


def _cuts(
    words: Sequence[Word], runs: Sequence[Sequence[str]], look: Look, size: float, room: float
) -> list[int]:
    """Where phrases begin and end, counted in words; see `phrases`."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    whole = set(itertools.accumulate(len(run) for run in runs))
    for end in range(1, len(words) + 1):
        options: list[tuple[float, int]] = []
        for start in range(max(0, end - 24), end):
            texts = [word.text for word in words[start:end]]
            if end - start > 1 and fitted(texts, look.font, size, room, look.lines) is None:
                continue
            cost = _cost(words[start:end], end == len(words)) + PARTED * (end not in whole)
            options.append((best[start][0] + cost, start))
        best.append(min(options))
    cuts = [len(words)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    return cuts[::-1]


def shifted(phrase: Phrase, seconds: float) -> Phrase:
    """The same phrase later by `seconds`."""
    lines = tuple(
        tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in line)
        for line in phrase.lines
    )
    return replace(phrase, lines=lines, start=max(0.0, phrase.start + seconds), end=phrase.end + seconds)


def _parts(word: Word, font: str, size: float, room: float, least: float) -> list[Word]:
    """The word where it is short and letters of `least` fit, else its parts, each said for its share."""
    fits = len(word.text) <= KEPT_WHOLE and line_width([word.text], font, least) <= room
    texts = [word.text] if fits else parts(word.text, font, size, room)
    reach = [0, *itertools.accumulate(len(text) for text in texts)]
    times = [word.start + (word.end - word.start) * letters / reach[-1] for letters in reach]
    return [Word(text, *when) for text, when in zip(texts, itertools.pairwise(times), strict=True)]


def _cost(words: Sequence[Word], last: bool) -> float:
    """How ill these words stand together as one phrase; see `phrases`."""
    text = line_text([word.text for word in words])
    wide = len(WIDE.findall(text))
    cost = ((len(text) + wide) / PHRASE_CHARACTERS - 1) ** 2 + 0.35
    end = words[-1].text.rstrip("\"'”’)」』")
    if end[-1:] in STOPS:
        cost -= 0.8
    elif end[-1:] in PAUSES:
        cost -= 0.45
    elif end.lower() in WEAK and not last:
        cost += 0.5
    inner = [word.text.rstrip("\"'”’)」』")[-1:] for word in words[:-1]]
    cost += 1.2 * sum(mark != "" and mark in STOPS for mark in inner)
    cost += 0.25 * sum(mark != "" and mark in PAUSES for mark in inner)
    cost += 0.6 if end.endswith(tuple(MARKS)) else 0.0
    return cost + (0.5 if len(words) == 1 and not wide else 0.0)


def _phrase(words: Sequence[Word], look: Look, size: float, room: float, least: float) -> Phrase:
    """Words as a phrase; what is too wide for the room is drawn smaller, down to `least`."""
    texts = [word.text for word in words]
    while (lines := fitted(texts, look.font, size, room, look.lines)) is None and size > least:
        size = max(size * STEP, least)
    if lines is None:  # a number and its unit, shown as one word, that no letters fit
        lines = [[text] for text in texts]
    ends = itertools.accumulate((len(line) for line in lines), initial=0)
    rows = tuple(tuple(words[start:end]) for start, end in itertools.pairwise(ends))
    return Phrase(rows, max(0.0, words[0].start - LEAD), words[-1].end, size)


def _shown_until(phrase: Phrase, following: Phrase | None) -> float:
    if following is not None and following.start - phrase.end < GAP:
        return following.start
    return phrase.end + HOLD
