"""Pictures for lines that are there already, as a language model that can writes their prompts, in English.

The lines are a storyboard's, a script's or a pitch's, in any language that the model reads. The answer is
constrained to a schema; a prompt that fails its checks is asked for again alone. For a picture base of a
small vocabulary things of it are chosen (core.video.script.standins). Gives plain data; loads no base.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.progress import Progress
from core.texts.engine import Engine, Messages, told
from core.texts.letters import HAN_SIGN
from core.video.script.language import ENGLISH, language_of
from core.video.script.scoring import alike, telling
from core.video.script.standins import standins
from core.video.script.story_schema import LONGEST_PROMPT, compact, in_turn, pictures_schema
from core.video.script.vocabulary import Vocabulary
from core.video.storyboard.board import Scene, Subject

AT_ONCE = 8  # lines in one request: of more a small model loses the count
TEMPERATURE, TOP_P = 0.5, 0.95
AGAIN = 2  # tries at a prompt alone
LIKE = 2.0  # from which on two prompts are one picture
SYSTEM = (
    "You describe pictures for an illustrator, in English. Each shows what one line of a film says: who or "
    "what, doing what, where, in which light. Only what can be seen; no writing in it."
)
REQUEST = (
    "Film: {topic}\nLines:\n{lines}\n{who} picture for each line, in turn, each of another moment, in at "
    "most 20 words."
)
WHO = "Tell the looks of who or what is seen in several pictures. Then describe a"
WHOSE = "Seen in several: {subjects}.\nDescribe a"
TELL = "Describe a"
ONE = "Film: {topic}\n{beside}Describe a new picture for the line, in at most 20 words: {line}{wrong}"
BESIDE = "Other pictures:\n{drawn}\n"
TOPIC = "how bread rises"
LINES = (
    "Dough looks asleep under its cloth. Inside, it is busy.",
    "Yeast eats the flour's sugar and breathes out gas.",
    "So a loaf is mostly air that somebody waited for.",
)
ANSWER: Mapping[str, Any] = {
    "subjects": [{"name": "the baker", "look": "an old man with a white beard and a blue apron"}],
    **in_turn(
        [
            {
                "draw": "a bowl of dough under a linen cloth on a wooden kitchen table, soft morning light",
                "shot": "medium",
            },
            {
                "draw": "many round bubbles in wet dough seen from very near, warm side light",
                "shot": "detail",
            },
            {"draw": "the baker takes a round loaf out of a stone oven, warm glow", "shot": "wide"},
        ]
    ),
}
WRONG = {
    "writing": " A picture without words, signs or numbers in it.",
    "no picture": " Name things that one can see, not thoughts.",
    "repeated": " Another picture than the one before.",
    "off the line": " It shows what the line says.",
}
WRITTEN = re.compile(
    r"\b(?:word|text|caption|title|label|headline|sign (?:that )?(?:says|reads)|reading|says"
    r"|written|logo)s?\b"
)
UNSEEN = re.compile(
    r"\b(?:represent|symboli[sz]|concept|idea|importance|meaning|reali[sz]e|thought|process of|sense of"
    r"|various|different types|narrator|listeners?\b|viewers?\b)",
    re.I,
)


@dataclass
class _Asked:
    """The pictures of a film that are asked for: for which lines, and what came."""

    topic: str
    lines: Sequence[str]
    writer: Engine
    seed: int
    made: list[Scene] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)

    def chat(self, first: int, last: int) -> Messages:
        """Asks for the pictures of the lines from `first` up to `last`, after an example."""
        example = [
            _turn(_request(TOPIC, LINES, WHO)),
            {"role": "assistant", "content": compact(ANSWER)},
        ]
        known = "; ".join(f"{one.name}: {one.look}" for one in self.subjects)
        who = WHOSE.format(subjects=known) if known else TELL if first else WHO
        return [_SYSTEM, *example, _turn(_request(self.topic, self.lines[first:last], who))]

    def chat_for(self, at: int, wrong: str) -> Messages:
        """Asks for the picture of one line anew, after an example; wrong: what the one before has."""
        drawn = "\n".join(f"- {one.draw}" for one in self.made[max(0, at - 2) : at + 2])
        beside = BESIDE.format(drawn=drawn)
        asked = ONE.format(topic=self.topic, line=self.lines[at], beside=beside, wrong=WRONG[wrong])
        example = [
            _turn(ONE.format(topic=TOPIC, line=LINES[1], beside="", wrong="")),
            {"role": "assistant", "content": compact({"1": ANSWER["2"]})},
        ]
        return [_SYSTEM, *example, _turn(asked)]

    def faults(self, at: int, picture: Scene) -> list[str]:
        """What is wrong with a line's picture, by `WRONG`; empty: nothing."""
        others = [one.draw for number, one in enumerate(self.made) if number != at]
        found = {
            "writing": bool(WRITTEN.search(picture.draw)),
            "no picture": bool(UNSEEN.search(picture.draw) or HAN_SIGN.search(picture.draw)),
            "repeated": any(alike(picture.draw, other) >= LIKE for other in others[:at]),
            "off the line": not shows(picture.draw, self.lines[at], self.topic),
        }
        return [name for name, is_so in found.items() if is_so]


def prompts(
    topic: str,
    lines: Sequence[str],
    writer: Engine,
    vocabulary: Vocabulary | None = None,
    *,
    seed: int = 0,
) -> Generator[Progress, None, tuple[list[Scene], tuple[Subject, ...]]]:
    """Scenes without words, each with its line's picture, and who or what is seen in several of them.

    topic: the film's; vocabulary: the picture base's words, where it knows few. The same lines, seed and
    model give the same pictures. Raises Mistake where the model can't answer.
    """
    asked = _Asked(topic, lines, writer, seed)
    with writer.voice(None):
        if vocabulary:
            return (yield from standins(topic, lines, writer, vocabulary, seed=seed)), ()
        for first in range(0, len(lines), AT_ONCE):
            yield from _some(asked, first, min(first + AT_ONCE, len(lines)))
        for at in range(len(lines)):
            yield from _mended(asked, at)
    return _with_subjects(asked.made, asked.subjects)


def shows(draw: str, line: str, topic: str = "") -> bool:
    """Whether a prompt names something of its line or of the topic; True for a line in another language."""
    said = telling(f"{line} {topic}")
    return language_of(line) is not ENGLISH or not said or bool(said & telling(draw))


def _some(asked: _Asked, first: int, last: int) -> Generator[Progress, None, None]:
    """Adds the pictures of the lines from `first` up to `last`, beside the first who is seen in several."""
    form = pictures_schema(last - first, subjects=not first)
    answer = asked.writer.structuring(asked.chat(first, last), form, asked.seed + first, TEMPERATURE, TOP_P)
    found = yield from told(answer, "Planning the pictures", '"draw"', last - first)
    asked.made += [_picture(found[number]) for number in in_turn(asked.lines[first:last])]
    subjects = {one["name"].strip(): one["look"].strip() for one in found.get("subjects", ())}
    asked.subjects += [Subject(name=name, look=look) for name, look in subjects.items() if name]


def _mended(asked: _Asked, at: int) -> Generator[Progress, None, None]:
    """Asks for a picture again, alone, while it fails its checks; keeps the one with the fewest faults."""
    wrong = asked.faults(at, asked.made[at])
    for more in range(AGAIN):
        if not wrong:
            return
        seed, heat = asked.seed + 1000 * (at + 1) + more, TEMPERATURE + 0.2 * (more + 1)
        form = pictures_schema(1, subjects=False)
        answer = asked.writer.structuring(asked.chat_for(at, wrong[0]), form, seed, heat, TOP_P)
        picture = _picture((yield from told(answer, "Planning the pictures", '"draw"', 1))["1"])
        left = asked.faults(at, picture)
        if len(left) < len(wrong):
            asked.made[at], wrong = picture, left


def _picture(found: Mapping[str, Any]) -> Scene:
    return Scene(draw=_ended(found["draw"]), shot=found["shot"])


def _ended(draw: str) -> str:
    """A prompt without what was begun last, where it was cut off; with `an` where it belongs."""
    draw = re.sub(r"\ba (?=[aeio])", "an ", " ".join(draw.split()).strip(" ,"))
    if len(draw) < LONGEST_PROMPT:
        return draw
    before, _, _ = draw.rpartition(",")
    return before.strip(" ,") if len(before) > LONGEST_PROMPT // 3 else draw.rpartition(" ")[0]


def _turn(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _request(topic: str, lines: Sequence[str], who: str) -> str:
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return REQUEST.format(topic=topic, lines=numbered, who=who)


def _with_subjects(
    pictures: Sequence[Scene], subjects: Sequence[Subject]
) -> tuple[list[Scene], tuple[Subject, ...]]:
    """Pictures with the subjects that they show, and those subjects that are seen in two or more."""
    shown = {one.name: [_is_in(one, picture.draw) for picture in pictures] for one in subjects}
    kept = tuple(one for one in subjects if sum(shown[one.name]) > 1)
    named = (tuple(one.name for one in kept if shown[one.name][at]) for at in range(len(pictures)))
    made = zip(pictures, named, strict=True)
    return [one.model_copy(update={"subjects": names}) for one, names in made], kept


def _is_in(subject: Subject, draw: str) -> bool:
    """Whether a prompt names a subject, or half of what is told of its looks."""
    name, looks, seen = telling(subject.name), telling(subject.look), telling(draw)
    return bool(name and name <= seen) or bool(looks and 2 * len(looks & seen) >= len(looks))


_SYSTEM = {"role": "system", "content": SYSTEM}
