"""What a film is made of when it is rendered: shots, captions, sound, in frames and seconds. Plain data.

Knows nothing about storyboards, voices or models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from core.video.picture.captions import Captions
from core.video.picture.motion import Move
from core.video.picture.titles import Title

LABEL_SECONDS = 2.5


# Opens what a shot shows: then a frame's number, counted from the first that shows it, gives the picture,
# uint8 [H, W, 4] of the film's ratio; the fourth channel is not looked at.
Open: TypeAlias = Callable[[], Callable[[int], np.ndarray]]


def still(picture: Callable[[], np.ndarray]) -> Open:
    """What shows one picture, uint8 [H, W, 3]."""

    def opened() -> Callable[[int], np.ndarray]:
        import cv2

        seen = cv2.cvtColor(picture(), cv2.COLOR_RGB2RGBA)
        return lambda number: seen

    return opened


def moving(clip: Callable[[], Callable[[int], np.ndarray]]) -> Open:
    """What shows a clip, whose frames are uint8 [H, W, 3]."""

    def opened() -> Callable[[int], np.ndarray]:
        import cv2

        frames = clip()
        return lambda number: cv2.cvtColor(frames(number), cv2.COLOR_RGB2RGBA)

    return opened


@dataclass(frozen=True)
class Shot:
    """One picture on the screen from the frame `first` up to the frame `end`, and how the camera moves.

    name: tells what is seen from anything else; open: gives it when it is needed. A transition of `fade`
    frames, centred on `first`, brings it in: of a kind that core.video.picture.transitions has.
    """

    name: str
    open: Open
    path: Move
    first: int
    end: int
    fade: int = 0
    kind: str = "fade"


@dataclass(frozen=True)
class Film:
    """What a film is made of; `sound` is float32 [n, 2] at 48 kHz or None, `label` a note at its start.

    cards: how many shots come before the first scene's and after the last one's. title: what stands over the
    film's start.
    """

    shots: tuple[Shot, ...]
    captions: Captions | None
    sound: np.ndarray | None
    frames: int
    width: int
    height: int
    fps: int
    label: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    cards: tuple[int, int] = (0, 0)
    title: Title | None = None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / self.fps

    @property
    def scenes(self) -> tuple[Shot, ...]:
        """The shots of its scenes, without cards."""
        before, after = self.cards
        return self.shots[before : len(self.shots) - after]


def shots_for(
    seen: Sequence[tuple[str, Open]],
    starts: Sequence[int],
    frames: int,
    paths: Sequence[Move],
    kinds: Sequence[str],
    fade: int,
) -> tuple[Shot, ...]:
    """Shots that follow each other: each from its start to the next one's, the last to the end.

    seen: name and picture of each. kinds: how each follows the one before it, "cut" or a transition. fade:
    frames of the transitions, where the shots beside them are long enough for it; each is an even number.
    """
    ends = [*starts[1:], frames]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]

    def faded(at: int) -> int:
        if not at or kinds[at] == "cut":
            return 0
        return min(fade, int(0.8 * min(lengths[at - 1 : at + 1]))) // 2 * 2

    return tuple(
        Shot(*one, path, start, end, faded(at), kinds[at] if faded(at) else "cut")
        for at, (one, path, start, end) in enumerate(zip(seen, paths, starts, ends, strict=True))
    )


def aigc(producer: str, produced: str) -> dict[str, str]:
    """The metadata key AIGC of GB 45438-2025: who made it with AI, and under which id."""
    names = (
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    )
    values: dict[str, Any] = {"Label": "1", **dict.fromkeys(names, "")}
    values |= {"ContentProducer": producer, "ProduceID": produced}
    return {"AIGC": json.dumps(values, ensure_ascii=False)}
