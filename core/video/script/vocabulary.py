"""The words that storyboards are planned with: things, where they are seen, times of day."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.project import ROOT
from core.settings.reading import read_yaml

Vocabulary = Mapping[str, Sequence[str]]  # the words a picture base knows, by kind; empty: any
VOCABULARY = ROOT / "assets" / "vocabulary.yaml"


VOCABULARY_ZH = ROOT / "assets" / "vocabulary-zh.yaml"


@dataclass(frozen=True)
class Thing:
    """A thing that can be drawn: its shot, how it stands, its settings, likeliest first."""

    name: str
    shot: str
    stands: str
    close: tuple[str, ...]
    settings: tuple[str, ...]
    times: tuple[str, ...] = ()
    weathers: tuple[str, ...] = ()
    article: str | None = None

    @property
    def phrase(self) -> str:
        """The thing with its article: `an old man`, `the moon`, `bamboo`."""
        article = ("an" if self.name[0] in "aeiou" else "a") if self.article is None else self.article
        return f"{article} {self.name}".strip()


@functools.cache
def hours() -> tuple[frozenset[str], ...]:
    """The words of each time of day: "morning", "dawn", …"""
    return tuple(frozenset(values["words"]) for values in english()["times"].values())


@functools.cache
def english() -> dict[str, Any]:
    """The English vocabulary, as assets/vocabulary.yaml lays it out."""
    return read_yaml(VOCABULARY)


@functools.cache
def chinese() -> dict[str, Any]:
    """The Chinese words for the same, as assets/vocabulary-zh.yaml lays them out."""
    return read_yaml(VOCABULARY_ZH)


def chinese_names(thing: str) -> tuple[str, ...]:
    """What a thing is called in Chinese, the name first; none for one that isn't known."""
    return tuple(chinese()["things"].get(thing, ()))


@functools.cache
def goods() -> frozenset[str]:
    """Things that are never scenery."""
    return frozenset(name for line in english()["goods"] for name in line)


@functools.cache
def things() -> dict[str, Thing]:
    """Every thing of assets/vocabulary.yaml by name."""
    found = {}
    for kind, members in english()["things"].items():
        common = english()["classes"][kind]
        for name, own in members.items():
            values = {**common, **own}
            lists = {key: tuple(values.get(key, ())) for key in ("close", "settings", "times", "weathers")}
            found[name] = Thing(
                name, values["shot"], values["stands"], article=values.get("article"), **lists
            )
    return found
