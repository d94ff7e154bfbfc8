"""Tags and captions of pictures by an open_clip model, with words of its own vocabulary and no training.

Works on PIL pictures and a loaded `Labeller`; words a caption as the embedded picture base learnt them ("a
fox in a forest at night"). Knows nothing about files, folders or who corrects the captions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import torch

    from core.basemodels import Labeller

KINDS = ("object", "setting", "time", "weather")
TEXTS_AT_ONCE = 128
NAMED_ODDS = 100
FEW_WORDS = 8
MAJORITY = 0.5

PLACES: dict[str, tuple[str, ...]] = {
    "room": ("in a room",),
    "table": ("on a table",),
    "street": ("on a street",),
    "city": ("in a city", "over a city"),
    "town": ("in an old town", "on a canal in an old town", "over an old town"),
    "river": ("by a river", "on a river", "over a river"),
    "lake": ("by a lake", "on a lake", "over a lake"),
    "sea": ("on the sea", "over the sea"),
    "beach": ("on a beach", "over a beach"),
    "meadow": ("in a meadow", "over a meadow"),
    "flowers": ("among flowers", "over a field of flowers"),
    "hills": ("in the hills", "over the hills"),
    "mountains": ("in the mountains", "over the mountains"),
    "forest": ("in a forest", "over a forest"),
    "desert": ("in a desert", "over a desert"),
    "underwater": ("under the sea",),
    "space": ("in space",),
    "sky": ("in the sky",),
    "plain": ("on a plain background", "on a white background"),
}
"""How a thing can stand to a setting; which way it is, the model says."""

TIMES = {"morning": "in the morning", "day": "by day", "evening": "in the evening", "night": "at night"}
WEATHERS = {"clear": "under a clear sky", "snow": "in the snow", "rain": "in the rain", "fog": "in the fog"}
TIMELESS = ("plain", "underwater", "space")
WITHOUT_WEATHER = (*TIMELESS, "room", "table")
WITHOUT_ARTICLE = ("bamboo", "sun", "moon")


@dataclass(frozen=True)
class Tag:
    """A word that fits a picture; `score` its share of the probability among the words of its kind, 0 to 1.

    `phrase` is how a caption says it: "on a river".
    """

    word: str
    kind: str
    score: float
    phrase: str


def sentence(thing: str, setting: str = "", time: str = "", weather: str = "") -> str:
    """A caption in the picture base's wording: "a fox by a river at night in the snow"."""
    parts = [named(thing), places(setting)[0] if setting else "", when(time), how(weather)]
    return " ".join(filter(None, parts))


def named(thing: str) -> str:
    """A noun with its article: "an apple", "the moon", "bamboo"."""
    if thing in WITHOUT_ARTICLE:
        return thing if thing == "bamboo" else f"the {thing}"
    return f"{'an' if thing[0].lower() in 'aeiou' else 'a'} {thing}"


def places(setting: str) -> tuple[str, ...]:
    """The phrases that place something in a setting, the usual one first."""
    return PLACES.get(setting, (f"in {named(setting)}",))


def when(time: str) -> str:
    """The phrase of a time of day, "" for none."""
    return TIMES.get(time, time)


def how(weather: str) -> str:
    """The phrase of a weather, "" for none."""
    return WEATHERS.get(weather, weather)


def caption(tags: Iterable[Tag], trigger: str = "") -> str:
    """The trigger word and what the tags say, as one sentence; a clear sky goes without saying.

    Only the trigger where there are no tags.
    """
    said = {tag.kind: tag.phrase for tag in tags if tag.word != "clear"}
    parts = [said[kind] for kind in KINDS if kind in said]
    if parts and "object" not in said:
        parts.insert(0, "a scene")
    return ", ".join(filter(None, (trigger.strip(), " ".join(parts))))


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
            batch = torch.stack([self.labeller.preprocess(picture) for picture in pictures]).to(self.device)
            seen = self.labeller.model.encode_image(batch, normalize=True)
            return [
                self._tags(one, most, threshold, name)
                for one, name in zip(seen, names or [""] * len(pictures), strict=True)
            ]

    def _tags(self, seen: torch.Tensor, most: int, threshold: float, name: str) -> tuple[Tag, ...]:
        found: list[Tag] = []
        subject = ""
        for kind in KINDS:
            choices = _choices(self.labeller.vocabulary, kind, found)
            if not choices:
                continue
            likeness = self._likeness(seen, [f"{subject} {phrase}".strip() for _, phrase in choices])
            tag = _best(kind, choices, likeness, words_in(name, self.labeller.vocabulary[kind]))
            if tag.score >= max(
                threshold, MAJORITY if len(self.labeller.vocabulary[kind]) < FEW_WORDS else 0
            ):
                found.append(tag)
            if kind == "object" or (kind == "setting" and tag in found):
                subject = f"{subject} {tag.phrase}".strip()
        return tuple(found[:most])

    def _likeness(self, seen: torch.Tensor, sentences: Sequence[str]) -> list[float]:
        """Logits of sentences for a picture's unit embedding [D]."""
        return (self.labeller.model.logit_scale.exp() * self._say(sentences) @ seen).tolist()

    def _say(self, sentences: Sequence[str]) -> torch.Tensor:
        """Unit embeddings [N, D] of sentences."""
        import torch

        new = [text for text in dict.fromkeys(sentences) if text not in self._said]
        for start in range(0, len(new), TEXTS_AT_ONCE):
            part = new[start : start + TEXTS_AT_ONCE]
            tokens = self.labeller.tokenizer(part).to(self.device)
            embedded = self.labeller.model.encode_text(tokens, normalize=True)
            self._said.update(zip(part, embedded, strict=True))
        return torch.stack([self._said[text] for text in sentences])


def _best(
    kind: str, choices: Sequence[tuple[str, str]], likeness: Sequence[float], named: Collection[str]
) -> Tag:
    """The word that has the likeliest phrase, with its share among the words, each by its likeliest phrase.

    (By the sum of their phrases, words of many phrases would gain.)
    """
    by_word: dict[str, tuple[float, str]] = {}
    for (word, phrase), value in zip(choices, likeness, strict=True):
        weighed = value + math.log(NAMED_ODDS) * (word in named)
        by_word[word] = max(by_word.get(word, (-math.inf, "")), (weighed, phrase))
    best = max(by_word, key=lambda word: by_word[word])
    top, phrase = by_word[best]
    return Tag(best, kind, 1 / sum(math.exp(value - top) for value, _ in by_word.values()), phrase)


def words_in(name: str, words: Iterable[str]) -> set[str]:
    """Words that a file's name holds, singular or plural, the longest where they overlap.

    `plum-tree 2` holds "plum tree" and not "tree"; articles don't count, `IMG_2031` holds none.
    """
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+|\d+", " ", name).casefold()
    said = _bare(spread)
    found = {word for word in words if re.search(rf"(?<!\w){re.escape(_bare(word))}(?:e?s)?(?!\w)", said)}
    return {word for word in found if not any(word != other and word in other for other in found)}


def _bare(text: str) -> str:
    return " ".join(word for word in text.casefold().split() if word not in ("a", "an", "the"))


def _choices(vocabulary: dict[str, list[str]], kind: str, found: Sequence[Tag]) -> list[tuple[str, str]]:
    """(word, phrase) that can be said of a picture after what was found: no weather on a table, for one."""
    setting = next((tag.word for tag in found if tag.kind == "setting"), "")
    if (kind == "time" and setting in TIMELESS) or (kind == "weather" and setting in WITHOUT_WEATHER):
        return []
    return [(word, phrase) for word in vocabulary.get(kind, ()) for phrase in phrases(kind, word)]


def phrases(kind: str, word: str) -> tuple[str, ...]:
    """How a caption may say a word of a kind of `KINDS`, the usual way first."""
    if kind == "setting":
        return places(word)
    return ({"object": named, "time": when, "weather": how}[kind](word),)


def tag(
    pictures: Sequence[Image.Image], labeller: Labeller, most: int = 5, threshold: float = 0.15
) -> list[tuple[Tag, ...]]:
    """Tags of each picture, see `Tagger.tag`."""
    return Tagger(labeller).tag(pictures, most, threshold)
