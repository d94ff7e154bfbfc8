"""What the scenes' frames are drawn from (LoRAs with weights, prompts), the best of several takes.

Works on prompts and pictures (uint8 [H, W, 3]); core.lora.image.sampler draws. Knows nothing about topics,
voices or captions.
"""

from __future__ import annotations

import io
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.bases import labeller
from core.lora.image.sampler import Artist, Sampling, Shot
from core.messages import Mistake
from core.project import at_home, replacing


def parse_loras(specs: Sequence[str]) -> list[tuple[Path, float]]:
    """`FILE` or `FILE:weight` as path and weight (1 where none is given). Raises Mistake for a wrong one."""
    found: list[tuple[Path, float]] = []
    for name, weight in map(parted, specs):
        path = at_home(name)
        if not path.is_file():
            raise Mistake("There is no LoRA {path}; check the name.", path=path)
        if not -2 <= weight <= 2:
            raise Mistake(
                "The weight of {path} is {weight}; it must be between -2 and 2.", path=path, weight=weight
            )
        found.append((path, weight))
    return found


def parted(spec: str) -> tuple[str, float]:
    """`FILE` or `FILE:weight` as the file's name and the weight, 1 where none is given."""
    name, _, number = spec.rpartition(":")
    try:
        return (name, float(number)) if name else (spec, 1.0)
    except ValueError:  # a colon of the path itself, as in C:\loras\ink.safetensors
        return spec, 1.0


def framed_prompt(prompt: str, triggers: Sequence[str], look: str, vocabulary: dict[str, list[str]]) -> str:
    """What the base is asked for: trigger words, the scene, the style's look.

    Of a look, a base with a small vocabulary is told only the words it knows.
    """
    parts = [part.strip() for part in look.split(",") if part.strip()]
    if vocabulary:
        known = vocabulary.get("style", [])
        parts = [part for part in parts if part in known]
    return ", ".join([*filter(None, triggers), prompt, *parts])


SURE = math.log(0.5)  # agreement from which the labeller rather sees what shall be shown than anything else
DARK, FLAT = 10, 4  # of 255: a brightness below which a picture is black, a spread below which it is empty
GLIMPSE = 320  # pixels of a glimpse's longer side
MOST_TAKES = 3  # drawings of a picture that comes out black or empty, where no number of them is asked for


@dataclass(frozen=True)
class Take:
    """One drawing of a frame: uint8 [H, W, 3], what it was drawn from, and how well it came out.

    agreement: how sure the labeller is that it shows the scene. doubt: what seems wrong with it, `dark`,
    `flat` or `other` (it shows something else); empty: nothing.
    """

    picture: np.ndarray
    prompt: str
    seed: int
    agreement: float
    doubt: str


@dataclass(eq=False)
class Sitting:
    """A scene that is drawn until nothing seems wrong: its first shot, and the takes until now.

    facts: the words, by kind, that it shall show.
    """

    shot: Shot
    facts: Mapping[str, str]
    takes: list[Take] = field(default_factory=list)

    @property
    def next(self) -> Shot:
        """The next take's: the seeds go on from the first one's."""
        return replace(self.shot, seed=self.shot.seed + len(self.takes))

    @property
    def best(self) -> Take:
        """The take to keep."""
        return max(self.takes, key=lambda take: (take.doubt not in ("dark", "flat"), take.agreement))

    def over(self, most: int) -> bool:
        """Whether it is drawn no more: nothing seems wrong, or it was drawn as often as is worth it.

        most: takes of one that shows something else; one that is black or empty is drawn `MOST_TAKES` times.
        """
        doubt, count = self.takes[-1].doubt, len(self.takes)
        return not doubt or count >= (most if doubt == "other" else max(most, MOST_TAKES))


class Camera:
    """Draws scenes, several at once where that is worth it, and looks at what came out."""

    def __init__(self, how: Sampling) -> None:
        self.how, self.artist = how, Artist(how)
        self._tagger: Any = None

    def use(self, how: Sampling) -> None:
        """Changes LoRAs and steps; the base stays."""
        self.artist.use(how)
        self.how = how

    @property
    def tagger(self) -> Any:
        """The labeller, where several takes are compared by it."""
        from core.images.tagging import Tagger

        if self._tagger is None and self.how.takes > 1:
            self._tagger = Tagger(labeller.load())
        return self._tagger

    def together(self, waiting: Sequence[Sitting], most: int) -> list[Sitting]:
        """The first of those that wait, and others that can be drawn with it at once, `most` in all."""
        shot = waiting[0].next
        return [one for one in waiting if self.artist.together(shot, one.next)][:most]

    def take(self, sittings: Sequence[Sitting]) -> Generator[None, None, bool]:
        """The next take of each, drawn at once; True. It stops after each denoising step, to be told of."""
        shots = [one.next for one in sittings]
        pictures = yield from self.artist.drawing(shots)
        for one, shot, picture in zip(sittings, shots, pictures, strict=True):
            one.takes.append(self._judged(picture, shot, one.facts))
        return True

    def _judged(self, picture: np.ndarray, shot: Shot, facts: Mapping[str, str]) -> Take:
        sure = 0.0
        if facts and self.tagger is not None:
            sure = self.tagger.agreement(Image.fromarray(picture), facts)
        wrong = doubts(picture)
        if shot.start is not None and wrong == doubts(shot.start.picture):
            wrong = ""  # a picture of the night, or of the fog, is drawn anew as such
        doubt = wrong or ("other" if sure < SURE else "")
        return Take(picture, shot.prompt, shot.seed, sure, doubt)


def doubts(picture: np.ndarray) -> str:
    """`dark` for a picture that is nearly black, `flat` for one that shows nothing, else nothing."""
    if picture.mean() < DARK and picture.max() < 8 * DARK:
        return "dark"
    return "flat" if picture.reshape(-1, 3).std(0).max() < FLAT else ""


def glimpse(pictures: Sequence[np.ndarray]) -> bytes:
    """Pictures of one size side by side, as a small JPEG; empty for none."""
    if not pictures:
        return b""
    image, file = Image.fromarray(np.concatenate([*pictures], axis=1)), io.BytesIO()
    image.thumbnail((GLIMPSE * len(pictures), GLIMPSE))
    image.save(file, "jpeg", quality=80)
    return file.getvalue()


def save_picture(picture: np.ndarray, path: Path) -> Path:
    """Writes uint8 [H, W, 3] as PNG."""
    with replacing(path) as part:
        Image.fromarray(picture).save(part, compress_level=1)
    return path
