"""Texts that are nearly the same as one before: found whatever their number, order and length."""

from __future__ import annotations

import random

import pytest

from core.texts import near_duplicates as module
from core.texts.near_duplicates import near_duplicates, without_near_duplicates
from core.texts.samples import TextSample

WORDS = (
    "the",
    "river",
    "boat",
    "lamp",
    "rain",
    "a",
    "of",
    "and",
    "under",
    "bridge",
    "quiet",
    "heron",
    "waits",
)


def test_near_duplicates_go():
    river = "The river keeps its own slow time, and the town listens to it every morning."
    samples = [
        TextSample("a", river),
        TextSample("b", river.upper().replace(",", " —")),
        TextSample("c", river.replace("every morning", "every mornings")),
        TextSample("d", "Rain taps on the boats like someone who has forgotten the key."),
    ]
    assert [one.topic for one in without_near_duplicates(samples)] == ["a", "d"]


def likeness(one: str, other: str) -> float:
    """Jaccard's, of runs of five letters."""
    first, second = ({text[at : at + 5] for at in range(max(1, len(text) - 4))} for text in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("seed", range(40))
def test_they_are_those_that_comparing_each_with_each_finds(seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(module, "AT_ONCE", chance.choice([1, 3, 500]))
    monkeypatch.setattr(module, "SHARED", chance.choice([1, 12, 40]))
    first = [[chance.choice(WORDS) for _ in range(chance.choice([1, 5, 12, 30]))] for _ in range(4)]
    texts = []
    for _ in range(25):
        text = chance.choice(first).copy()
        for _ in range(chance.randrange(5)):
            text[chance.randrange(len(text))] = chance.choice([*WORDS, "x"])
        texts.append("".join(text))
    alike = chance.choice([0.5, 0.7, 0.9, 1.0])
    kept: list[str] = []
    expected = []
    for number, text in enumerate(texts):
        if any(likeness(text, other) >= alike for other in kept):
            expected.append(number)
        else:
            kept.append(text)
    assert near_duplicates([TextSample("", text) for text in texts], alike) == expected


def test_many_texts_are_compared_with_few(monkeypatch):
    """Each with each of three thousand would be four and a half million comparisons."""
    chance, compared = random.Random(0), []
    jaccard = module._jaccard
    monkeypatch.setattr(module, "_jaccard", lambda one, other: compared.append(1) or jaccard(one, other))
    words = ["".join(chance.choices("abcdefghij", k=6)) for _ in range(1000)]
    texts = [" ".join(chance.choices([*words, *WORDS], k=40)) for _ in range(2990)]
    texts += [f"{text} So." for text in texts[:10]]
    assert near_duplicates([TextSample("", text) for text in texts]) == list(range(2990, 3000))
    assert len(compared) < 30_000
