"""Tags and captions of pictures by an open_clip model, with words of its own vocabulary and no training.

Works on PIL pictures and a loaded `Labeller`; words a caption as assets/vocabulary.yaml does, which is how
the embedded picture base learnt to read ("a fox in a forest, at night"). Knows nothing about files, folders
or who corrects the captions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.project import ROOT
from core.settings.reading import read_yaml

if TYPE_CHECKING:
    import torch

    from core.bases.labeller import Labeller

KINDS = ("object", "setting", "time", "weather")
TEXTS_AT_ONCE = 128
NAMED_ODDS, MEANT_ODDS, USUAL_ODDS = 100.0, 10.0, 3.0
FEW_WORDS = 8
MAJORITY = 0.5
WORDS_FILE = ROOT / "assets" / "vocabulary.yaml"
PLAIN = ("on a plain background", "on a white background")
SECTIONS = {"setting": "settings", "time": "times", "weather": "weathers"}


@dataclass(frozen=True)
class Tag:
    """A word that fits a picture; `score` its share of the probability among the words of its kind, 0 to 1.

    `phrase` is how a caption says it: "on a river".
    """

    word: str
    kind: str
    score: float
    phrase: str


def named(thing: str) -> str:
    """A noun with its article: "an apple", "the moon", "bamboo"."""
    article = _things().get(thing, {}).get("article", "an" if thing[0].lower() in "aeiou" else "a")
    return f"{article} {thing}".strip()


def places(setting: str, thing: str = "") -> tuple[str, ...]:
    """The phrases that place something in a setting, the usual one first; the one phrase of a known thing."""
    known = _words()["settings"].get(setting)
    if known is None:
        return PLAIN if setting == "plain" else (f"in {named(setting)}",)
    said = known["phrases"]
    about = _things().get(thing)
    if about is None:
        return tuple(dict.fromkeys(said.values()))
    stands = "at" if setting in about.get("close", ()) else about["stands"]
    return (said.get(stands, said["at"]),)


def when(time: str) -> str:
    """The phrase of a time of day, "" for none."""
    return _words()["times"].get(time, {"phrase": time})["phrase"]


def how(weather: str) -> str:
    """The phrase of a weather, "" for none."""
    return _words()["weathers"].get(weather, {"phrase": weather})["phrase"]


@cache
def _words() -> dict[str, Any]:
    return read_yaml(WORDS_FILE)


@cache
def _things() -> dict[str, dict[str, Any]]:
    """What is known of each thing, with what its class says for all."""
    words = _words()
    found = {}
    for kind, members in words["things"].items():
        found.update({name: {**words["classes"][kind], **own} for name, own in members.items()})
    return found


def caption(tags: Iterable[Tag], trigger: str = "") -> str:
    """The trigger word and what the tags say, worded as a storyboard's prompt; a clear sky needs no saying.

    Only the trigger where there are no tags.
    """
    said = {tag.kind: tag.phrase for tag in tags if tag.word != "clear"}
    thing = said.get("object", "a scene" if said else "")
    view = f"{thing} {said.get('setting', '')}".strip()
    return ", ".join(filter(None, (trigger.strip(), view, said.get("time"), said.get("weather"))))


class Tagger:
    """A labeller at work: remembers the embeddings of the sentences it has compared pictures with."""

    def __init__(self, labeller: Labeller) -> None:
        self.labeller = labeller
        self.device = next(labeller.model.parameters()).device
        self._said: dict[str, torch.Tensor] = {}

    def tag(
        self, pictures: Sequence[Image.Image], most: int, threshold: float, names: Sequence[str] = ()
    ) -> list[tuple[Tag, ...]]:
        """Tags of each picture in the order of `KINDS`: the best word of a kind, if its share is `threshold`.

        Among few words (times, weathers) the best must also outweigh the others together: it always has a
        large share there, and a wrong fact in a caption teaches more harm than a missing one.
        The thing is found first; the other kinds are compared as whole captions about that thing, because
        that is how the model was trained. At most `most` tags, the thing first. `names`: the pictures' names,
        whose words weigh `NAMED_ODDS` times as much: who calls a picture "red lantern" has tagged it already.
        """
        import torch

        with torch.inference_mode():
            return [
                self._tags(one, most, threshold, name)
                for one, name in zip(self.see(pictures), names or [""] * len(pictures), strict=True)
            ]

    def see(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Unit embeddings [N, D] of pictures."""
        import torch

        with torch.inference_mode():
            batch = torch.stack([self.labeller.preprocess(picture) for picture in pictures]).to(self.device)
            return self.labeller.model.encode_image(batch, normalize=True)

    def _tags(self, seen: torch.Tensor, most: int, threshold: float, name: str) -> tuple[Tag, ...]:
        found: list[Tag] = []
        subject = thing = ""
        for kind in KINDS:
            choices = _choices(self.labeller.vocabulary, kind, found)
            if not choices:
                continue
            likeness = self._likeness(seen, [f"{subject} {phrase}".strip() for _, phrase in choices])
            tag = _best(kind, choices, likeness, hints(name, kind, self.labeller.vocabulary[kind], thing))
            thing = tag.word if kind == "object" else thing
            if tag.score >= max(
                threshold, MAJORITY if len(self.labeller.vocabulary[kind]) < FEW_WORDS else 0
            ):
                found.append(tag)
            if kind == "object" or (kind == "setting" and tag in found):
                subject = f"{subject} {tag.phrase}".strip()
        return tuple(found[:most])

    def agreement(self, picture: Image.Image, facts: Mapping[str, str]) -> float:
        """How sure the labeller is of facts (word by kind) that a picture shall show, as a log-probability.

        0 is certainty; a word or a kind that the labeller doesn't know counts nothing.
        """
        import torch

        total, said = 0.0, list[Tag]()
        with torch.inference_mode():
            seen = self.see([picture])[0]
            for kind in KINDS:
                choices = _choices(self.labeller.vocabulary, kind, said)
                subject = " ".join(tag.phrase for tag in said)
                own = [phrase for word, phrase in choices if word == facts.get(kind)]
                if own:
                    likeness = self._likeness(seen, [f"{subject} {phrase}".strip() for _, phrase in choices])
                    logs = _log_shares(choices, likeness)
                    total += logs[facts[kind]]
                    if kind in ("object", "setting"):
                        said.append(Tag(facts[kind], kind, math.exp(logs[facts[kind]]), own[0]))
        return total

    def _likeness(self, seen: torch.Tensor, sentences: Sequence[str]) -> list[float]:
        """Logits of sentences for a picture's unit embedding [D]."""
        return (self.labeller.model.logit_scale.exp() * self.read(sentences) @ seen).tolist()

    def read(self, sentences: Sequence[str]) -> torch.Tensor:
        """Unit embeddings [N, D] of sentences."""
        import torch

        new = [text for text in dict.fromkeys(sentences) if text not in self._said]
        for start in range(0, len(new), TEXTS_AT_ONCE):
            part = new[start : start + TEXTS_AT_ONCE]
            tokens = self.labeller.tokenizer(part).to(self.device)
            with torch.inference_mode():
                embedded = self.labeller.model.encode_text(tokens, normalize=True)
            self._said.update(zip(part, embedded, strict=True))
        return torch.stack([self._said[text] for text in sentences])


def _log_shares(choices: Sequence[tuple[str, str]], likeness: Sequence[float]) -> dict[str, float]:
    """The logarithm of each word's share among the words, each taken by its likeliest phrase."""
    values = {word: value for word, (value, _) in _by_word(choices, likeness, {}).items()}
    top = max(values.values())
    whole = top + math.log(sum(math.exp(value - top) for value in values.values()))
    return {word: value - whole for word, value in values.items()}


def _by_word(
    choices: Sequence[tuple[str, str]], likeness: Sequence[float], odds: Mapping[str, float]
) -> dict[str, tuple[float, str]]:
    """Each word's likeliest phrase with its logit, weighed by the word's odds."""
    found: dict[str, tuple[float, str]] = {}
    for (word, phrase), value in zip(choices, likeness, strict=True):
        weighed = value + math.log(odds.get(word, 1))
        found[word] = max(found.get(word, (-math.inf, "")), (weighed, phrase))
    return found


def _best(
    kind: str, choices: Sequence[tuple[str, str]], likeness: Sequence[float], odds: Mapping[str, float]
) -> Tag:
    """The word that has the likeliest phrase, with its share among the words, each by its likeliest phrase.

    (By the sum of their phrases, words of many phrases would gain.)
    """
    by_word = _by_word(choices, likeness, odds)
    best = max(by_word, key=lambda word: by_word[word])
    top, phrase = by_word[best]
    return Tag(best, kind, 1 / sum(math.exp(value - top) for value, _ in by_word.values()), phrase)


def hints(name: str, kind: str, words: Sequence[str], thing: str = "") -> dict[str, float]:
    """Odds of a kind's words before the picture is seen: by its file's name, by where the thing usually is.

    "boat-at-dawn" holds boat and means morning, and a boat is rather on a river than on a table; `IMG_2031`
    says nothing.
    """
    about = _things() if kind == "object" else _words()[SECTIONS[kind]]
    odds = {word: MEANT_ODDS for word in words if words_in(name, about.get(word, {}).get("words", ()))}
    odds |= {word: NAMED_ODDS for word in words_in(name, words)}
    usual = _things().get(thing, {}).get("settings", ()) if kind == "setting" else ()
    return {word: odds.get(word, 1.0) * (USUAL_ODDS if word in usual else 1.0) for word in words}


def words_in(name: str, words: Iterable[str]) -> set[str]:
    """Words that a file's name holds, singular or plural, the longest where they overlap.

    `plum-tree 2` holds "plum tree" and not "tree"; articles don't count.
    """
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+|\d+", " ", name).casefold()
    said = _bare(spread)
    found = {word for word in words if re.search(rf"(?<!\w){re.escape(_bare(word))}(?:e?s)?(?!\w)", said)}
    return {word for word in found if not any(word != other and word in other for other in found)}


def _bare(text: str) -> str:
    return " ".join(word for word in text.casefold().split() if word not in ("a", "an", "the"))


def _choices(vocabulary: dict[str, list[str]], kind: str, found: Sequence[Tag]) -> list[tuple[str, str]]:
    """(word, phrase) that can be said of a picture after what was found: no weather on a table, for one."""
    said = {tag.kind: tag.word for tag in found}
    unfit = {"time": _words()["timeless"], "weather": _words()["sheltered"]}
    if said.get("setting") in unfit.get(kind, ()):
        return []
    words = vocabulary.get(kind, ())
    return [(word, phrase) for word in words for phrase in phrases(kind, word, said.get("object", ""))]


def phrases(kind: str, word: str, thing: str = "") -> tuple[str, ...]:
    """How a caption may say a word of a kind of `KINDS` (about a known thing), the usual way first."""
    if kind == "setting":
        return places(word, thing)
    return ({"object": named, "time": when, "weather": how}[kind](word),)


def tag(
    pictures: Sequence[Image.Image], labeller: Labeller, most: int = 5, threshold: float = 0.15
) -> list[tuple[Tag, ...]]:
    """Tags of each picture, see `Tagger.tag`."""
    return Tagger(labeller).tag(pictures, most, threshold)
