"""A topic becomes a storyboard: scenes that together tell the topic, each with what is seen and what is said.

Plans with the words of assets/vocabulary.yaml: things, where they are seen, times of day, weather. A topic in
Chinese is read, and its scenes are told of, in those of assets/vocabulary-zh.yaml; what frames are drawn from
stays English, which every picture base understands. A picture base with a small vocabulary limits the words;
how much each thing belongs to a topic may be told from outside (core.video.script asks the language model).
Knows nothing about models, pictures or sound.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from core.jobs import Mistake
from core.project import write_atomic
from core.settings import ROOT, read_yaml
from core.texts.speech import DENSE
from core.video.language import CHINESE, language_of

VOCABULARY = ROOT / "assets" / "vocabulary.yaml"
VOCABULARY_ZH = ROOT / "assets" / "vocabulary-zh.yaml"
OWNED = (
    r"\b(?:our|my|your|this|the new|a new)\s(?:[\w'-]+\s){0,3}?[\w'-]+$"
    r"|(?:我们|我家|我|本店|小店|咱们)的?[\u4e00-\u9fff]{1,8}$"
)
MENTIONED, COMPANION, UNASKED, FITTING_SHOT, LUCK = 4.0, 2.0, -5.0, 0.8, 0.6
IN_PLACE, NEAR_PLACE, OUT_OF_PLACE = 1.2, 0.5, -4.0


@dataclass(frozen=True)
class Scene:
    """One scene: `thing` in `setting` is what `prompt` draws; `narration` is said about `subject`.

    number counts from 1; seconds is the speech's length, aimed at before there is any; seed draws the frame;
    text_lora is the folder of the text LoRA that says it, none: the base alone.
    """

    number: int
    thing: str
    setting: str
    subject: str
    prompt: str
    narration: str = ""
    seconds: float = 0.0
    seed: int = 0
    text_lora: str = ""


@dataclass(frozen=True)
class Storyboard:
    """A topic's scenes in order; the same topic, style and seed plan the same ones."""

    topic: str
    style: str
    seed: int
    scenes: tuple[Scene, ...]

    def with_scene(self, scene: Scene) -> Storyboard:
        """The storyboard with the scene of that number replaced."""
        scenes = tuple(scene if old.number == scene.number else old for old in self.scenes)
        return replace(self, scenes=scenes)


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


@dataclass
class _Plan:
    """What has been chosen so far."""

    facts: Facts
    main: tuple[str, ...]
    near: frozenset[str]
    used: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)


@functools.cache
def hours() -> tuple[frozenset[str], ...]:
    """The words of each time of day: "morning", "dawn", …"""
    return tuple(frozenset(values["words"]) for values in _words()["times"].values())


@functools.cache
def _words() -> dict[str, Any]:
    return read_yaml(VOCABULARY)


@functools.cache
def _words_zh() -> dict[str, Any]:
    return read_yaml(VOCABULARY_ZH)


def chinese_names(thing: str) -> tuple[str, ...]:
    """What a thing is called in Chinese, the name first; none for one that isn't known."""
    return tuple(_words_zh()["things"].get(thing, ()))


@functools.cache
def _goods() -> frozenset[str]:
    """Things that are never scenery."""
    return frozenset(name for line in _words()["goods"] for name in line)


@functools.cache
def things() -> dict[str, Thing]:
    """Every thing of assets/vocabulary.yaml by name."""
    found = {}
    for kind, members in _words()["things"].items():
        common = _words()["classes"][kind]
        for name, own in members.items():
            values = {**common, **own}
            lists = {key: tuple(values.get(key, ())) for key in ("close", "settings", "times", "weathers")}
            found[name] = Thing(
                name, values["shot"], values["stands"], article=values.get("article"), **lists
            )
    return found


def plan(
    topic: str,
    count: int,
    seed: int,
    vocabulary: Mapping[str, Sequence[str]] | None = None,
    *,
    style: str = "",
    mood: str = "",
    seconds: float = 0.0,
    relevance: Mapping[str, float] | None = None,
) -> Storyboard:
    """`count` scenes for a topic: an opening view, then life and details in turn, then a closing view.

    vocabulary: the words a picture base knows, by kind (`core.basemodels.vocabulary`); empty or None: all.
    style: the style's name, kept in the storyboard. mood: words (a style's look) that give the time of day
    and the weather where the topic says none. seconds: speech in one scene. relevance: by thing, how much it
    belongs to the topic (about -4 to 6, larger is more). Raises Mistake for a topic without words.
    """
    if not re.search(r"\w", topic):
        raise Mistake(
            "The topic {topic} has no words; write what the video is about in a few words.", topic=topic
        )
    luck = random.Random(f"{seed} {topic}")
    known = _known(vocabulary)
    facts = read_topic(topic, known)
    times, weather = _times(facts, read_topic(mood, known), count)
    worth = {name: (relevance or {}).get(name, 0.0) for name in known}
    told = subject_zh if language_of(topic) is CHINESE else subject
    main = _main_settings(facts, known, worth)
    near = frozenset(place for setting in main for place in _words()["settings"][setting]["near"]) - set(main)
    draft = _Plan(facts, main, near)
    heroes = _hero_slots(facts, known, count)
    scenes = []
    for slot in range(count):
        time = times[slot]
        if slot in heroes:
            name = facts.hero
        else:
            name = _choose(draft, known, worth, _shot(slot, count), time, weather, luck)
        setting = _setting(draft, known[name], luck)
        draft.used.append(name)
        draft.settings.append(setting)
        thing = known[name]
        outdoors = weather if thing.shot != "wide" or thing.stands != "over" else ""
        called = facts.called if name == facts.hero else ""
        scenes.append(
            Scene(
                number=slot + 1,
                thing=name,
                setting=setting,
                subject=told(thing, setting, time, outdoors, called),
                prompt=prompt(thing, setting, time, outdoors),
                seconds=seconds,
                seed=random.Random(f"{seed} {slot}").randrange(2**32),
            )
        )
    return Storyboard(topic.strip(), style, seed, tuple(scenes))


def prompt(thing: Thing, setting: str, time: str = "", weather: str = "") -> str:
    """What the frame shows, in the picture base's caption wording: `a boat on a river in the morning`."""
    words = _words()
    when = words["times"][time]["phrase"] if time and setting not in words["timeless"] else ""
    how = words["weathers"][weather]["phrase"] if weather and setting not in words["sheltered"] else ""
    return " ".join(filter(None, (thing.phrase, _place(thing, setting), when, how)))


def subject(thing: Thing, setting: str, time: str = "", weather: str = "", called: str = "") -> str:
    """What the narration is about, in the words of a topic: `a boat on a river, morning, fog`."""
    words = _words()
    when = time if setting not in words["timeless"] else ""
    how = weather if setting not in words["sheltered"] and weather != "clear" else ""
    return ", ".join(filter(None, (f"{called or thing.phrase} {_place(thing, setting)}", when, how)))


def subject_zh(thing: Thing, setting: str, time: str = "", weather: str = "", called: str = "") -> str:
    """The same in Chinese: `河上的小船，早晨，雾中`."""
    words, zh = _words(), _words_zh()
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
    phrases = (words or _words())["settings"][setting]["phrases"]
    stands = "at" if setting in thing.close else thing.stands
    return phrases.get(stands, phrases["at"])


def _known(vocabulary: Mapping[str, Sequence[str]] | None) -> dict[str, Thing]:
    """The things that a base can draw, with the settings it can draw them in; all where it names none."""
    if not vocabulary or not vocabulary.get("object"):
        return things()
    objects, settings = set(vocabulary["object"]), set(vocabulary.get("setting", _words()["settings"]))
    limited = {
        name: replace(thing, settings=tuple(place for place in thing.settings if place in settings))
        for name, thing in things().items()
        if name in objects
    }
    return {name: thing for name, thing in limited.items() if thing.settings}


def read_topic(topic: str, known: Mapping[str, Thing] | None = None) -> Facts:
    """The things, settings, times and weathers that a topic's words name, by `known` things."""
    known = things() if known is None else known
    words, zh = _words(), _words_zh()
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
    """(name, span) of every mention in order; of overlapping ones the longest counts. Plurals count.

    Chinese words are found anywhere, as nothing parts them.
    """
    text = topic.lower()
    found: list[tuple[str, tuple[int, int]]] = []
    taken: list[tuple[int, int]] = []
    pairs = sorted(((word, name) for name, said in names.items() for word in said), key=lambda p: -len(p[0]))
    for word, name in pairs:
        whole = rf"(?<!\w){re.escape(word)}(?:e?s|'s|s')?(?!\w)"
        for match in re.finditer(re.escape(word) if DENSE.search(word) else whole, text):
            span = match.span()
            if any(span != other and span[0] < other[1] and other[0] < span[1] for other in taken):
                continue
            found.append((name, span))
            taken.append(span)
    return sorted(found, key=lambda item: item[1])


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


def _choose(
    draft: _Plan,
    known: Mapping[str, Thing],
    worth: Mapping[str, float],
    shot: str,
    time: str,
    weather: str,
    luck: random.Random,
) -> str:
    """The best thing for a slot: it belongs to the topic, to the place, the time and the shot, and is new."""
    companions, goods = _words()["companions"].get(draft.facts.hero, ()), _goods()
    lucks = {name: luck.gauss(0, LUCK) for name in sorted(known)}

    def score(name: str) -> float:
        thing = known[name]
        total = worth[name] + lucks[name]
        mentioned, companion = name in draft.facts.things, name in companions
        total += MENTIONED * mentioned + COMPANION * companion
        total += UNASKED * (name in goods and not mentioned and not companion)
        total += FITTING_SHOT * (thing.shot == shot)
        return total + _fit(draft, thing)

    fresh = [name for name in known if _fresh(draft, known[name], time, weather)]
    left = fresh or [name for name in known if name not in draft.used] or list(known)
    return max(left, key=score)


def _fit(draft: _Plan, thing: Thing) -> float:
    """How well a thing fits where the video plays."""
    if any(place in draft.main for place in thing.settings):
        return IN_PLACE
    return NEAR_PLACE if any(place in draft.near for place in thing.settings) else OUT_OF_PLACE


def _fresh(draft: _Plan, thing: Thing, time: str, weather: str) -> bool:
    """Whether a thing is neither used nor too like a used one, and can be seen at that time and weather."""
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
        thing.name in group and any(name in group for name in shown) for group in _words()["alike"]
    )


def _setting(draft: _Plan, thing: Thing, luck: random.Random) -> str:
    """Where a thing is shown: in the video's places first, and rather where no scene has been yet."""

    def score(place: str) -> float:
        inside, near = place in draft.main, place in draft.near
        total = IN_PLACE * inside + NEAR_PLACE * near - 0.8 * (not inside and not near)
        total -= 0.15 * thing.settings.index(place)
        total -= 0.45 * draft.settings.count(place) + 0.3 * (place in draft.settings[-1:])
        if thing.name == draft.facts.hero:
            shown = zip(draft.used, draft.settings, strict=True)
            total -= 3.0 * sum(name == thing.name and seen == place for name, seen in shown)
        return total + luck.gauss(0, 0.05)

    return max(thing.settings, key=score)


def dump(board: Storyboard) -> str:
    """The storyboard as YAML that `load` reads back to the same one."""
    values = asdict(board)
    values["scenes"] = [dict(scene) for scene in values["scenes"]]
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def save(board: Storyboard, path: Path) -> Path:
    """Writes storyboard.yaml; returns its path."""
    return write_atomic(path, dump(board))


def load(path: Path) -> Storyboard:
    """A storyboard from its YAML file, which a person may have edited. Raises Mistake where it isn't one."""
    values = read_yaml(path)
    try:
        scenes = tuple(_scene(scene) for scene in values["scenes"])
        board = Storyboard(str(values["topic"]), str(values.get("style", "")), int(values["seed"]), scenes)
    except (KeyError, TypeError, ValueError) as error:
        raise Mistake(
            "{path} is not a storyboard ({reason}); a scene needs at least thing, setting, subject, prompt.",
            path=path,
            reason=f"{type(error).__name__}: {error}",
        ) from None
    if not board.scenes:
        raise Mistake("The storyboard {path} has no scenes; add one.", path=path)
    return board


def _scene(values: Mapping[str, Any]) -> Scene:
    kinds = {"number": int, "seconds": float, "seed": int}
    unknown = set(values) - {field.name for field in fields(Scene)}
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    return Scene(**{name: kinds.get(name, str)(value) for name, value in values.items()})
