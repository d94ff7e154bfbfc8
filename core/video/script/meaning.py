"""How near a topic is to what can be drawn, by sentence embeddings; and what is said where nothing is near.

For topics in English, which the model reads. Measured on the forty topics of tests/video/topics.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.bases import minilm
from core.messages import Sentence, some
from core.video.script.language import CHINESE, language_of
from core.video.script.topic import read_topic
from core.video.script.vocabulary import chinese_names, things

USUAL, WEIGHT = 0.10, 16.0  # a cosine's mean; what makes it weigh as much as the language model's measure
LEAST = 0.28  # of topics with something to draw the nearest thing was at 0.31 or more, of others up to 0.25
OFFERED = 3


def reads(topic: str) -> bool:
    """Whether the model reads a topic's language."""
    return language_of(topic) is not CHINESE


def nearness(topic: str, names: Iterable[str]) -> dict[str, float]:
    """How near each thing of the vocabulary is to a topic, as the planner weighs it: about -4 to 10."""
    return {name: WEIGHT * (near - USUAL) for name, near in _likeness(topic, names).items()}


def nothing_to_draw(topic: str, names: Iterable[str]) -> Sentence | None:
    """What is told where a topic names nothing that can be drawn, and no thing is near it; None elsewhere."""
    known = {name: things()[name] for name in names if name in things()}
    facts = read_topic(topic, known)
    if facts.things or facts.settings or facts.times or facts.weathers:
        return None
    nearest = list(known)
    if reads(topic):
        near = _likeness(topic, known)
        nearest.sort(key=lambda name: -near[name])
        if near[nearest[0]] >= LEAST:
            return None
    offered = [name if reads(topic) else chinese_names(name)[0] for name in nearest[:OFFERED]]
    return Sentence(
        "Nothing of this topic is among the {count} things that the planner can have drawn, such as {names}: "
        "name in the topic what shall be seen, or choose larger models for words and pictures",
        count=len(known),
        names=some(offered),
    )


def nearest(texts: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    """For each text the things, the nearest in meaning first; as they come where the model can't read it."""
    if not any(map(reads, texts)):
        return [[*names] for _ in texts]
    ranks = np.argsort(-_cosines(texts, names).T, kind="stable")
    return [
        [names[at] for at in rank] if reads(text) else [*names]
        for text, rank in zip(texts, ranks, strict=True)
    ]


def _likeness(topic: str, names: Iterable[str]) -> dict[str, float]:
    """The cosine of a topic and each thing, by name."""
    known = [name for name in names if name in things()]
    return dict(zip(known, map(float, _cosines([topic.strip()], known)[:, 0]), strict=True))


def _cosines(texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """How near each thing is to each text, [things, texts]."""
    return minilm.vectors(tuple(things()[name].phrase for name in names)) @ minilm.vectors(tuple(texts)).T
