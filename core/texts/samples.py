"""A text sample: a topic and the narration for it, as the text LoRA learns it and the writer asks for it.

Holds the one chat prompt that training and writing share, for each kind of texts (`TASKS`), `train.jsonl`
(OpenAI messages) in and out, and the split into training and held-out samples. Knows nothing about tokens.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from core.encodings import as_read, decoded, whole
from core.files import MEGABYTE, contents
from core.lineage import read_lineage
from core.messages import Mistake
from core.project import write_atomic
from core.texts.letters import DENSE, IDEOGRAPH
from core.texts.reasoning import spoken
from core.texts.speech import joined, sentences, words

NARRATION, CONTINUE = "narration", "continue"
LARGEST_SET = 20 * MEGABYTE

Item = TypeVar("Item")


@dataclass(frozen=True)
class Task:
    """What a language model is asked for; a `request` that ends with a period takes a topic without marks."""

    system: str
    request: str
    tone: str = "Tone: {tone}."


# A LoRA learns these very words with its texts and is asked in them: to change one is to lose its voice.
TASKS = {
    NARRATION: Task("You write narration for short videos.", "Narrate a short scene about {topic}."),
    "pitch": Task("You write product pitches for short videos.", "Pitch this product: {topic}."),
    "talk": Task("You answer a shop's customers.", "{topic}"),
    CONTINUE: Task("You continue texts in their author's voice.", "Continue this text: {topic}"),
}


@dataclass(frozen=True)
class TextSample:
    """A topic, the narration for it in the creator's voice, and where it came from (a file's name)."""

    topic: str
    reply: str
    source: str = ""


def messages(topic: str, tone: str = "", task: str | Task = NARRATION) -> list[dict[str, str]]:
    """The chat up to the model's turn, the same in training and in writing; `tone` is the style's wish.

    `task` is a name in TASKS, or one in other words for a base that learnt none of these. Short on purpose:
    every sample and every scene pays for these tokens.
    """
    wording = TASKS[task] if isinstance(task, str) else task
    wish = wording.tone.format(tone=tone.strip().rstrip(".")) if tone.strip() else ""
    system = f"{wording.system} {wish}".strip()
    bare = wording.request.endswith((".", "。"))
    plain = topic.strip()
    request = wording.request.format(topic=plain.rstrip(".!?。！？") if bare else plain)
    return [{"role": "system", "content": system}, {"role": "user", "content": request}]


def task_of(lora: Path | None) -> str:
    """The task that a text LoRA's folder was trained for, from its lineage; narration where none stands.

    Raises Mistake where that is damaged.
    """
    task = read_lineage(lora).get("settings", {}).get("task") if lora else None
    return task if isinstance(task, str) and task in TASKS else NARRATION


def learnt(samples: Sequence[TextSample], task: str) -> tuple[TextSample, ...]:
    """Samples as a LoRA of this task learns them: to continue, a text's beginning asks for the rest."""
    return tuple(map(_continued, samples)) if task == CONTINUE else tuple(samples)


def _continued(sample: TextSample) -> TextSample:
    """The first sentence as the topic, the rest as the reply; a single sentence is cut in its middle."""
    first, *rest = sentences(sample.reply) or [sample.reply]
    if rest:
        return TextSample(first, joined(rest), sample.source)
    parts = re.findall(r"[^，、；]+[，、；]?" if DENSE.search(first) else r"\S+\s*", first)
    if len(parts) < 2:
        parts = list(first)
    middle = len(parts) // 2
    return TextSample("".join(parts[:middle]).strip(), "".join(parts[middle:]).strip(), sample.source)


def write_samples(path: Path, samples: Iterable[TextSample]) -> Path:
    """Writes `train.jsonl`: one `{"messages": [user: topic, assistant: reply]}` a line, as it will be read.

    What nobody says (reasoning) is left out, and a sample without words. Raises Mistake where texts are
    garbled, or together too large to be read again.
    """
    spoken_ones = (replace(sample, reply=spoken(whole(sample.reply))) for sample in samples)
    lines = [
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": whole(sample.topic)},
                    {"role": "assistant", "content": sample.reply},
                ]
            },
            ensure_ascii=False,
        )
        for sample in spoken_ones
        if words(sample.reply)
    ]
    text = as_read("".join(f"{line}\n" for line in lines), path.name)
    if len(text.encode()) > LARGEST_SET:
        raise Mistake(
            "These texts are larger than {most} MB together; leave some out.", most=LARGEST_SET // MEGABYTE
        )
    return write_atomic(path, text)


def read_samples(path: Path) -> list[TextSample]:
    """Samples of a `train.jsonl` as `write_samples` writes it; other layouts: `core.texts.importing`.

    Raises Mistake naming the line that isn't one.
    """
    samples = []
    text = decoded(contents(path, LARGEST_SET), path.name).text
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = {turn["role"]: str(turn["content"]) for turn in json.loads(line)["messages"]}
            samples.append(TextSample(said["user"], said["assistant"], path.name))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Mistake(
                "Line {line} of {path} is not a sample; each needs messages of a user and an assistant.",
                line=number,
                path=path,
            ) from None
    return samples


def split(
    samples: Sequence[TextSample], share: float, seed: int
) -> tuple[tuple[TextSample, ...], tuple[TextSample, ...]]:
    """(training, held-out) with `share` of the samples held out, chosen by `seed`, order kept.

    At least one is held out where `share` > 0 and two samples exist; at least one is always left to train on.
    """
    count = min(round(len(samples) * share) or (1 if share > 0 else 0), len(samples) - 1)
    chosen = set(random.Random(seed).sample(range(len(samples)), max(count, 0)))
    return (
        tuple(sample for index, sample in enumerate(samples) if index not in chosen),
        tuple(sample for index, sample in enumerate(samples) if index in chosen),
    )


def evenly(samples: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the samples, evenly spread."""
    count = min(most, len(samples))
    return [samples[len(samples) * number // count] for number in range(count)]


_COMMON_WORDS = """
    a about above after again all almost alone along already also always am an and another any
    anything are around as at away back be became because been before behind being below between
    both but by came can cannot come comes could day did do does doing done don't down each else
    enough even ever every everyone everything far few first for found from full get gets give given
    go goes going gone good got great had has have having he her here hers herself him himself his
    how i if in into is isn't it it's its itself just keep keeps kept know knows last leave left
    less let like likes little long look looks made make makes many may me mean might mine more most
    much must my myself need never new next no nobody none not nothing now of off often oh ok old on
    once one only onto or other our ours ourselves out over own past perhaps put quite rather really
    right said same say says see seen seems shall she should since small so some someone something
    sometimes soon still such take takes tell than that that's the their theirs them themselves then
    there these they thing things think this those though through till time to today together too
    took toward two under until up upon us very want was way we well went were what when where which
    while who whole whom whose why will with within without won't would yes yet you your yours
    yourself
"""
COMMON_WORDS = frozenset(_COMMON_WORDS.split())
_BEFORE_NOUNS = frozenset(
    {"a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "every"}
)


def topic_of(text: str, words: int = 4) -> str:
    """A topic made from a text that has none: its most telling words in the order they occur.

    A word tells more the oftener it comes, the longer it is, and where an article or the like stands before
    it, as before nouns. Chinese and Japanese text gives its first clause, as words can't be found there
    without a dictionary.
    """
    if IDEOGRAPH.search(text):
        clauses = re.split(r"[，。！？；、：“”,.!?;:\s]+", text)
        return next(filter(None, clauses), text.strip())[:16]
    found = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text)
    plain = [word.casefold().replace("’", "'") for word in found]
    weights: Counter[str] = Counter()
    for before, word in zip(["", *plain], plain, strict=False):
        if word not in COMMON_WORDS and len(word) > 2:
            weights[word] += min(len(word), 8) * (2 if before in _BEFORE_NOUNS else 1)
    telling = sorted(weights, key=lambda word: -weights[word])[:words]  # equals stay as they came
    return (
        " ".join(word for word in weights if word in telling) or " ".join(found[:words]) or text.strip()[:16]
    )
