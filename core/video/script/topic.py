"""What a topic names: things, places, hours, weather, found among the vocabulary's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.texts.letters import HAN
from core.video.script.vocabulary import Thing, chinese, chinese_names, english, things
from core.video.script.words import places

OWNED = (
    r"\b(?:our|my|your|this|the new|a new)\s(?:[\w'-]+\s){0,3}?[\w'-]+$"
    rf"|(?:我们|我家|我|本店|小店|咱们)的?[{HAN}]{{1,8}}$"
)


@dataclass(frozen=True)
class Facts:
    """What a topic's words say, each in the order of mention; `hero` is what the video is about.

    called: the hero in the topic's own words, where they name it as someone's ("our new ceramic tea cup").
    """

    things: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    weathers: tuple[str, ...] = ()
    hero: str = ""
    called: str = ""


def read_topic(topic: str, known: Mapping[str, Thing] | None = None) -> Facts:
    """The things, settings, times and weathers that a topic's words name, by `known` things."""
    known = things() if known is None else known
    words, zh = english(), chinese()
    names = {name: [name, *words["words"].get(name, ()), *chinese_names(name)] for name in known}
    spans = _mentions(topic, names)
    found = tuple(dict.fromkeys(name for name, _ in spans))
    hero = next((name for name in found if known[name].stands != "over" or known[name].shot != "wide"), "")
    called = ""
    if hero:
        end = next(span[1] for name, span in spans if name == hero)
        for name, span in spans:  # "our bakery's bread" names it twice
            end = span[1] if name == hero and span[0] == end + 1 else end
        owned = re.search(OWNED, topic[:end], re.I)
        called = owned.group().lower() if owned else ""

    def named(kind: str) -> tuple[str, ...]:
        said = {name: [*values["words"], *zh[kind][name]["words"]] for name, values in words[kind].items()}
        return tuple(dict.fromkeys(name for name, _ in _mentions(topic, said)))

    return Facts(found, named("settings"), named("times"), named("weathers"), hero, called)


def _mentions(topic: str, names: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[int, int]]]:
    """(name, span) of every mention in order; of overlapping ones the longest counts."""
    text = topic.lower()
    found: list[tuple[str, tuple[int, int]]] = []
    taken: list[tuple[int, int]] = []
    pairs = sorted(((word, name) for name, said in names.items() for word in said), key=lambda p: -len(p[0]))
    for word, name in pairs:
        for span in places(text, word):
            if any(span != other and span[0] < other[1] and other[0] < span[1] for other in taken):
                continue
            found.append((name, span))
            taken.append(span)
    return sorted(found, key=lambda item: item[1])
