"""The narration of a storyboard: many candidates are drawn for each scene, and the best set of them is kept.

A small language model babbles, so nothing it writes is taken on trust: what is unfit
(core.video.script.scoring) is thrown out, the rest is weighed by the model's own probabilities, and one line
is chosen for each beat, which is a scene or a part of a long one, so that no two lines repeat each other and
all together fit the time. While they don't, more is drawn. Knows the writer and the storyboard; nothing about
pictures or sound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.bases.language_model import LARGE
from core.bases.places import EMBEDDED
from core.messages import Mistake
from core.progress import Progress
from core.texts.letters import language_of_letters
from core.texts.overlap import Known, plain
from core.texts.samples import messages, task_of
from core.texts.sampling import Sampling
from core.texts.speech import joined, words_for
from core.texts.template import answer
from core.texts.writer import Messages, Writer, whole_sentences
from core.video.audio.voice import AUTO, check
from core.video.script import meaning
from core.video.script.brief import Brief, Wishes
from core.video.script.choosing import apart, choose
from core.video.script.fitting import TOLERANCE, fits, fitted, misfit
from core.video.script.language import CHINESE, Language, language_of
from core.video.script.scoring import Line, faults, in_time, mentions, telling, worth
from core.video.script.vocabulary import chinese_names, things

CANDIDATES = (12, 24, 36, 36)  # a beat, round by round
TEMPERATURE, TOP_P = 0.5, 0.9  # read side by side: at 0.7 one line in three was odd, at 0.5 one in eight
SOUND = 5  # sound candidates of a beat without which another round is drawn
ENOUGH, GOOD = 2, -2.5  # lines of such a worth after which the second round is left out; one in six has it
WEIGHED = 30  # sound candidates of a beat that are weighed by the model in a round
LISTED = 5  # of them those of which all is asked
FURTHER = 4  # rounds more while the time is missed, each hotter than the one before
HOTTER = 0.1
BEAT_SECONDS = 4.5  # what a line takes by nature: a scene of more is told in several
OPTIONS = 240  # lines in all that a set is chosen from, so that a script of many beats takes no longer
BOTH = 0.7  # of two measures' sum, which spreads so much wider than either
WHOLE_SCRIPTS = 4
SCRIPTS = {
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "ru": "Cyrillic",
    "ar": "Arabic",
    "he": "Hebrew",
    "el": "Greek",
    "th": "Thai",
    "hi": "an Indian script",
}


@dataclass
class _Beat:
    """What one line is written for: a scene or a part of a long one, and how it is asked for.

    drawn: all candidates; weighed: the best of the sound ones, with their worth.
    """

    brief: Brief
    chat: Messages
    drawn: list[Line] = field(default_factory=list)
    weighed: list[Line] = field(default_factory=list)

    @property
    def sound(self) -> list[Line]:
        """The candidates without a fault."""
        return [line for line in self.drawn if not line.faults]

    def wanting(self, round_: int) -> bool:
        """Whether there is too little to choose from: of good lines at first, of sound ones later."""
        good = sum(line.worth >= GOOD for line in self.weighed)
        return len(self.sound) < SOUND or (round_ < 2 and good < ENOUGH)


@dataclass
class _Draft:
    """A script that is being written: its beats, and what their lines have to be."""

    writer: Writer
    beats: Sequence[_Beat]
    language: Language
    known: Known
    spoken: Callable[[str], float]
    seed: int

    @property
    def asked(self) -> float:
        """Seconds that all lines may take."""
        return sum(beat.brief.seconds for beat in self.beats)

    @property
    def words(self) -> int:
        """How many words a line may have, with some room."""
        longest = max(beat.brief.seconds for beat in self.beats) * (1 + 2 * TOLERANCE)
        return words_for(longest, self.spoken, self.language.examples[1][1])

    def draw(self, wanting: Sequence[_Beat], round_: int) -> None:
        """Draws candidates for some beats; in rounds beyond the planned ones hotter and hotter."""
        beyond = max(0, round_ - len(CANDIDATES) + 1)
        count, heat = CANDIDATES[-1 if beyond else round_], TEMPERATURE + HOTTER * beyond
        seed = self.seed * (len(CANDIDATES) + FURTHER) + round_
        for lora in dict.fromkeys(beat.brief.lora for beat in wanting):
            speaking = [beat for beat in wanting if beat.brief.lora == lora]
            chats = [beat.chat for beat in speaking]
            with self.writer.voice(lora):
                found = self.writer.candidates_for(chats, count, seed, self.words + 2, heat, TOP_P)
            for beat, texts in zip(speaking, found, strict=True):
                self.keep(beat, texts)

    def keep(self, beat: _Beat, texts: Iterable[str]) -> None:
        """Adds candidates to those of a beat."""
        have = {line.text for line in beat.drawn}
        new = [text for text in dict.fromkeys(texts) if text not in have]
        beat.drawn += [Line(text, self.spoken(text), faults=self.faults(text)) for text in new]

    def faults(self, text: str) -> tuple[str, ...]:
        """What makes a line unfit for this script."""
        return faults(text, self.known, self.language)

    def weigh(self, beat: _Beat) -> None:
        """Gives a beat's best new candidates their worth: on topic, fluent, in the voice, in time."""
        brief, have = beat.brief, {line.text for line in beat.weighed}
        new = [line for line in beat.sound if line.text not in have]
        new = sorted(new, key=lambda line: -in_time(line, brief.seconds) - mentions(line, brief))[:WEIGHED]
        if not new:
            return
        asked = messages(brief.subject, task=self.language.task)
        anything = messages(self.language.something, task=self.language.task)
        spoken = self._log_probs(beat.brief.lora, beat.chat if beat.brief.lora else asked, new)
        new.sort(key=lambda line: -worth(line, brief, spoken[line], spoken[line], spoken[line]))
        fluent = spoken | (self._log_probs(None, asked, new[:LISTED]) if beat.brief.lora else {})
        neutral = fluent | self._log_probs(None, anything, new[:LISTED])
        beat.weighed += [
            replace(line, worth=worth(line, brief, spoken[line], fluent[line], neutral[line])) for line in new
        ]

    def _log_probs(self, lora: Path | None, chat: Messages, lines: Sequence[Line]) -> dict[Line, float]:
        """Each line's mean log-probability a token as the answer to `chat` by a LoRA or by the base."""
        with self.writer.voice(lora):
            return dict(zip(lines, self.writer.log_probs(chat, [line.text for line in lines]), strict=True))

    def fitted(self) -> list[str]:
        """The best set of lines, one a beat, mended where they repeat a sentence or miss the time."""
        named = Counter(word for beat in self.beats for word in telling(beat.brief.subject))
        common = frozenset(word for word, count in named.items() if count > 1)
        most = max(8, OPTIONS // len(self.beats))
        plainly = [_plainly(beat.brief, self.language) for beat in self.beats]
        options = [
            sorted(beat.weighed, key=lambda line: -line.worth)[:most] or [Line(seen, self.spoken(seen))]
            for beat, (seen, *_) in zip(self.beats, plainly, strict=True)
        ]
        chosen = choose(options, [beat.brief.seconds for beat in self.beats], common)
        others = [[line.text for line in beat.weighed] for beat in self.beats]
        return fitted(
            [line.text for line in chosen],
            others,
            plainly,
            self.asked,
            self.spoken,
            lambda text: not self.faults(text),
        )

    def fits(self, said: Sequence[str]) -> bool:
        """Whether lines take the time asked for."""
        return fits(sum(map(self.spoken, said)), self.asked)

    def off(self, said: Sequence[str]) -> list[_Beat]:
        """The beats whose lines take too long or too short, so that more candidates may mend them."""
        share = [
            abs(self.spoken(line) / beat.brief.seconds - 1)
            for beat, line in zip(self.beats, said, strict=True)
        ]
        return [beat for beat, off in zip(self.beats, share, strict=True) if off > TOLERANCE]


def check_topic(topic: str, text_base: str = EMBEDDED, voice: str = AUTO) -> None:
    """Raises Mistake for a topic in a script that the language model, the voice or the studio can't write."""
    language = language_of_letters(topic)
    if language not in ("en", "zh"):
        raise Mistake(
            "The topic is in {script}, but scripts are written in English and Chinese only; write the "
            "topic in one of these.",
            script=SCRIPTS[language],
        )
    if language == "zh" and text_base == EMBEDDED:
        raise Mistake(
            "The topic is in {script}, but the embedded language model writes English only; write the "
            "topic in English, or put a language model into models/LLM and choose it.",
            script=SCRIPTS[language],
        )
    check(voice, language)


def relevance(writer: Writer, topic: str, names: Iterable[str]) -> dict[str, float]:
    """How much each thing belongs to a topic: how much likelier the topic makes the base write of it.

    Pointwise mutual information with two neutral topics, in nats, tempered by the name's number of words;
    where the sentence model reads the language, with how near their meanings are. Of the first five things
    0.56 were right by the base (SmolLM2), 0.53 by meaning, 0.67 by both; of those expected 0.55, 0.60 and
    0.68 were among twelve (tests/video/topics.py).
    """
    language = language_of(topic)
    known = [name for name in names if name in things()]
    if language is CHINESE:
        ends, neutral = [chinese_names(name)[0] for name in known], ("某件事", "平常的一天")
    else:
        ends, neutral = [f" {things()[name].phrase}" for name in known], ("something", "a day in life")
    with writer.voice(None):
        told, *others = (
            writer.endings(language.film.format(said), ends)
            for said in (topic.strip().rstrip(".。"), *neutral)
        )
    lengths = [
        len(plain(end if language is CHINESE else name)) for name, end in zip(known, ends, strict=True)
    ]
    found = {
        name: (told[at] - sum(row[at] for row in others) / len(others)) / lengths[at] ** 0.5
        for at, name in enumerate(known)
    }
    if not meaning.reads(topic):
        return found
    near = meaning.nearness(topic, known)
    return {name: BOTH * (worth + near[name]) for name, worth in found.items()}


def narrate(
    topic: str,
    briefs: Sequence[Brief],
    writer: Writer,
    wishes: Wishes,
) -> Generator[Progress, None, list[str]]:
    """Writes what is said in each scene of a film about `topic`; reports progress and returns the words.

    A scene with a LoRA is told by it, the others by the base. All lines together are within 15 % of the sum
    of the briefs' seconds; where the model writes too little that is sound, the last report says so. The same
    briefs and wishes give the same words.
    """
    language = language_of(topic)
    texts = Known([*wishes.known, *(reply for _, reply in language.examples)])
    beats = [beat for brief in briefs for beat in _beats(brief, language, wishes)]
    draft = _Draft(writer, beats, language, texts, wishes.spoken, wishes.seed)
    for round_ in range(len(CANDIDATES)):
        wanting = [beat for beat in beats if beat.wanting(round_)]
        if not wanting:
            break
        yield Progress("Writing the script", round_, len(CANDIDATES))
        draft.draw(wanting, round_)
        if round_ == 0 and writer.size >= LARGE:
            for beat, lines in zip(beats, _whole(topic, draft, wishes.tone), strict=True):
                draft.keep(beat, lines)
        for at, beat in enumerate(wanting):
            yield Progress("Choosing the lines", at, len(wanting))
            draft.weigh(beat)
    said = draft.fitted()
    for round_ in range(FURTHER):
        if draft.fits(said):
            break
        yield Progress("Writing the script", round_, FURTHER)
        draft.draw(draft.off(said), len(CANDIDATES) + round_)
        for beat in beats:
            draft.weigh(beat)
        said = draft.fitted()
    if missed := misfit(sum(map(wishes.spoken, said)), draft.asked):
        yield Progress("Choosing the lines", text=missed)
    return [
        joined([line for beat, line in zip(beats, said, strict=True) if line and beat.brief.number == number])
        for number in (brief.number for brief in briefs)
    ]


def offers(
    topic: str,
    brief: Brief,
    writer: Writer,
    count: int,
    wishes: Wishes,
) -> Generator[Progress, None, list[str]]:
    """Several wordings of one scene, the best first, none much like another; as many as come out sound."""
    language = language_of(topic)
    texts = Known([*wishes.known, *(reply for _, reply in language.examples)])
    beat = _Beat(brief, _chat(brief, language, wishes.tone, wishes.ending if brief.last else ""))
    draft = _Draft(writer, [beat], language, texts, wishes.spoken, wishes.seed)
    found: list[str] = []
    for round_ in range(len(CANDIDATES)):
        yield Progress("Writing the script", round_, len(CANDIDATES))
        draft.draw([beat], round_)
        draft.weigh(beat)
        found = apart(sorted(beat.weighed, key=lambda line: -line.worth), count)
        if len(found) == count:
            break
    return found


def _beats(brief: Brief, language: Language, wishes: Wishes) -> list[_Beat]:
    """What lines are written for in a scene: one, or of a long scene several, each about a side of it.

    The first is about the scene itself; which side comes next differs from scene to scene.
    """
    count = max(1, round(brief.seconds / BEAT_SECONDS))
    whole, *sides = language.beats
    made = []
    for at in range(count):
        side = sides[(at + brief.number - 2) % len(sides)] if at else whole
        part = replace(brief, subject=side.format(brief.subject), seconds=brief.seconds / count)
        ending = wishes.ending if brief.last and at == count - 1 else ""
        made.append(_Beat(part, _chat(part, language, wishes.tone, ending)))
    return made


def _chat(brief: Brief, language: Language, tone: str, ending: str) -> Messages:
    """The chat that asks for a line: a LoRA in the words that it learnt, the base with examples before it."""
    if brief.lora is not None:
        return messages(brief.subject, task=task_of(brief.lora))
    system, request = messages(brief.subject, "; ".join(filter(None, (tone, ending))), language.task)
    turns = []
    for topic, reply in language.examples:
        turns += [messages(topic, task=language.task)[1], {"role": "assistant", "content": reply}]
    return [system, *turns, request]


def _whole(topic: str, draft: _Draft, tone: str) -> list[list[str]]:
    """Lines for each beat from scripts that are written all at once, as larger models can."""
    writer, language, beats = draft.writer, draft.language, draft.beats
    lora = beats[0].brief.lora
    system = messages(topic, "" if lora else tone, task_of(lora) if lora else language.task)[0]
    request = language.whole.format(
        topic=topic,
        scenes="\n".join(f"{number}. {beat.brief.subject}" for number, beat in enumerate(beats, 1)),
        words=round(draft.words / 0.6) if language.dense else draft.words,
    )
    chat = [system, {"role": "user", "content": request}]
    limit = writer.tokens_for(len(beats) * (draft.words + 4), [chat])
    with writer.voice(lora):
        how = Sampling(limit, TEMPERATURE, TOP_P)
        rows = writer.sample([writer.prompt(chat)], WHOLE_SCRIPTS, draft.seed, how)
    found: list[list[str]] = [[] for _ in beats]
    for row in rows:
        for number, line in numbered(answer(writer.tokenizer, row)):
            if number <= len(found):
                found[number - 1].append(whole_sentences(line, draft.words))
    return found


def numbered(text: str) -> list[tuple[int, str]]:
    """(number, line) of each numbered line in a model's answer, such as `2. Tea waits.` or `Scene 2: …`"""
    lines = re.findall(r"^\W*(?:scene\s*|第)?([1-9]\d?)\W{1,4}(\S.*)$", text, re.I | re.M)
    return [(int(number), line.strip(" *")) for number, line in lines]


def _plainly(brief: Brief, language: Language) -> list[str]:
    """What is seen, as sentences: always there to be said, however badly the model writes."""
    said = [again.format(brief.subject) for again in language.again]
    return [f"{text[:1].upper()}{text[1:]}" for text in said]
