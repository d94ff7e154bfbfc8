"""Letters to the sounds that Kokoro was trained on, in two languages that may stand in one sentence.

English by the dictionary, tagger and rules of misaki as hibari's package carries them (no spaCy, no GPL; both
American and British), Mandarin by `mandarin`. Gives each written word its own phonemes, so that what is heard
can be found again in what is read. Knows no models.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.texts.letters import HAN, HAN_SIGN
from core.video.audio.speech import split_words
from core.video.audio.voices import mandarin


@dataclass(frozen=True)
class Sound:
    """The phonemes of one spoken word, with the marks and blanks behind; `word`: which written word it is."""

    phonemes: str
    word: int


def sounds(text: str, language: str, british: bool = False) -> list[Sound]:
    """A text's spoken words in order, each with the place of its written word in `split_words(text)`.

    language: `zh` says numbers in Chinese, any other in English.
    """
    made: list[Sound] = []
    words = split_words(text)
    chinese = [bool(HAN_SIGN.search(word)) for word in words]
    if language == "zh":
        numbers = [any(map(str.isdigit, word)) and not re.search("[A-Za-z]", word) for word in words]
        chinese = [han or number for han, number in zip(chinese, numbers, strict=True)]
    at = 0
    while at < len(words):
        end = at + 1
        while end < len(words) and chinese[end] == chinese[at]:
            end += 1
        made += _chinese(words[at:end], at) if chinese[at] else _english(words[at:end], at, british)
        at = end
    return [*made[:-1], replace(made[-1], phonemes=made[-1].phonemes.rstrip())] if made else []


def _chinese(words: Sequence[str], first: int) -> list[Sound]:
    """Characters, numbers and the marks between them; `first`: the place of the first word."""
    owners = [first + at for at, word in enumerate(words) for _ in word]
    spoken, whose, at = "", list[int](), 0
    for written, said in mandarin.numbers("".join(words)):
        whose += owners[at : at + len(written)] if said == written else [owners[at]] * len(said)
        spoken, at = spoken + said, at + len(written)
    made: list[Sound] = []
    for match in re.finditer(f"[{HAN}]+|.", spoken):
        run, owner = match.group(), whose[match.start() : match.end()]
        if HAN_SIGN.match(run):
            made += [Sound(*one) for one in zip(mandarin.sounds(run), owner, strict=True)]
            continue
        if made:  # a mark stands at its word
            made[-1] = replace(made[-1], phonemes=made[-1].phonemes.rstrip())
        made.append(Sound(mandarin.MARKS.get(run, run), owner[0]))
    return made


def _english(words: Sequence[str], first: int, british: bool) -> list[Sound]:
    """Words as hibari's reading of misaki says them, each found again among those that were written."""
    from hibari.g2p import normalize

    plain = ["".join(mandarin.MARKS.get(sign, sign) for sign in word).strip() for word in words]
    groups = _groups(_english_reader(british), normalize(" ".join(plain)))
    made: list[Sound] = []
    matcher = difflib.SequenceMatcher(None, plain, [text for text, _ in groups], autojunk=False)
    for _, low, high, start, end in matcher.get_opcodes():
        for at in range(start, end):
            share = (at - start) * (high - low) // (end - start)
            made.append(Sound(f"{groups[at][1]} ", first + min(max(low + share, 0), len(words) - 1)))
    return made


def _groups(reader: Any, text: str) -> list[tuple[str, str]]:
    """What stands between blanks of a text that is spelt out, with its phonemes."""
    groups: list[tuple[str, str]] = []
    written = said = ""
    for token in reader.phonemize_tokens(reader.tokenize(text)):
        written, said = written + token.text, said + (token.phonemes or "")
        if token.whitespace:
            groups.append((written, said))
            written = said = ""
    return [*groups, (written, said)] if written else groups


@functools.cache
def _english_reader(british: bool) -> Any:
    from hibari.g2p import G2P

    return G2P(british=british)
