"""A storyboard of any subject, written whole by a language model that can: of about 1 B, or at an address.

First what each scene is about; then what is said in it, line by line, each told what was said before; then,
by core.video.script.prompts, what is seen. The answers are constrained to schemas, so they always are what
they should be; what a schema can't hold is checked after it, and a line that fails is asked for again, with
what is wrong with it. Where a text LoRA is chosen, it then says each scene in its own words. Gives plain
data; knows nothing about picture bases, frames or sound.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.progress import Progress
from core.texts.engine import Engine, structured, told
from core.texts.overlap import Known, plain
from core.texts.samples import messages, task_of
from core.texts.speech import ended_sentences, joined, words_for
from core.texts.writer import Messages
from core.video.script.brief import Brief, Wishes
from core.video.script.fitting import TOLERANCE, fitted, misfit
from core.video.script.language import Language, language_of
from core.video.script.prompts import prompts
from core.video.script.scoring import Line, alike, faults, in_time, telling
from core.video.script.story_schema import compact, in_turn, line_schema, plan_schema
from core.video.script.story_words import OTHER, StoryWords, words_of
from core.video.script.vocabulary import Vocabulary
from core.video.storyboard.board import Scene, Subject

PLANNING, TEMPERATURE, TOP_P = 0.6, 0.8, 0.95
PLANS, TRIES = 3, 3  # at a plan whose scenes differ, at a line without faults
ASKED = 0.8  # of the length that there is room for
LONGEST = 1.35  # of a line, against the length that there is room for
RUN_WORDS, RUN_SIGNS = 5, 7  # that a line doesn't share with another
SHOWN = 20  # lines said before, the last ones: a model holds only so much, and the checks know them all
OFFERS = 4  # of a text LoRA for each scene
ALLOWED = {"a year or a price", "instruction"}  # in a large model's line: numbers have their own check
EMPTY = re.compile(
    r"\b(?:important|essential|crucial|various|unique|many (?:reasons|ways)|a (?:few|lot of) reasons"
    r"|represents?|process of|world of|art of)\b"
    r"|重要|必不可少|不可或缺|各种各样|独特|哲理|过程|象征|代表着|充满了"
)


NONE = Wishes()


@dataclass(frozen=True)
class _Place:
    """A scene's place in the film: its number, from 1, what it is about, whether it ends the film."""

    number: int
    beat: str
    last: bool = False


@dataclass
class _Work:
    """A film's lines that are being written: what is asked, and by what they are judged."""

    topic: str
    seconds: float
    writer: Engine
    wishes: Wishes

    @property
    def language(self) -> Language:
        """The topic's, and so the lines'."""
        return language_of(self.topic)

    @functools.cached_property
    def known(self) -> Known:
        """What is not to be said again, the examples among it."""
        return Known([*self.wishes.known, *(line for one in self.words.examples for line in one.say)])

    @property
    def words(self) -> StoryWords:
        """The words in which it is asked for."""
        return words_of(self.language)

    @property
    def signs(self) -> int:
        """About how many letters a line has that takes a scene's seconds."""
        like = self.language.examples[1][1]
        return max(12, round(len(like) * self.seconds / self.wishes.spoken(like)))

    @property
    def length(self) -> int:
        """What is asked for, in words, of Chinese in characters: less than there is room for."""
        like = self.language.examples[1][1]
        whole = self.signs if self.language.dense else words_for(self.seconds, self.wishes.spoken, like)
        return max(4, round(ASKED * whole))

    def chat_for_plan(self, count: int, again: bool = False) -> Messages:
        """Asks what each of `count` scenes is about, after examples; again: of one that repeated itself."""
        chat = [_turn("system", self.words.system)]
        for one in self.words.examples:
            chat += [
                _turn("user", self.words.plan.format(topic=one.topic, count=len(one.plan))),
                _turn("assistant", compact(in_turn(one.plan))),
            ]
        asked = self.words.plan.format(topic=self.topic, count=count)
        if self.wishes.beats:
            asked += self.words.beats.format(self.wishes.beats)
        return [*chat, _turn("user", asked + (self.words.another if again else ""))]

    def chat_for(self, place: _Place, said: Sequence[str], fault: str = "") -> Messages:
        """Asks for the line of a place, after a first, a middle and a last one of the examples in turn.

        said: the others; fault: of the line that was there. What stays the same from line to line comes
        first, as engines read that once.
        """
        chat = [_turn("system", self.words.system)]
        for at, one in zip(range(3), itertools.cycle(self.words.examples)):
            there = _Place(at + 1, one.plan[at], last=at == 2)
            chat += [
                _turn("user", self._request(one.topic, there, one.say[:at])),
                _turn("assistant", compact({"say": one.say[at]})),
            ]
        return [*chat, _turn("user", self._request(self.topic, place, said, self.wishes, fault))]

    def _request(
        self,
        topic: str,
        place: _Place,
        said: Sequence[str],
        wishes: Wishes = NONE,
        fault: str = "",
    ) -> str:
        words = self.words
        ending = words.ending.format(wishes.ending) if wishes.ending else ""
        return words.line.format(
            topic=topic,
            wishes=words.tone.format(wishes.tone) if wishes.tone else "",
            said=words.said.format(lines="\n".join(f"- {line}" for line in said[-SHOWN:])) if said else "",
            number=place.number,
            beat=place.beat,
            place=words.ends + ending if place.last else words.opens if place.number == 1 else "",
            words=self.length,
            wrong=words.wrong.get(fault, words.wrong[OTHER]) if fault else "",
        )

    def faults(self, line: str, others: Sequence[str]) -> list[str]:
        """What is wrong with a line beside others, in short words, the worst first; empty: nothing."""
        common = _common([self.topic, *others])
        found = {
            **{name: name not in ALLOWED for name in faults(line, self.known, self.language)},
            "repeated": any(alike(line, other, common) >= 1 for other in others)
            or Known(others).longest(line).length >= (RUN_SIGNS if self.language.dense else RUN_WORDS),
            "too long to say": self.wishes.spoken(line) > LONGEST * self.seconds,  # or cut off by the schema
            "invented number": bool(numbers_in(line) - numbers_in(self.topic)),
            "says little": bool(EMPTY.search(line)),
            "in the style's words": _in_words_of(self.wishes.ending, line),
        }
        return [name for name, is_so in found.items() if is_so]


def story(
    topic: str,
    count: int,
    seconds: float,
    writer: Engine,
    wishes: Wishes,
    loras: Sequence[Path] = (),
    vocabulary: Vocabulary | None = None,
) -> Generator[Progress, None, tuple[list[Scene], tuple[Subject, ...]]]:
    """`count` scenes for a topic, each of about `seconds` of speech, and who or what is seen in several.

    loras: text LoRAs that say the scenes in turn, in their own words. vocabulary: the picture base's words,
    where it knows few. Reports progress.
    """
    work = _Work(topic.strip(), seconds, writer, wishes)
    lines: list[str] = []
    with writer.voice(None):
        plan = yield from _plan(work, count)
        for number, beat in enumerate(plan, 1):
            yield Progress("Writing the script", number - 1, count)
            lines.append((yield from _line(work, _Place(number, beat, number == count), lines)))
    options = [[line] for line in lines]
    turns = [loras[at % len(loras)] for at in range(count)] if loras else []
    for at, lora in enumerate(turns):
        yield Progress("Writing the script", at, count)
        options[at] = _said_by(work, lines, at, lora)
    said = _fit(work, lines, options)
    if missed := misfit(sum(map(wishes.spoken, said)), count * seconds):
        yield Progress("Choosing the lines", text=missed)
    pictures, subjects = yield from prompts(work.topic, said, writer, vocabulary, seed=wishes.seed)
    scenes = [
        picture.model_copy(
            update={
                "say": line,
                "about": about,
                "text_lora": turns[at] if turns and line != lines[at] else None,
            }
        )
        for at, (line, picture, about) in enumerate(zip(said, pictures, plan, strict=True))
    ]
    return scenes, subjects


def numbers_in(text: str) -> set[str]:
    """The numbers that a text names in digits."""
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _plan(work: _Work, count: int) -> Generator[Progress, None, list[str]]:
    """What each scene is about, each something else: of several plans the one that repeats itself least."""
    form = plan_schema(count, work.language)
    best: list[str] = []
    for more in range(PLANS):
        chat = work.chat_for_plan(count, again=more > 0)
        answer = work.writer.structuring(chat, form, work.wishes.seed + more, PLANNING + 0.2 * more, TOP_P)
        found = yield from told(answer, "Planning the scenes", '":"', count)
        plan = [point.strip() for point in found.values()]
        if not best or _variety(plan, work.topic) > _variety(best, work.topic):
            best = plan
        if _variety(best, work.topic) == count:
            break
    return best


def _variety(plan: Sequence[str], topic: str) -> int:
    """How many of a plan's points share less than half of their words with each one before."""
    said = [frozenset(plain(point)) - frozenset(plain(topic)) for point in plan]
    return sum(
        all(2 * len(one & other) < max(1, min(len(one), len(other))) for other in said[:at])
        for at, one in enumerate(said)
    )


def _line(work: _Work, place: _Place, said: Sequence[str]) -> Generator[Progress, None, str]:
    """What is said at a place after other lines: of some tries the one with the fewest faults."""
    form = line_schema(work.signs, work.topic, work.language)
    best, wrong = "", [""]
    for more in range(TRIES):
        seed = work.wishes.seed + 1000 * place.number + more
        chat = work.chat_for(place, said, wrong[0])
        answer = work.writer.structuring(chat, form, seed, TEMPERATURE + 0.1 * more, TOP_P)
        line = " ".join((yield from told(answer, "Writing the script", '"say"', 1))["say"].split())
        found = work.faults(line, said)
        if not best or len(found) < len(wrong):
            best, wrong = line, found
        if not wrong:
            break
    return best


def _said_by(work: _Work, lines: Sequence[str], at: int, lora: Path) -> list[str]:
    """What a text LoRA offers for a scene, best first; last the plain line, kept where none is fit."""
    own, others = lines[at], [*lines[:at], *lines[at + 1 :]]
    offered = _in_own_words(work, own, lora, work.wishes.seed + at)
    fit = [
        text for text in dict.fromkeys(offered) if not set(work.faults(text, others)) - {"too long to say"}
    ]

    def worth(text: str) -> float:
        shared = len(telling(text) & telling(own)) / max(1, len(telling(own)))
        return 2 * shared + in_time(Line(text, work.wishes.spoken(text)), work.seconds)

    return [*sorted(fit, key=worth, reverse=True), own]


def _in_own_words(work: _Work, subject: str, lora: Path, seed: int) -> list[str]:
    """What a text LoRA says of a subject, in the words that it learnt to be asked in."""
    most = words_for(work.seconds * (1 + 2 * TOLERANCE), work.wishes.spoken, subject) + 2
    chat = messages(subject, task=task_of(lora))
    with work.writer.voice(lora):
        return work.writer.candidates_for([chat], OFFERS, seed, most, TEMPERATURE, TOP_P)[0]


def _fit(work: _Work, lines: Sequence[str], options: Sequence[Sequence[str]]) -> list[str]:
    """An option a scene, so that all together take the time; the line itself where none is left."""
    said = fitted(
        [option[0] for option in options],
        [_shorter(option) for option in options],
        [[line] for line in lines],
        len(lines) * work.seconds,
        work.wishes.spoken,
        lambda text: not set(faults(text, work.known, work.language)) - ALLOWED,
    )
    return [line or own for line, own in zip(said, lines, strict=True)]


def _shorter(lines: Sequence[str]) -> list[str]:
    """Lines, and each without its last sentence."""
    cut = (joined(ended_sentences(line)[:-1]) for line in lines if len(ended_sentences(line)) > 1)
    return [*lines, *cut]


def _in_words_of(wish: str, line: str) -> bool:
    """Whether a line only says what it was told that it may."""
    asked = telling(wish)
    return len(asked) > 2 and 5 * len(asked & telling(line)) >= 4 * len(asked)


def _common(texts: Sequence[str]) -> frozenset[str]:
    """Content words that the film is about: those of its topic, and those that several lines hold."""
    topic, *lines = [telling(text) for text in texts]
    return frozenset(
        topic | {word for line in lines for word in line if sum(word in one for one in lines) > 1}
    )


def offers(
    topic: str, brief: Brief, writer: Engine, count: int, wishes: Wishes
) -> Generator[Progress, None, list[str]]:
    """Several wordings of one scene, none much like another; as many as come out sound.

    A brief's LoRA says it in its own words.
    """
    work = _Work(topic, brief.seconds, writer, wishes)
    place = _Place(brief.number, brief.subject, brief.last)
    found: list[str] = []
    for turn in range(2 * count):
        yield Progress("Writing the script", len(found), count)
        if brief.lora is not None:
            texts = _in_own_words(work, brief.subject, brief.lora, wishes.seed + turn)
        else:
            form = line_schema(work.signs, topic, work.language)
            chat = work.chat_for(place, [*wishes.known, *found])
            texts = [structured(writer, chat, form, wishes.seed + turn, TEMPERATURE, TOP_P)["say"].strip()]
        for text in texts:
            if len(found) < count and not work.faults(text, found):
                found.append(text)
        if len(found) == count:
            break
    return found
