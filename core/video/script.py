"""The narration of a storyboard: many candidates are drawn for each scene, and the best set of them is kept.

A small language model babbles, so nothing it writes is taken on trust: what is unfit (core.video.lines) is
thrown out, the rest is weighed by the model's own probabilities, and one line is chosen for each beat, which
is a scene or a part of a long one, so that no two lines repeat each other and all together fit the time.
While they don't, more is drawn. Knows the writer and the storyboard; nothing about pictures or sound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.basemodels import EMBEDDED
from core.jobs import Mistake, Progress, Sentence
from core.texts.overlap import plain
from core.texts.samples import messages, task_of
from core.texts.speech import joined, spoken_seconds, words_for
from core.texts.template import answer
from core.texts.writer import Messages, Writer, whole_sentences
from core.video.fitting import TOLERANCE, fitted
from core.video.language import CHINESE, Language, language_of
from core.video.lines import Line, alike, faults, in_time, mentions, telling, worth
from core.video.storyboard import Scene, Storyboard, chinese_names, things

CANDIDATES = (12, 24, 36, 36)  # a beat, round by round
TEMPERATURE, TOP_P = 0.5, 0.9  # read side by side: at 0.7 one line in three was odd, at 0.5 one in eight
SOUND = 5  # sound candidates of a beat without which another round is drawn
ENOUGH, GOOD = 2, -2.5  # lines of such a worth after which the second round is left out; one in six has it
WEIGHED = 30  # sound candidates of a beat that are weighed by the model in a round
LISTED = 5  # of them those of which all is asked
FURTHER = 4  # rounds more while the time is missed, each hotter than the one before
HOTTER = 0.1
BEAT_SECONDS = 4.5  # what a line takes by nature: a scene of more is told in several
BEAM = 64
OPTIONS = 240  # lines in all that a set is chosen from, so that a script of many beats takes no longer
LARGE = 1_000_000_000  # numbers of a language model that is asked for whole scripts too
WHOLE_SCRIPTS = 4
SCRIPTS = {
    "Japanese": r"[\u3040-\u30ff]",
    "Chinese": r"[\u3400-\u9fff\uf900-\ufaff]",
    "Korean": r"[\uac00-\ud7af\u1100-\u11ff]",
    "Cyrillic": r"[\u0400-\u052f]",
    "Arabic": r"[\u0600-\u06ff\u0750-\u077f]",
    "Hebrew": r"[\u0590-\u05ff]",
    "Greek": r"[\u0370-\u03ff]",
    "Thai": r"[\u0e00-\u0e7f]",
    "an Indian script": r"[\u0900-\u0dff]",
}


@dataclass
class _Beat:
    """What one line is written for: a scene or a part of a long one, with its part's subject and seconds.

    drawn: all candidates; weighed: the best of the sound ones, with their worth.
    """

    scene: Scene
    chat: Messages
    lora: Path | None
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
    known: Sequence[str]
    spoken: Callable[[str], float]
    seed: int

    @property
    def asked(self) -> float:
        """Seconds that all lines may take."""
        return sum(beat.scene.seconds for beat in self.beats)

    @property
    def words(self) -> int:
        """How many words a line may have, with some room."""
        longest = max(beat.scene.seconds for beat in self.beats) * (1 + 2 * TOLERANCE)
        return words_for(longest, self.spoken, self.language.examples[1][1])

    def draw(self, wanting: Sequence[_Beat], round_: int) -> None:
        """Draws candidates for some beats; in rounds beyond the planned ones hotter and hotter."""
        beyond = max(0, round_ - len(CANDIDATES) + 1)
        count, heat = CANDIDATES[-1 if beyond else round_], TEMPERATURE + HOTTER * beyond
        seed = self.seed * (len(CANDIDATES) + FURTHER) + round_
        for lora in dict.fromkeys(beat.lora for beat in wanting):
            speaking = [beat for beat in wanting if beat.lora == lora]
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
        scene, have = beat.scene, {line.text for line in beat.weighed}
        new = [line for line in beat.sound if line.text not in have]
        new = sorted(new, key=lambda line: -in_time(line, scene.seconds) - mentions(line, scene))[:WEIGHED]
        if not new:
            return
        asked = messages(scene.subject, task=self.language.task)
        anything = messages(self.language.something, task=self.language.task)
        spoken = self._log_probs(beat.lora, beat.chat if beat.lora else asked, new)
        new.sort(key=lambda line: -worth(line, scene, spoken[line], spoken[line], spoken[line]))
        fluent = spoken | (self._log_probs(None, asked, new[:LISTED]) if beat.lora else {})
        neutral = fluent | self._log_probs(None, anything, new[:LISTED])
        beat.weighed += [
            replace(line, worth=worth(line, scene, spoken[line], fluent[line], neutral[line])) for line in new
        ]

    def _log_probs(self, lora: Path | None, chat: Messages, lines: Sequence[Line]) -> dict[Line, float]:
        """Each line's mean log-probability a token as the answer to `chat` by a LoRA or by the base."""
        with self.writer.voice(lora):
            return dict(zip(lines, self.writer.log_probs(chat, [line.text for line in lines]), strict=True))

    def fitted(self) -> list[str]:
        """The best set of lines, one a beat, mended where they repeat a sentence or miss the time."""
        named = Counter(word for beat in self.beats for word in telling(beat.scene.subject))
        common = frozenset(word for word, count in named.items() if count > 1)
        most = max(8, OPTIONS // len(self.beats))
        plainly = [_plainly(beat.scene, self.language) for beat in self.beats]
        options = [
            sorted(beat.weighed, key=lambda line: -line.worth)[:most] or [Line(seen, self.spoken(seen))]
            for beat, (seen, *_) in zip(self.beats, plainly, strict=True)
        ]
        chosen = choose(options, [beat.scene.seconds for beat in self.beats], common)
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
        return abs(sum(map(self.spoken, said)) - self.asked) <= TOLERANCE * self.asked

    def off(self, said: Sequence[str]) -> list[_Beat]:
        """The beats whose lines take too long or too short, so that more candidates may mend them."""
        share = [
            abs(self.spoken(line) / beat.scene.seconds - 1)
            for beat, line in zip(self.beats, said, strict=True)
        ]
        return [beat for beat, off in zip(self.beats, share, strict=True) if off > TOLERANCE]


def check_topic(topic: str, text_base: str = EMBEDDED, voice: str = "hibari") -> None:
    """Raises Mistake for a topic in a script that the language model, the voice or the studio can't write."""
    letters = re.findall(r"[^\W\d_]", topic)
    for script, pattern in SCRIPTS.items():
        if not letters or len(re.findall(pattern, topic)) * 4 < len(letters):
            continue
        if script != "Chinese":
            raise Mistake(
                "The topic is in {script}, but scripts are written in English and Chinese only; write the "
                "topic in one of these.",
                script=script,
            )
        if text_base == EMBEDDED:
            raise Mistake(
                "The topic is in {script}, but the embedded language model writes English only; write the "
                "topic in English, or put a language model into models/LLM, choose it, and choose the "
                "voice none.",
                script=script,
            )
        if voice == "hibari":
            raise Mistake(
                "The topic is in {script}, but the embedded voice speaks English only; write the topic in "
                "English, or choose the voice none.",
                script=script,
            )


def relevance(writer: Writer, topic: str, names: Iterable[str]) -> dict[str, float]:
    """How much each thing belongs to a topic: how much likelier the topic makes the base write of it.

    Pointwise mutual information with two neutral topics, in nats, tempered by the name's number of words.
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
    return {
        name: (told[at] - sum(row[at] for row in others) / len(others)) / lengths[at] ** 0.5
        for at, name in enumerate(known)
    }


def narrate(
    board: Storyboard,
    writer: Writer,
    *,
    tone: str = "",
    ending: str = "",
    known: Sequence[str] = (),
    spoken: Callable[[str], float] = spoken_seconds,
) -> Generator[Progress, None, Storyboard]:
    """Writes every scene's narration; reports progress and returns the storyboard with it.

    A scene with a `text_lora` is told by that LoRA, the others by the base. tone, ending: the style's wishes,
    told to the base alone: a LoRA has a tone of its own, and was never asked for another. known: the lines
    that the LoRAs were trained on, not to be copied. spoken: the seconds that a line takes. All lines
    together are within 15 % of the sum of the scenes' `seconds`; where the model writes too little that is
    sound, the last report says so. The same storyboard and wishes give the same narration.
    """
    language = language_of(board.topic)
    known = [*known, *(reply for _, reply in language.examples)]
    beats = [beat for scene in board.scenes for beat in _beats(scene, board, language, tone, ending)]
    draft = _Draft(writer, beats, language, known, spoken, board.seed)
    for round_ in range(len(CANDIDATES)):
        wanting = [beat for beat in beats if beat.wanting(round_)]
        if not wanting:
            break
        yield Progress("Writing the script", round_, len(CANDIDATES))
        draft.draw(wanting, round_)
        if round_ == 0 and writer.size >= LARGE:
            for beat, texts in zip(beats, _whole(board, draft, tone), strict=True):
                draft.keep(beat, texts)
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
    if not draft.fits(said):
        yield Progress(
            "Choosing the lines",
            text=Sentence(
                "The script takes {seconds} s to say, not {asked} s: the language model wrote too little "
                "that can be said; ask for another length or number of scenes, or choose a larger model",
                seconds=f"{sum(map(spoken, said)):.0f}",
                asked=f"{draft.asked:.0f}",
            ),
        )
    return _told(board, beats, said)


def _beats(scene: Scene, board: Storyboard, language: Language, tone: str, ending: str) -> list[_Beat]:
    """What lines are written for in a scene: one, or of a long scene several, each about a side of it.

    The first is about the scene itself; which side comes next differs from scene to scene.
    """
    lora = Path(scene.text_lora) if scene.text_lora else None
    count = max(1, round(scene.seconds / BEAT_SECONDS))
    whole, *sides = language.beats
    last = scene.number == len(board.scenes)
    made = []
    for at in range(count):
        side = sides[(at + scene.number - 2) % len(sides)] if at else whole
        subject = side.format(scene.subject)
        part = replace(scene, subject=subject, seconds=scene.seconds / count)
        chat = _chat(part, lora, language, tone, ending if last and at == count - 1 else "")
        made.append(_Beat(part, chat, lora))
    return made


def _chat(scene: Scene, lora: Path | None, language: Language, tone: str, ending: str) -> Messages:
    """The chat that asks for a line: a LoRA in the words that it learnt, the base with examples before it."""
    if lora is not None:
        return messages(scene.subject, task=task_of(lora))
    system, request = messages(scene.subject, "; ".join(filter(None, (tone, ending))), language.task)
    turns = []
    for topic, reply in language.examples:
        turns += [messages(topic, task=language.task)[1], {"role": "assistant", "content": reply}]
    return [system, *turns, request]


def _whole(board: Storyboard, draft: _Draft, tone: str) -> list[list[str]]:
    """Lines for each beat from scripts that are written all at once, as larger models can."""
    writer, language, beats = draft.writer, draft.language, draft.beats
    lora = beats[0].lora
    system = messages(board.topic, "" if lora else tone, task_of(lora) if lora else language.task)[0]
    request = language.whole.format(
        topic=board.topic,
        scenes="\n".join(f"{number}. {beat.scene.subject}" for number, beat in enumerate(beats, 1)),
        words=round(draft.words / 0.6) if language.dense else draft.words,
    )
    chat = [system, {"role": "user", "content": request}]
    limit = writer.tokens_for(len(beats) * (draft.words + 4), [chat])
    with writer.voice(lora):
        rows = writer.sample([writer.prompt(chat)], WHOLE_SCRIPTS, board.seed, limit, TEMPERATURE, TOP_P)
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


def _plainly(scene: Scene, language: Language) -> list[str]:
    """What is seen, as sentences: always there to be said, however badly the model writes."""
    said = [again.format(scene.subject) for again in language.again]
    return [f"{text[:1].upper()}{text[1:]}" for text in said]


def _told(board: Storyboard, beats: Sequence[_Beat], said: Sequence[str]) -> Storyboard:
    """The storyboard with each scene's lines."""
    lines: dict[int, list[str]] = {}
    for beat, line in zip(beats, said, strict=True):
        lines.setdefault(beat.scene.number, []).append(line)
    scenes = (
        replace(scene, narration=joined(list(filter(None, lines[scene.number])))) for scene in board.scenes
    )
    return replace(board, scenes=tuple(scenes))


def choose(
    lines: Sequence[Sequence[Line]], seconds: Sequence[float], common: frozenset[str] = frozenset()
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
        return item[0] + 2.0 * in_time(Line("", total), asked)

    return list(max(beam, key=in_all)[1])


def _repetition(line: Line, before: Sequence[Line], common: frozenset[str]) -> float:
    return sum(alike(line.text, other.text, common) for other in before)
