"""How long a text takes to say, and texts cut to a spoken length. The one place for the pace of speech.

Works on plain strings: letters, Chinese characters and pauses. Knows nothing about files or scenes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

# hibari's speech without the silence around it, fitted on 28 narration lines (mean error 0.13 s of 4.2 s)
LEAD_SECONDS, SECONDS_A_LETTER, SECONDS_A_PAUSE = 0.42, 0.0507, 0.246
SECONDS_AN_IDEOGRAPH = 0.22
# A reader's pace, for a video without a voice: English words, and characters of scripts without spaces.
WORDS_PER_SECOND, CHARACTERS_PER_SECOND = 2.6, 4.2
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


def spoken_seconds(text: str, speed: float = 1.0) -> float:
    """How long the embedded voice takes to say a text, in seconds, estimated from its length and pauses."""
    ideographs = len(IDEOGRAPH.findall(text))
    letters = len(text) - ideographs
    pauses = len(re.findall(r"[.,;:!?](?=\s)|[。，；：！？](?=.)", text))
    said = letters * SECONDS_A_LETTER + ideographs * SECONDS_AN_IDEOGRAPH
    return (LEAD_SECONDS + said + pauses * SECONDS_A_PAUSE) / speed


def words_for(seconds: float, spoken: Callable[[str], float], like: str) -> int:
    """About how many words (see `words`) of a text such as `like` are spoken in so many seconds."""
    return max(4, round(seconds * words(like) / spoken(like)))


def words(text: str) -> float:
    """Length of a text in words; a Chinese, Japanese or Korean character counts 0.6."""
    dense = len(DENSE.findall(text))
    return dense * 0.6 + len(re.findall(r"[^\W_]+(?:['’][^\W_]+)?", DENSE.sub(" ", text)))


def one_line(text: str) -> str:
    """A text on one line, without doubled spaces."""
    return " ".join(text.split())


def flowing(text: str) -> str:
    """Lines as running text: spaces between words, a comma between Chinese lines that end without a mark."""
    whole = ""
    for line in filter(None, map(one_line, text.split("\n"))):
        if not whole or (not whole[-1].isascii() and not DENSE.match(whole[-1])):
            whole += line if DENSE.match(line) or not whole else f" {line}"
        else:
            whole += f"，{line}" if DENSE.match(whole[-1]) and DENSE.match(line) else f" {line}"
    return whole


def sentences(text: str) -> list[str]:
    """Sentences with their marks, in order; a closing quotation mark stays with its sentence."""
    parts = re.split(
        r"(?<=[。！？…])(?![”’」』。！？…])|(?<=[.!?…][”’\"')])\s+|(?<=[.!?…])\s+|(?<=[。！？][”’」』])",
        one_line(text),
    )
    return [part.strip() for part in parts if part and part.strip()]


def joined(parts: Sequence[str]) -> str:
    """Sentences as one text: a space between words, none after a Chinese mark."""
    whole = ""
    for part in parts:
        whole = _glued(whole, part) if whole else part
    return whole


def passages(parts: Sequence[str], seconds: float) -> list[str]:
    """Sentences joined to passages of at most `seconds` of speech, the last not left shorter than a third.

    A sentence longer than two passages (subtitles without marks) is cut between words.
    """
    pieces = [piece for part in parts for piece in _cut(part, seconds)]
    found: list[str] = []
    for piece in pieces:
        if found and spoken_seconds(_glued(found[-1], piece)) <= seconds:
            found[-1] = _glued(found[-1], piece)
        else:
            found.append(piece)
    if len(found) > 1 and spoken_seconds(found[-1]) < seconds / 3:
        last = found.pop()
        found[-1] = _glued(found[-1], last)
    return found


def _glued(left: str, right: str) -> str:
    first = right.lstrip("“‘「『《（") or right
    return left + right if DENSE.match(first[0]) and not left[-1].isascii() else f"{left} {right}"


def _cut(sentence: str, seconds: float) -> list[str]:
    if spoken_seconds(sentence) <= 2 * seconds:
        return [sentence]
    tokens = re.findall(r"\S+\s*" if not DENSE.search(sentence) else r"[^，,；;]+[，,；;]?", sentence)
    pieces, piece = [], ""
    for token in tokens:
        if piece and spoken_seconds(piece + token) > seconds:
            pieces.append(piece.strip())
            piece = ""
        piece += token
    return [*pieces, piece.strip()]
