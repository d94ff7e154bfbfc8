"""Topics by the language model for texts that have none but their own keywords.

Several are drawn for each text; the one under which the text itself is likeliest is kept, for that is what a
topic is there for. A pitch's topic is its product, an answer's the question. What a person wrote as a topic
is never touched. Knows nothing about the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import device
from core.messages import Mistake
from core.progress import Clock, Progress
from core.project import unused
from core.settings.data import TopicsSettings
from core.texts import editing
from core.texts.importing import TRAIN_FILE, read_files
from core.texts.samples import CONTINUE, NARRATION, TextSample, messages, topic_of, write_samples
from core.texts.sampling import Sampling
from core.texts.speech import one_line, words
from core.texts.template import answer
from core.texts.writer import Writer

DRAWN = 6
TEMPERATURE, TOP_P = 0.6, 0.9
TOKENS_A_WORD, LETTERS_A_WORD = 2, 7.5
READ_LETTERS = 600  # of a text: what it is about is said by then


@dataclass(frozen=True)
class Asking:
    """How a model is asked for a text's topic; examples: (text, topic), longest: of a topic, in words."""

    system: str
    request: str
    examples: tuple[tuple[str, str], ...]
    longest: int


ASKED = {
    NARRATION: Asking(
        "You name what a text is about.",
        "In a few words of the text's own language: what is this text about?\n\n{text}",
        (
            ("Six pots talk at once. The cook hears only the soup.", "a busy kitchen"),
            ("The last bus has gone. The stop keeps its light on anyway.", "a bus stop at night"),
        ),
        8,
    ),
    "pitch": Asking(
        "You name the product that a text sells.",
        "In a few words of the text's own language: which product does this sell?\n\n{text}",
        (
            (
                "Two hooks, no drill. The shelf is up before the kettle boils.",
                "a wall shelf, up without tools",
            ),
            (
                "It folds flat and weighs less than your phone. Let it rain.",
                "a folding umbrella, light and flat",
            ),
        ),
        12,
    ),
    "talk": Asking(
        "You name the question that an answer replies to.",
        "In the answer's own language: which question of a customer does this answer?\n\n{text}",
        (
            ("Order before noon and it leaves the same day.", "When will my order be sent?"),
            ("Yes, within ten days, and we pay the way back.", "Can I return it if it doesn't fit?"),
        ),
        16,
    ),
}


def write_topics(settings: TopicsSettings) -> Iterator[Progress]:
    """Gives a topic to every text of a set, or of a file, whose topic is made of its own keywords.

    What is found before a stop is kept, in the set or in `settings.output`. The last report's `result` is the
    file. Raises Mistake where there is no text, or none that lacks a topic.
    """
    samples, target = _read(settings.texts), _target(settings)
    missing = without_topic(samples)
    if not missing:
        raise Mistake("Every text has a topic of its own already.")
    yield Progress("Loading the language model")
    writer = Writer(settings.base_model)
    found: dict[TextSample, str] = {}
    clock = Clock(len(missing))
    try:
        for at, sample in enumerate(missing):
            yield Progress("Finding topics", at, len(missing), seconds_left=clock.left(at) if at else None)
            found[sample] = suggested(writer, sample, settings.seed, settings.task)
    finally:
        del writer
        device.free()
        now = _read(settings.texts)  # a person may have changed the set since then
        renamed = [replace(one, topic=found[one]) if one in found else one for one in now]
        if target == settings.texts / TRAIN_FILE:
            editing.save(settings.texts, renamed)
        else:
            write_samples(target, renamed)
    yield Progress("Done", len(missing), len(missing), result=target)


def _read(texts: Path) -> list[TextSample]:
    """The samples of a set's folder or of a file. Raises Mistake where there are none."""
    samples = editing.current(texts) if texts.is_dir() else list(read_files([texts], strict=True).samples)
    if not samples:
        raise Mistake("{path} holds no texts; put some into it first.", path=texts)
    return samples


def _target(settings: TopicsSettings) -> Path:
    """The file to write. Raises Mistake where it is the one that is read, which stays as it is."""
    texts = settings.texts
    if settings.output is None:
        return texts / TRAIN_FILE if texts.is_dir() else unused(texts.with_name(f"{texts.stem}-topics.jsonl"))
    if settings.output.resolve() == texts.resolve():
        raise Mistake("{path} is the file that is read; choose another output.", path=settings.output)
    return settings.output


def without_topic(samples: Sequence[TextSample]) -> list[TextSample]:
    """The samples whose topic is empty or nothing but their own keywords."""
    return [sample for sample in samples if sample.topic in ("", topic_of(sample.reply))]


def suggested(writer: Writer, sample: TextSample, seed: int, task: str = NARRATION) -> str:
    """The best topic drawn for a sample; its own where none that was drawn makes the text likelier.

    `task` says what the sample is; a text to be continued gets the topic of a narration.
    """
    task = NARRATION if task == CONTINUE else task
    topics = list(dict.fromkeys([sample.topic or topic_of(sample.reply), *drawn(writer, sample, seed, task)]))
    fits = {topic: writer.log_probs(messages(topic, task=task), [sample.reply])[0] for topic in topics}
    return max(topics, key=lambda topic: fits[topic])


def drawn(writer: Writer, sample: TextSample, seed: int, task: str) -> list[str]:
    """Usable topics of `DRAWN` answers."""
    limit = TOKENS_A_WORD * ASKED[task].longest
    prompt = writer.prompt(request(sample.reply[:READ_LETTERS], task))
    rows = writer.sample([prompt], DRAWN, seed, Sampling(limit, TEMPERATURE, TOP_P))
    said = [answer(writer.tokenizer, row) for row in rows]
    return list(filter(None, (usable(one, sample.reply, task) for one in said)))


def request(text: str, task: str) -> list[dict[str, str]]:
    """The chat that asks for a text's topic, with examples."""
    words = ASKED[task]
    turns = [{"role": "system", "content": words.system}]
    for example, topic in words.examples:
        turns += [
            {"role": "user", "content": words.request.format(text=example)},
            {"role": "assistant", "content": topic},
        ]
    return [*turns, {"role": "user", "content": words.request.format(text=text)}]


def usable(answer: str, text: str, task: str = NARRATION) -> str:
    """A model's answer as a topic; empty where it is none: too long, the text itself, or no question."""
    first = one_line((answer.strip().split("\n") or [""])[0])
    around = " \"'“”‘’*.!。！" + ("" if task == "talk" else "?？")
    topic = re.sub(r"(?i)^\W*(?:topic|about|product|question|主题|产品|问题)\s*[:：]", "", first).strip(
        around
    )
    longest = ASKED[task].longest
    if not words(topic) or words(topic) > longest or len(topic) > longest * LETTERS_A_WORD or topic in text:
        return ""
    return topic if task != "talk" or topic.endswith(("?", "？")) else ""
