"""The narration of a storyboard: many candidates are drawn for each scene, and the best set of them is kept.

A small language model babbles, so nothing it writes is taken on trust: what is broken, copied, off the topic
or too long is thrown out by rules, the rest is weighed by the model's own probabilities, and one line a scene
is chosen so that no two lines repeat each other and all together fit the time. Knows the writer, the
storyboard and how fast a voice speaks; nothing about pictures or sound.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Generator, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from core.basemodels import EMBEDDED
from core.jobs import Mistake, Progress
from core.texts.samples import messages
from core.texts.speech import spoken_seconds, words_for
from core.texts.writer import Messages, Writer, sentences
from core.video.storyboard import Scene, Storyboard, hours, things

CANDIDATES = 36  # a scene and round; weighed with the rest, 6 scenes take some 40 s of one core
TEMPERATURE, TOP_P = 0.5, 0.9  # read side by side: at 0.7 one line in three was odd, at 0.5 one in eight
ROUNDS = 3
ENOUGH = 5  # sound candidates a scene after which no further round is drawn
WEIGHED = 30  # sound candidates a scene that are weighed by the model
BEAM = 64
TOLERANCE = 0.15  # of the time asked for
COPIED_WORDS = 6
# Mean log-probability a token beyond which a line gains nothing by being likelier: it would only be blander.
SURE, PLAIN = -1.0, -2.2  # under the LoRA, under the base
# Shown to the base when no LoRA speaks: it takes length and manner from them.
EXAMPLES = (
    ("a lighthouse by the sea, night", "The lamp goes round and round. Out there, somebody is counting."),
    (
        "a pair of boots at the door, morning",
        "Two boots stand at the door. They have been far and say nothing.",
    ),
    ("a busy kitchen, evening", "Six pots talk at once. The cook hears only the soup."),
)

STRANGE = re.compile(r"[^A-Za-zÀ-ɏ0-9 .,;:!?'\"()\-–—…%$&]")
BROKEN = re.compile(r"\w[.!?,;]\w|[,;:][,;:.]|\s[,.;:!?]|\(\s*\)|--|\b(\w+) \1\b(?! \1)", re.I)
ABOUT_ITSELF = re.compile(
    r"\b(?:this (?:video|scene|story|image|picture|clip|short)|narrat\w*|voice-?over|welcome|subscribe"
    r"|camera (?:pans|zooms|shows)|as an ai|language model|here(?:'s| is) (?:a|the|your)|once upon"
    r"|title|fade (?:in|out)|cut to|scene \d|let's (?:take|explore|dive|see)|imagine|instructions?|prompt"
    r"|(?:viewer|audience|reader)s?|smollm|hugging face)\b|^sure\b",
    re.I,
)
COMMANDS = re.compile(
    r"^(?:you (?:should|must|can|need|will)|make sure|remember to|try to|don't forget)\b", re.I
)
COMMON_WORDS = """
    a an the and or but so as at by for from in into of off on onto out over to up down under with without it
    its is are was were be been has have had does do did not no nor he she they them his her their our us we i
    my me you your this that these those there then than when while where who what which if all one two some
    any each every more most very too just only still even like about after before back now here
"""
COMMON = frozenset(COMMON_WORDS.split())
SCRIPTS = {
    "Chinese or Japanese": r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]",
    "Korean": r"[\uac00-\ud7af\u1100-\u11ff]",
    "Cyrillic": r"[\u0400-\u052f]",
    "Arabic": r"[\u0600-\u06ff\u0750-\u077f]",
    "Hebrew": r"[\u0590-\u05ff]",
    "Greek": r"[\u0370-\u03ff]",
    "Thai": r"[\u0e00-\u0e7f]",
    "an Indian script": r"[\u0900-\u0dff]",
}


@dataclass(frozen=True)
class Line:
    """A candidate: what is said, its length in seconds, its worth by itself, its faults (none: sound)."""

    text: str
    seconds: float
    worth: float = 0.0
    faults: tuple[str, ...] = ()


def check_topic(topic: str, text_base: str = EMBEDDED, voice: str = "hibari") -> None:
    """Raises Mistake for a topic in a script that the embedded language model or voice can't speak."""
    letters = re.findall(r"[^\W\d_]", topic)
    for script, pattern in SCRIPTS.items():
        if not letters or len(re.findall(pattern, topic)) * 4 < len(letters):
            continue
        if text_base == EMBEDDED:
            raise Mistake(
                "The topic is in {script}, but the embedded language model writes English only; write the "
                "topic in English, or put a language model into models/LLM and a voice into models/Voice.",
                script=script,
            )
        if voice == "hibari":
            raise Mistake(
                "The topic is in {script}, but the embedded voice speaks English only; write the topic in "
                "English, put a voice into models/Voice, or choose the voice none.",
                script=script,
            )


def relevance(writer: Writer, topic: str, names: Iterable[str]) -> dict[str, float]:
    """How much each thing belongs to a topic: how much likelier the topic makes the base write of it.

    Pointwise mutual information with two neutral topics, in nats, tempered by the name's number of words.
    """
    known = [name for name in names if name in things()]
    ends = [f" {things()[name].phrase}" for name in known]
    with writer.voice(None):
        told, *neutral = (
            writer.endings(f"A short film about {said}. The camera shows", ends)
            for said in (topic.strip().rstrip("."), "something", "a day in life")
        )
    return {
        name: (told[at] - sum(row[at] for row in neutral) / len(neutral)) / math.sqrt(len(name.split()))
        for at, name in enumerate(known)
    }


def faults(text: str, known: Sequence[str] = ()) -> tuple[str, ...]:
    """What makes a candidate unfit, in short words; empty for a sound one. `known`: lines it may not copy."""
    plain = words(text)
    found = {
        "empty": len(plain) < 4,
        "unfinished": not re.search(r"[.!?…][\"')]*$", text),
        "strange signs": bool(STRANGE.search(text)),
        "broken": bool(BROKEN.search(text)) or _unbalanced(text),
        "about itself": bool(ABOUT_ITSELF.search(text)),
        "a year or a price": bool(re.search(r"\d{3}", text)),
        "instruction": bool(COMMANDS.search(text)),
        "lower case start": any(not re.match(r"[\"'(]?[A-Z0-9]", piece) for piece in sentences(text)),
        "repeats itself": _repeats(text),
        "copied": longest_copy(text, known) >= COPIED_WORDS,
    }
    return tuple(name for name, is_so in found.items() if is_so)


def words(text: str) -> list[str]:
    """A text's words in lower case."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def telling(text: str) -> set[str]:
    """A text's content words, plurals cut."""
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words(text)} - COMMON


def longest_copy(text: str, known: Sequence[str]) -> int:
    """Words in the longest run that a text shares with one of the known lines."""
    mine = words(text)
    return max((_longest_run(mine, words(line)) for line in known), default=0)


def _longest_run(mine: Sequence[str], other: Sequence[str]) -> int:
    best, before = 0, [0] * (len(other) + 1)
    for word in mine:
        row = [0] * (len(other) + 1)
        for at, there in enumerate(other, 1):
            if word == there:
                row[at] = before[at - 1] + 1
                best = max(best, row[at])
        before = row
    return best


def _unbalanced(text: str) -> bool:
    """Whether a quotation or a bracket is left open; a single quotation mark is no narrator's."""
    quoted = re.search(r"(?<!\w)'", text) is not None
    return quoted or text.count('"') % 2 == 1 or text.count("(") != text.count(")")


def _repeats(text: str) -> bool:
    """A run of words twice, a content word three times, or sentences that begin alike."""
    pieces = [words(piece) for piece in sentences(text)]
    plain = words(text)
    triples = Counter(zip(plain, plain[1:], plain[2:], strict=False))
    pairs = Counter(pair for pair in itertools.pairwise(plain) if set(pair) - COMMON)
    often = Counter(word for word in plain if word not in COMMON)
    starts = [tuple(piece[:2]) for piece in pieces]
    return (
        max(triples.values(), default=0) > 1
        or max(pairs.values(), default=0) > 1
        or max(often.values(), default=0) > 2
        or len(set(starts)) < len(starts)
    )


def alike(one: str, other: str, common: Set[str] = frozenset()) -> float:
    """How much two lines repeat each other: 0 not at all, 1 and more: not in one video.

    `common`: words of the story as a whole (the town, the river); they weigh less.
    """
    mine, yours = words(one), words(other)
    shared = telling(one) & telling(other)
    total = 0.3 * len(shared - common) + 0.05 * len(shared & common)
    total += (
        0.05 * (mine[:1] == yours[:1])
        + 0.5 * (mine[:2] == yours[:2])
        + 0.6 * (_longest_run(mine, yours) >= 4)
    )
    ends = [words(sentences(line)[-1])[:2] if sentences(line) else [] for line in (one, other)]
    return total + 0.35 * (ends[0] == ends[1])


def narrate(
    board: Storyboard,
    writer: Writer,
    *,
    lora: Path | None = None,
    tone: str = "",
    ending: str = "",
    known: Sequence[str] = (),
    speed: float = 1.0,
) -> Generator[Progress, None, Storyboard]:
    """Writes every scene's narration; reports progress and returns the storyboard with it.

    lora: the text LoRA's folder. tone, ending: the style's wishes, told to the model where no LoRA speaks: a
    LoRA has a tone of its own, and was never asked for another. known: the lines that the LoRA was trained
    on, not to be copied. speed: the voice's speaking rate. Each line is about as long as its scene's
    `seconds`, and all together are within 15 % of their sum where the candidates allow it. The same
    storyboard, LoRA and wishes give the same narration.
    """
    end = len(board.scenes)
    if lora is not None:
        tone = ending = ""
    chats = [_chat(scene, scene.number == end, tone, ending, lora is None) for scene in board.scenes]
    known = [*known, *(reply for _, reply in EXAMPLES)]
    drawn: list[list[Line]] = [[] for _ in chats]
    for round_ in range(ROUNDS):
        missing = [at for at, lines in enumerate(drawn) if sum(not line.faults for line in lines) < ENOUGH]
        if not missing:
            break
        yield Progress("Writing the script", round_, ROUNDS)
        longest = max(words_for(scene.seconds * (1 + 2 * TOLERANCE), speed) for scene in board.scenes)
        with writer.voice(lora):
            texts = writer.candidates_for(
                [chats[at] for at in missing],
                CANDIDATES,
                board.seed * ROUNDS + round_,
                longest + 2,
                TEMPERATURE,
                TOP_P,
            )
        for at, found in zip(missing, texts, strict=True):
            have = {line.text for line in drawn[at]}
            drawn[at] += [_line(text, known, speed) for text in dict.fromkeys(found) if text not in have]
    weighed = []
    for at, scene in enumerate(board.scenes):
        yield Progress("Choosing the lines", at, len(chats))
        weighed.append(_weigh(writer, scene, chats[at], drawn[at], lora))
    named = Counter(word for scene in board.scenes for word in telling(scene.subject))
    common = frozenset(word for word, count in named.items() if count > 1)
    chosen = choose(weighed, [scene.seconds for scene in board.scenes], common)
    scenes = tuple(
        replace(scene, narration=line.text) for scene, line in zip(board.scenes, chosen, strict=True)
    )
    return replace(board, scenes=scenes)


def _chat(scene: Scene, last: bool, tone: str, ending: str, shown: bool) -> list[dict[str, str]]:
    """The chat that asks for a scene's line, with the examples before it if they are `shown`."""
    system, request = messages(scene.subject, "; ".join(filter(None, (tone, ending if last else ""))))
    turns = []
    for topic, reply in EXAMPLES if shown else ():
        turns += [messages(topic)[1], {"role": "assistant", "content": reply}]
    return [system, *turns, request]


def _line(text: str, known: Sequence[str], speed: float) -> Line:
    return Line(text, spoken_seconds(text, speed), faults=faults(text, known))


def _weigh(
    writer: Writer, scene: Scene, chat: Messages, lines: Sequence[Line], lora: Path | None
) -> list[Line]:
    """The best candidates for a scene with their worth: sound, on topic, fluent, in the voice, in time."""
    sound = [line for line in lines if not line.faults]
    if not sound:
        sound = [_plain_line(scene), *sorted(lines, key=lambda line: len(line.faults))[:3]]
    sound = sorted(sound, key=lambda line: -_in_time(line, scene.seconds) - _mentions(line, scene))[:WEIGHED]
    texts = [line.text for line in sound]
    asked, anything = messages(scene.subject), messages("something")
    with writer.voice(None):
        fluent = writer.log_probs(asked, texts)
        neutral = writer.log_probs(anything, texts)
    spoken = fluent
    if lora is not None:
        with writer.voice(lora):
            spoken = writer.log_probs(chat, texts)
    figures = zip(sound, spoken, fluent, neutral, strict=True)
    return [replace(line, worth=worth(line, scene, *logs)) for line, *logs in figures]


def _plain_line(scene: Scene) -> Line:
    """What is seen, as a sentence: always there to be said, however badly the model writes."""
    text = f"{scene.subject[:1].upper()}{scene.subject[1:]}."
    return Line(text, spoken_seconds(text))


def worth(line: Line, scene: Scene, spoken: float, fluent: float, neutral: float) -> float:
    """A line's worth for a scene: larger is better.

    spoken, fluent: its mean log-probability a token under the LoRA and under the base, which measure how sane
    it is; neutral: under the base when it is asked for anything at all. Tried on 160 lines by reading.
    """
    return (
        1.5 * min(spoken, SURE)
        + 0.75 * min(fluent, PLAIN)
        + min(fluent - neutral, 1.0)
        + _in_time(line, scene.seconds)
        + _mentions(line, scene)
        + 0.6 * _has_a_turn(line.text)
        - 0.4 * _echoes(line.text)
        - 2.0 * _lacks_article(line.text, scene.thing)
        - 1.5 * _at_another_hour(line.text, scene.subject)
        - 3.0 * len(line.faults)
    )


def _has_a_turn(text: str) -> bool:
    """Whether a line goes on after a pause: a second sentence or clause."""
    return bool(re.search(r"[.,;:!?] \w", text))


def _lacks_article(text: str, thing: str) -> bool:
    """Whether a line begins `Fisherman picks`, which wants an article."""
    known = things().get(thing)
    return known is not None and known.article is None and words(text)[:1] == [thing]


def _at_another_hour(text: str, subject: str) -> bool:
    """Whether a line says `At noon` of a scene that is asked for in the morning."""
    asked = set(words(subject))
    now = next((known for known in hours() if known & asked), None)
    said = set(re.findall(r"\b(?:at|by|this|toward|in the) (\w+)", text.lower()))
    return now is not None and bool(said & frozenset().union(*hours()) - now)


def _echoes(text: str) -> int:
    """Content words that a line says twice."""
    counts = Counter(word for word in words(text) if word not in COMMON)
    return sum(count > 1 for count in counts.values())


def _in_time(line: Line, seconds: float) -> float:
    """0 within the tolerance of the seconds asked for, falling by 1 for each further 15 %."""
    if seconds <= 0:
        return 0.0
    return -max(0.0, abs(line.seconds / seconds - 1) / TOLERANCE - 1)


def _mentions(line: Line, scene: Scene) -> float:
    """1 for a line that names the scene's thing, 0.4 for one that shares another of the subject's words."""
    said = telling(line.text)
    if telling(scene.thing) & said:
        return 1.0
    return 0.4 if telling(scene.subject) & said else 0.0


def choose(
    lines: Sequence[Sequence[Line]], seconds: Sequence[float], common: Set[str] = frozenset()
) -> list[Line]:
    """One line a scene: the most worth in all, less what lines repeat of each other, in time together.

    A beam search over the scenes; a sum outside 15 % of the time asked for costs 2 for each further 15 %.
    """
    beam: list[tuple[float, tuple[Line, ...]]] = [(0.0, ())]
    for options in lines:
        grown = [
            (
                score + line.worth - 2.0 * _repetition(line, chosen, common),
                (*chosen, line),
            )
            for score, chosen in beam
            for line in options
        ]
        beam = sorted(grown, key=lambda item: -item[0])[:BEAM]
    asked = sum(seconds)

    def in_all(item: tuple[float, tuple[Line, ...]]) -> float:
        total = sum(line.seconds for line in item[1])
        return item[0] + 2.0 * _in_time(Line("", total), asked)

    return list(max(beam, key=in_all)[1])


def _repetition(line: Line, before: Sequence[Line], common: Set[str]) -> float:
    return sum(alike(line.text, other.text, common) for other in before)
