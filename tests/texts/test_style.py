"""The style's scale: tells two manners apart, admits where it can't, and places what stands between."""

from __future__ import annotations

import random

import pytest

from core.texts.style import Scale

THINGS = [
    "boat",
    "bridge",
    "lamp",
    "kite",
    "river",
    "teapot",
    "cat",
    "window",
    "market",
    "road",
    "bell",
    "hill",
]
DONE = ["waits", "sleeps", "counts the hours", "keeps still", "listens", "has time", "says nothing"]
ZH = ["小船", "石桥", "灯", "风筝", "河", "茶壶", "猫", "窗", "集市", "路"]


def quiet(thing: str, draw: random.Random) -> str:
    return f"The {thing} {draw.choice(DONE)}. It {draw.choice(DONE)}, and nobody {draw.choice(DONE)}."


def loud(thing: str, draw: random.Random) -> str:
    big, hot = (
        draw.choice(["AMAZING", "incredible", "fantastic", "super cool"]),
        draw.choice(["hot", "fresh"]),
    )
    return f"Wow!! Check out this {big} {thing}, guys — don't forget to like!! So {hot}!!"


def test_two_manners_are_told_apart_and_what_is_between_stands_between():
    draw = random.Random(0)
    own = [quiet(thing, draw) for thing in THINGS]
    base = [[loud(thing, draw) for _ in range(3)] for thing in THINGS]
    scale = Scale(own, base)
    assert scale.trusted and scale.told == 1
    near = scale.places([[quiet(thing, draw) for _ in range(3)] for thing in THINGS])
    far = scale.places([[loud(thing, draw) for _ in range(3)] for thing in THINGS])
    half = scale.places([[quiet(thing, draw) + " " + loud(thing, draw)] * 3 for thing in THINGS])
    assert len(near) == 3 and all(0.8 < place < 1.2 for place in near)
    assert all(-0.2 < place < 0.2 for place in far) and all(0.2 < place < 0.8 for place in half)
    assert sum(scale.places(base)) == pytest.approx(0)


def test_the_same_manner_is_right_in_half_of_the_pairs_and_not_trusted():
    told = []
    for seed in range(12):
        draw = random.Random(seed)
        own = [quiet(thing, draw) for thing in THINGS]
        base = [[quiet(thing, draw) for _ in range(2)] for thing in THINGS]
        scale = Scale(own, base, more=[quiet(thing, draw) for thing in THINGS for _ in range(3)])
        told.append(scale.told)
    assert sum(told) / len(told) == pytest.approx(0.5, abs=0.1)


def test_the_same_texts_are_not_told_apart():
    same = [quiet(thing, random.Random(1)) for thing in THINGS]
    assert Scale(same, [[text] for text in same]).told == 0.5
    assert not Scale(same, [[text] for text in same]).trusted


def test_a_topics_own_words_do_not_count():
    """Creator and base differ in nothing but one word of each topic, which no other topic has."""
    own = [f"The {thing} waits by the {thing}." for thing in THINGS]
    base = [
        [f"The {thing} waits by the {other}."]
        for thing, other in zip(THINGS, THINGS[1:] + THINGS[:1], strict=True)
    ]
    assert not Scale(own, base).trusted


def test_chinese_is_told_apart_by_characters():
    own = [f"{thing}在等。它不急，天也不急。" for thing in ZH]
    base = [[f"大家好，今天给大家带来一个关于{thing}的视频！记得点赞关注！"] for thing in ZH]
    scale = Scale(own, base)
    assert scale.trusted
    assert scale.places([[f"{thing}不急。天在等它。"] for thing in ZH])[0] > 0.7


def test_four_topics_are_too_few():
    own = [quiet(thing, random.Random(0)) for thing in THINGS[:4]]
    base = [[loud(thing, random.Random(0))] for thing in THINGS[:4]]
    scale = Scale(own, base)
    assert scale.told == 1 and not scale.enough and not scale.trusted
