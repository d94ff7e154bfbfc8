"""A topic becomes scenes that together tell it: what is seen in each, and what its narration is about.

Plans with the words of assets/vocabulary.yaml: things, where they are seen, times of day, weather. A topic in
Chinese is read, and its scenes are told of, in those of assets/vocabulary-zh.yaml; what frames are drawn from
stays English, which every picture base understands. A picture base with a small vocabulary limits the words;
how much each thing belongs to a topic may be told from outside (core.video.script.narration asks the language
model). Knows nothing about models, pictures or sound.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.messages import Mistake
from core.video.script.language import CHINESE, language_of
from core.video.script.topic import Facts, read_topic
from core.video.script.vocabulary import (
    Thing,
    Vocabulary,
    chinese,
    chinese_names,
    english,
    goods,
    things,
)
from core.video.storyboard.board import Scene

MENTIONED, COMPANION, UNASKED, FITTING_SHOT, LUCK = 4.0, 2.0, -5.0, 0.8, 0.6
PRACTISED = 1.5  # for what the base draws best
IN_PLACE, NEAR_PLACE, OUT_OF_PLACE = 1.2, 0.5, -4.0


@dataclass
class _Plan:
    """What scenes are chosen by, and what has been chosen so far.

    worth: by thing, how much it belongs to the topic. main, near: where the video plays, and what is close.
    """

    facts: Facts
    known: Mapping[str, Thing]
    worth: Mapping[str, float]
    main: tuple[str, ...]
    near: frozenset[str]
    practised: frozenset[str]
    weather: str
    luck: random.Random
    used: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)


def plan(
    topic: str,
    count: int,
    seed: int,
    vocabulary: Vocabulary | None = None,
    *,
    mood: str = "",
    relevance: Mapping[str, float] | None = None,
) -> tuple[Scene, ...]:
    """`count` scenes for a topic: an opening view, then life and details in turn, then a closing view.

    vocabulary: the words a picture base knows, by kind (`picture_base.vocabulary`); empty or None: all.
    Its `common` ones are what the base draws best: of things that the topic doesn't name they come first.
    mood: words (a style's look) that give the time of day and the weather where the topic says none.
    relevance: by thing, how much it belongs to the topic (about -4 to 6, larger is more). Raises Mistake for
    a topic without words.
    """
    if not re.search(r"\w", topic):
        raise Mistake(
            "The topic {topic} has no words; write what the video is about in a few words.", topic=topic
        )
    known = drawable(vocabulary)
    facts = read_topic(topic, known)
    times, weather = _times(facts, read_topic(mood, known), count)
    practised = frozenset((vocabulary or {}).get("common", ()))
    draft = _begun(facts, known, relevance or {}, practised, weather, random.Random(f"{seed} {topic}"))
    heroes = _hero_slots(facts, known, count)
    told = subject_zh if language_of(topic) is CHINESE else subject
    scenes = []
    for slot, time in enumerate(times):
        name = facts.hero if slot in heroes else _choose(draft, _shot(slot, count), time)
        thing = known[name]
        setting = _setting(draft, thing)
        draft.used.append(name)
        draft.settings.append(setting)
        outdoors = weather if thing.shot != "wide" or thing.stands != "over" else ""
        called = facts.called if name == facts.hero else ""
        scenes.append(
            Scene(
                thing=name,
                setting=setting,
                about=told(thing, setting, time, outdoors, called),
                draw=prompt(thing, setting, time, outdoors),
            )
        )
    return tuple(scenes)


def illustrate(
    texts: Sequence[str],
    topic: str,
    seed: int,
    vocabulary: Vocabulary | None = None,
    *,
    mood: str = "",
    relevance: Mapping[str, float] | None = None,
) -> tuple[Scene, ...]:
    """A scene for each text that is there already: what it names, else what belongs to all of them.

    An hour or a weather that a text names holds until another is named. Parameters are as in `plan`.
    """
    known = drawable(vocabulary)
    whole, told = _told(texts, topic, known)
    by_mood = read_topic(mood, known)
    times, _ = _times(Facts(times=whole.times[:1]), by_mood, len(texts))
    weather = next(iter((*read_topic(topic, {}).weathers, *by_mood.weathers)), "")
    practised = frozenset((vocabulary or {}).get("common", ()))
    draft = _begun(whole, known, relevance or {}, practised, weather, random.Random(f"{seed} {topic}"))
    about = subject_zh if language_of(" ".join(texts)) is CHINESE else subject
    hour = ""
    scenes = []
    for slot, facts in enumerate(told):
        hour, draft.weather = (*facts.times, hour)[0], (*facts.weathers, draft.weather)[0]
        time = hour or times[slot]
        name = _named(draft, facts) or _choose(draft, _shot(slot, len(told)), time)
        thing = known[name]
        named = (place for place in facts.settings if place in thing.settings)
        setting = next(named, "") or _setting(draft, thing)
        draft.used.append(name)
        draft.settings.append(setting)
        how = thing, setting, time, draft.weather
        scenes.append(Scene(thing=name, setting=setting, about=about(*how), draw=prompt(*how)))
    return tuple(scenes)


def _named(draft: _Plan, facts: Facts) -> str:
    """The thing that a text names, of several rather one that is at home where the text is, and is new."""
    found = [name for name in facts.things if name not in draft.used[-1:]] or list(facts.things)
    placed = (name for name in found if set(facts.settings) & set(draft.known[name].settings))
    return next(placed, found[0] if found else "")


def unnamed(texts: Sequence[str], topic: str, vocabulary: Mapping[str, Sequence[str]] | None) -> int:
    """How many texts name nothing that can be drawn."""
    return sum(not facts.things for facts in _told(texts, topic, drawable(vocabulary))[1])


def _told(texts: Sequence[str], topic: str, known: Mapping[str, Thing]) -> tuple[Facts, list[Facts]]:
    """What all texts and their topic name, and what each does."""
    whole = read_topic("\n".join((topic, *texts)), known)
    mine = {name: known[name] for name in whole.things}  # few are looked for in each, which is quick
    return whole, [read_topic(text, mine) for text in texts]


def _begun(
    facts: Facts,
    known: Mapping[str, Thing],
    relevance: Mapping[str, float],
    practised: frozenset[str],
    weather: str,
    luck: random.Random,
) -> _Plan:
    """A plan that has no scene yet."""
    worth = {name: relevance.get(name, 0.0) for name in known}
    main = _main_settings(facts, known, worth)
    near = frozenset(place for setting in main for place in english()["settings"][setting]["near"])
    return _Plan(facts, known, worth, main, near - set(main), practised, weather, luck)


def prompt(thing: Thing, setting: str, time: str = "", weather: str = "") -> str:
    """What the frame shows, in the picture base's caption wording: `a boat on a river in the morning`."""
    words = english()
    when = words["times"][time]["phrase"] if time and setting not in words["timeless"] else ""
    how = words["weathers"][weather]["phrase"] if weather and setting not in words["sheltered"] else ""
    return " ".join(filter(None, (thing.phrase, _place(thing, setting), when, how)))


def subject(thing: Thing, setting: str, time: str = "", weather: str = "", called: str = "") -> str:
    """What the narration is about, in the words of a topic: `a boat on a river, morning, fog`."""
    words = english()
    when = time if setting not in words["timeless"] else ""
    how = weather if setting not in words["sheltered"] and weather != "clear" else ""
    return ", ".join(filter(None, (f"{called or thing.phrase} {_place(thing, setting)}", when, how)))


def subject_zh(thing: Thing, setting: str, time: str = "", weather: str = "", called: str = "") -> str:
    """The same in Chinese: `河上的小船，早晨，雾中`."""
    words, zh = english(), chinese()
    when = zh["times"][time]["words"][0] if time and setting not in words["timeless"] else ""
    how = (
        ""
        if setting in words["sheltered"] or weather in ("", "clear")
        else zh["weathers"][weather]["words"][0]
    )
    place = _place(thing, setting, zh)
    seen = f"{called}，在{place}" if called else f"{place}的{chinese_names(thing.name)[0]}"
    return "，".join(filter(None, (seen, when, how)))


def _place(thing: Thing, setting: str, words: Mapping[str, Any] | None = None) -> str:
    phrases = (words or english())["settings"][setting]["phrases"]
    stands = "at" if setting in thing.close else thing.stands
    return phrases.get(stands, phrases["at"])


def drawable(vocabulary: Vocabulary | None) -> dict[str, Thing]:
    """The things that a base can draw, with the settings it can draw them in; all where it names none."""
    if not vocabulary or not vocabulary.get("object"):
        return things()
    objects, settings = set(vocabulary["object"]), set(vocabulary.get("setting", english()["settings"]))
    limited = {
        name: replace(thing, settings=tuple(place for place in thing.settings if place in settings))
        for name, thing in things().items()
        if name in objects
    }
    return {name: thing for name, thing in limited.items() if thing.settings}


def _times(facts: Facts, mood: Facts, count: int) -> tuple[list[str], str]:
    """A time of day for each scene, and one weather for all.

    One named time holds throughout; several named ones divide the scenes in their order. Where none is named
    the video goes through a day, which is a story of its own.
    """
    named = facts.times or mood.times or ("morning", "day", "evening")
    times = [named[min(slot * len(named) // count, len(named) - 1)] for slot in range(count)]
    return times, next(iter(facts.weathers or mood.weathers), "")


def _main_settings(facts: Facts, known: Mapping[str, Thing], worth: Mapping[str, float]) -> tuple[str, ...]:
    """Where the video plays: what the topic names, else the hero's settings, else its things' vote."""
    possible = {place for thing in known.values() for place in thing.settings}
    named = tuple(place for place in facts.settings if place in possible)
    if named:
        return named[:3]
    if facts.hero:
        return known[facts.hero].settings[:2]
    votes: dict[str, float] = {}
    for name in sorted(known, key=lambda name: -worth[name])[:12]:
        for rank, place in enumerate(known[name].settings[:2]):
            votes[place] = votes.get(place, 0.0) + (max(worth[name], 0.0) + 0.1) / (rank + 1)
    return tuple(sorted(votes, key=lambda place: (-votes[place], place))[:2])


def _hero_slots(facts: Facts, known: Mapping[str, Thing], count: int) -> set[int]:
    """Scenes that show the hero: first and last, and one in the middle where there are five or more.

    Each in another setting. A topic that names several things shows its hero only first and last.
    """
    if not facts.hero:
        return set()
    often = 3 if count >= 5 and len(facts.things) < 3 else 2
    slots = [0, count - 1, count // 2] if count > 2 else [0]
    return set(slots[: min(often, len(known[facts.hero].settings))])


def _shot(slot: int, count: int) -> str:
    """The kind of shot a slot asks for: wide ones open and close, life and details take turns between."""
    if slot in (0, count - 1):
        return "wide"
    return ("life", "detail")[(slot - 1) % 2]


def _choose(draft: _Plan, shot: str, time: str) -> str:
    """The best thing for a slot: it belongs to the topic, to the place, the time and the shot, and is new."""
    companions, wares = english()["companions"].get(draft.facts.hero, ()), goods()
    known, lucks = draft.known, {name: draft.luck.gauss(0, LUCK) for name in sorted(draft.known)}

    def score(name: str) -> float:
        thing = known[name]
        total = draft.worth[name] + lucks[name]
        mentioned, companion = name in draft.facts.things, name in companions
        total += MENTIONED * mentioned + COMPANION * companion
        total += UNASKED * (name in wares and not mentioned and not companion)
        total += FITTING_SHOT * (thing.shot == shot) + PRACTISED * (name in draft.practised)
        return total + _fit(draft, thing)

    fresh = [name for name in known if _fresh(draft, known[name], time)]
    left = fresh or [name for name in known if name not in draft.used] or list(known)
    return max(left, key=score)


def _fit(draft: _Plan, thing: Thing) -> float:
    """How well a thing fits where the video plays."""
    if any(place in draft.main for place in thing.settings):
        return IN_PLACE
    return NEAR_PLACE if any(place in draft.near for place in thing.settings) else OUT_OF_PLACE


def _fresh(draft: _Plan, thing: Thing, time: str) -> bool:
    """Whether a thing is neither used nor too like a used one, and can be seen at that time and weather."""
    weather = draft.weather
    if thing.name in draft.used or thing.name == draft.facts.hero:
        return False
    if thing.name in draft.facts.things:
        return True
    if (thing.times and time not in thing.times) or (thing.weathers and weather not in thing.weathers):
        return False
    if weather in ("rain", "snow", "fog") and thing.stands == "over" and thing.shot != "detail":
        return False
    shown = [*draft.used, draft.facts.hero]
    return not any(
        thing.name in group and any(name in group for name in shown) for group in english()["alike"]
    )


def _setting(draft: _Plan, thing: Thing) -> str:
    """Where a thing is shown: in the video's places first, and rather where no scene has been yet."""

    def score(place: str) -> float:
        inside, near = place in draft.main, place in draft.near
        total = IN_PLACE * inside + NEAR_PLACE * near - 0.8 * (not inside and not near)
        total -= 0.15 * thing.settings.index(place)
        total -= 0.45 * draft.settings.count(place) + 0.3 * (place in draft.settings[-1:])
        if thing.name == draft.facts.hero:
            shown = zip(draft.used, draft.settings, strict=True)
            total -= 3.0 * sum(name == thing.name and seen == place for name, seen in shown)
        return total + draft.luck.gauss(0, 0.05)

    return max(thing.settings, key=score)
