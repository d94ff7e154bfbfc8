"""How long a text takes to say, and texts cut to a spoken length. The one place for the pace of speech.

Works on plain strings: letters, Chinese characters and pauses. Knows nothing about files or scenes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from core.texts.letters import DENSE, IDEOGRAPH, SYLLABLE

# hibari's speech without the silence around it, fitted on 28 narration lines (mean error 0.13 s of 4.2 s)
LEAD_SECONDS, SECONDS_A_LETTER, SECONDS_A_PAUSE = 0.42, 0.0507, 0.246
SECONDS_AN_IDEOGRAPH = 0.22
SECONDS_A_SYLLABLE = 0.18  # of Korean, in which a sign is one
SECONDS_A_DIGIT = 0.28  # Kokoro's, in both languages: "2024" takes 1.1 s
WHOLE = 2.5  # times the chosen length up to which a text that stands alone isn't split
# A reader's pace, for a video without a voice: English words, and characters of scripts without spaces.
WORDS_PER_SECOND, CHARACTERS_PER_SECOND = 2.6, 4.2
SENTENCE = re.compile(r"[^.!?…。！？]*(?:[。！？]+[\"'”’」』）)]*|[.!?…]+[\"'”’)]*(?=\s|$))")
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e|[A-Z])\.$")


def spoken_seconds(text: str, speed: float = 1.0) -> float:
    """How long a voice takes to say a text, in seconds, estimated from its length, numbers and pauses."""
    ideographs = len(IDEOGRAPH.findall(text))
    syllables = len(SYLLABLE.findall(text))
    digits = sum(map(str.isdigit, text))
    letters = len(text) - ideographs - syllables - digits
    pauses = len(re.findall(r"[.,;:!?](?=\s)|[。，；：！？](?=.)", text))
    said = letters * SECONDS_A_LETTER + ideographs * SECONDS_AN_IDEOGRAPH + syllables * SECONDS_A_SYLLABLE
    return (LEAD_SECONDS + said + digits * SECONDS_A_DIGIT + pauses * SECONDS_A_PAUSE) / speed


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
            whole += line if IDEOGRAPH.match(line) or not whole else f" {line}"
        else:
            whole += f"，{line}" if IDEOGRAPH.match(whole[-1]) and IDEOGRAPH.match(line) else f" {line}"
    return whole


def sentences(text: str) -> list[str]:
    """All of a text as sentences with their marks, in order; a closing quotation mark stays with its own."""
    parts = re.split(
        r"(?<=[。！？…])(?![”’」』。！？…])|(?<=[.!?…][”’\"')])\s+|(?<=[.!?…])\s+|(?<=[。！？][”’」』])",
        one_line(text),
    )
    return [part.strip() for part in parts if part and part.strip()]


def ended_sentences(text: str) -> list[str]:
    """The whole sentences of what a model wrote, in order; what follows the last end mark is left out.

    Stricter than `sentences`: "Mr." ends none, nor does "…" within a line.
    """
    found: list[str] = []
    start = 0
    for match in SENTENCE.finditer(text):
        piece = text[start : match.end()].strip()
        if ABBREVIATION.search(piece):
            continue
        found.append(piece)
        start = match.end()
    return [piece for piece in found if piece]


def joined(parts: Sequence[str]) -> str:
    """Sentences as one text: a space between words, none after a Chinese mark."""
    whole = ""
    for part in parts:
        whole = _glued(whole, part) if whole else part
    return whole


def parted(text: str, seconds: float) -> list[str]:
    """A text as it is where it takes at most `WHOLE` times `seconds` to say, else its passages."""
    return [text] if spoken_seconds(text) <= WHOLE * seconds else passages(sentences(text), seconds)


def run_on(lines: Sequence[str], seconds: float) -> list[str]:
    """Passages of speech whose lines go on from one to the next, as in subtitles and transcripts."""
    text = flowing("\n".join(lines))
    return passages(sentences(f"{text}。" if text and IDEOGRAPH.match(text[-1]) else text), seconds)


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
    return left + right if IDEOGRAPH.match(first[0]) and not left[-1].isascii() else f"{left} {right}"


def _cut(sentence: str, seconds: float) -> list[str]:
    if spoken_seconds(sentence) <= 2 * seconds:
        return [sentence]
    tokens = re.findall(
        r"\S+\s*" if not IDEOGRAPH.search(sentence) else r"[^，,；;]*[，,；;]+|[^，,；;]+", sentence
    )
    pieces, piece = [], ""
    for token in tokens:
        if piece and spoken_seconds(piece + token) > seconds:
            pieces.append(piece.strip())
            piece = ""
        piece += token
    return [*pieces, piece.strip()]
