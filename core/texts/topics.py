"""Topics by the language model for texts that have none but their own keywords.

Several are drawn for each text; the one under which the text itself is likeliest is kept, for that is what a
topic is there for. What a person wrote as a topic is never touched. Knows nothing about the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core import device
from core.jobs import Clock, Mistake, Progress
from core.settings import TopicsSettings
from core.texts import editing
from core.texts.importing import TRAIN_FILE
from core.texts.samples import TextSample, messages, topic_of
from core.texts.speech import one_line, words
from core.texts.writer import Writer

DRAWN, TOKENS = 6, 16
TEMPERATURE, TOP_P = 0.6, 0.9
LONGEST_WORDS, LONGEST_LETTERS = 8, 60
READ_LETTERS = 600  # of a text: what it is about is said by then
ASKED = "In a few words of the text's own language: what is this text about?\n\n{text}"
EXAMPLES = (
    ("Six pots talk at once. The cook hears only the soup.", "a busy kitchen"),
    ("The last bus has gone. The stop keeps its light on anyway.", "a bus stop at night"),
)


def write_topics(settings: TopicsSettings) -> Iterator[Progress]:
    """Gives a topic to every text of the set whose topic is made of its own keywords.

    What is found before a stop is kept. The last report's `result` is the set's file. Raises Mistake where
    no text lacks a topic.
    """
    samples = editing.current(settings.texts)
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
            found[sample] = suggested(writer, sample, settings.seed)
    finally:
        del writer
        device.free()
        now = editing.current(settings.texts)  # a person may have changed the set since then
        renamed = [replace(one, topic=found[one]) if one in found else one for one in now]
        editing.save(settings.texts, renamed)
    yield Progress("Done", len(missing), len(missing), result=settings.texts / TRAIN_FILE)


def without_topic(samples: Sequence[TextSample]) -> list[TextSample]:
    """The samples whose topic is empty or nothing but their own keywords."""
    return [sample for sample in samples if sample.topic in ("", topic_of(sample.reply))]


def suggested(writer: Writer, sample: TextSample, seed: int) -> str:
    """The best topic drawn for a sample; its own where none that was drawn makes the text likelier."""
    turns = [{"role": "system", "content": "You name what a text is about."}]
    for text, topic in EXAMPLES:
        turns += [
            {"role": "user", "content": ASKED.format(text=text)},
            {"role": "assistant", "content": topic},
        ]
    turns.append({"role": "user", "content": ASKED.format(text=sample.reply[:READ_LETTERS])})
    rows = writer.sample([writer.prompt(turns)], DRAWN, seed, TOKENS, TEMPERATURE, TOP_P)
    drawn = [usable(writer.tokenizer.decode(row, skip_special_tokens=True), sample.reply) for row in rows]
    topics = list(dict.fromkeys([sample.topic or topic_of(sample.reply), *filter(None, drawn)]))
    fits = {topic: writer.log_probs(messages(topic), [sample.reply])[0] for topic in topics}
    return max(topics, key=lambda topic: fits[topic])


def usable(answer: str, text: str) -> str:
    """A model's answer as a topic; empty where it is none: too long, or the text itself."""
    first = one_line((answer.strip().split("\n") or [""])[0])
    topic = re.sub(r"(?i)^\W*(?:topic|about|主题)\s*[:：]", "", first).strip(" \"'“”‘’*.!?。！？")
    if not words(topic) or words(topic) > LONGEST_WORDS or len(topic) > LONGEST_LETTERS or topic in text:
        return ""
    return topic
