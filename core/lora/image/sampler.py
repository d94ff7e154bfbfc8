"""Draws pictures with a picture base and image LoRAs, each alone from its own seed.

Works on prompts and seeds; gives pictures (uint8 [H, W, 3]). Knows nothing about where prompts come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import device, families
from core.bases import ip_adapter, picture_base
from core.bases.ip_adapter import Adapter
from core.families.family import Start
from core.families.forming import Glass
from core.lora.adapters import fuse
from core.lora.image import few_steps
from core.lora.image.few_steps import FewSteps
from core.messages import Sentence
from core.progress import outcome, within

if TYPE_CHECKING:
    import torch


BLANK = np.full((64, 64, 3), 128, np.uint8)  # is looked at where there is no guide, and counts nothing
MOST_AT_ONCE = 8  # pictures drawn at once on a GPU
SHARE = 0.8  # of a GPU's free memory that they may take
# On a CPU small pictures gain by it (two cores, the embedded base's 448 places, of processor time: 24 % for
# two at once and 35 % for four in bf16, 18 and 26 % in fp32 on a plain CPU), larger ones keep it busy alone.
MOST_ON_CPU, SMALL = 4, 1024


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn: base, LoRAs with weights, size in pixels (width, height), steps, guidance.

    takes: drawings of each picture, of which one is kept. prediction: what the base predicts. few: how a base
    or LoRA that draws in a few steps is sampled. adapter: an IP-Adapter, for shots with a guide.
    """

    base: str
    loras: tuple[tuple[Path, float], ...]
    width: int
    height: int
    steps: int
    guidance: float
    takes: int
    prediction: str
    few: FewSteps | None = None
    adapter: Adapter | None = None


@dataclass(frozen=True)
class Shot:
    """A picture to draw: its prompt and seed, and the picture that it begins from, where there is one.

    guide: a picture, uint8 [H, W, 3], that the sampling's IP-Adapter looks at, and `scale`, how much, from 0.
    """

    prompt: str
    seed: int
    start: Start | None = None
    guide: np.ndarray | None = None
    scale: float = 0.0

    @property
    def kind(self) -> tuple[float, float]:
        """What of it holds for all pictures that are drawn at once."""
        return self.start.strength if self.start else 0.0, self.scale if self.guide is not None else 0.0


@dataclass(frozen=True)
class Wanted:
    """What was chosen of a `Sampling`; 0: the base's own."""

    steps: int = 0
    guidance: float = 0
    takes: int = 0


OWN = Wanted()


def sampling(
    base: str,
    loras: Sequence[tuple[Path, float]],
    width: int,
    height: int,
    wanted: Wanted = OWN,
    prediction: str = "auto",
) -> Sampling:
    """How to draw pictures of the shape `width`×`height`."""
    own, few = picture_base.drawing(base), few_steps.of(base, loras)
    size = own.portrait if height > width else own.landscape if width > height else own.square
    return Sampling(
        base,
        tuple(loras),
        *size,
        wanted.steps or (few or own).steps,
        wanted.guidance or (few or own).guidance,
        wanted.takes or own.takes,
        prediction,
        few,
    )


class Artist:
    """A loaded picture base with its LoRAs."""

    def __init__(self, how: Sampling) -> None:
        import torch

        place = device.pick()
        self.how = how
        self._plain: list[tuple[Any, Any]] = []
        number = device.dtype("auto", place)
        self.pipeline: Any = picture_base.load(how.base, number, how.prediction, torch.float32)
        self.family = families.of(self.pipeline)
        self.pipeline.to(place)
        self._scheduler = self.pipeline.scheduler
        self._expected: Callable[[], torch.Tensor] | None = None  # latents of what is being drawn
        self._glass: Glass | None = None
        self._bytes = 0.0  # of a GPU that a picture takes while it is drawn
        self._put_on(how.loras)
        few_steps.put_on(self.pipeline, how.few, self._scheduler)
        self._adapter: Adapter | None = None
        self._look_through(how.adapter)

    def unread(self, prompts: Sequence[str]) -> Iterator[Sentence]:
        """What is to be told of prompts that are too long for the base."""
        for prompt in prompts:
            if rest := self.family.chunked(self.pipeline.tokenizer, prompt)[1]:
                yield Sentence("A prompt is too long; this of it is not drawn: {rest}", rest=rest)

    def use(self, how: Sampling) -> None:
        """Draws from now on as told, with the same base; other LoRAs are put on plain weights, bit by bit.

        Raises Mistake where a LoRA doesn't fit the base, which then has none.
        """
        if how.loras != self.how.loras:
            for module, weight in self._plain:
                module.weight.data.copy_(weight)
            self.how, self._plain = replace(self.how, loras=()), []
            self._put_on(how.loras)
        if (how.width, how.height) != (self.how.width, self.how.height):
            self._bytes = 0.0
        if how.few != self.how.few:
            few_steps.put_on(self.pipeline, how.few, self._scheduler)
        self._look_through(how.adapter)
        self.how = how

    def _look_through(self, adapter: Adapter | None) -> None:
        """Puts an IP-Adapter on, which stays: it does nothing where no guide is given."""
        if adapter not in (None, self._adapter):
            if self._adapter is not None:
                self.pipeline.unload_ip_adapter()
            self._adapter = None
            ip_adapter.load(self.pipeline, adapter)
            self._adapter = adapter

    def _put_on(self, loras: Sequence[tuple[Path, float]]) -> None:
        """Adds LoRAs to plain weights, which are remembered."""
        self._plain = fuse.plain_weights(self.pipeline, loras)
        self.unused = fuse.load_into(self.pipeline, loras)
        self.how = replace(self.how, loras=tuple(loras))

    def draw(self, prompt: str, seed: int) -> np.ndarray:
        """One picture, uint8 [H, W, 3] at the sampling's size."""
        return outcome(self.drawing([Shot(prompt, seed)]))[0]

    def together(self, one: Shot, other: Shot) -> bool:
        """Whether two shots can be drawn at once and none changes: as many steps, as many chunks."""
        tokenizer = self.pipeline.tokenizer
        chunks = [self.family.chunked(tokenizer, shot.prompt)[0] for shot in (one, other)]
        return one.kind == other.kind and chunks[0] == chunks[1]

    @property
    def room(self) -> int:
        """How many pictures are worth drawing at once, and fit; one until the first was measured."""
        place, how = self.pipeline.device, self.how
        if place.type == "cpu":
            places = math.prod(
                self.family.latents(families.configs(self.pipeline), (how.width, how.height))[1:]
            )
            return MOST_ON_CPU if places <= SMALL else 1
        return (
            min(MOST_AT_ONCE, int(SHARE * device.available_bytes(place) / self._bytes)) if self._bytes else 1
        )

    def drawing(self, shots: Sequence[Shot]) -> Generator[None, None, list[np.ndarray]]:
        """The same of several shots that go `together`, a denoising step of all at a time, to be told of.

        The autoencoder decodes one after another, in fp32: in bf16 smooth skies show bands.
        """
        import torch

        how, family, place = self.how, self.family, self.pipeline.device
        held = device.held_bytes(place)

        def watch(expected: Callable[[], torch.Tensor]) -> None:
            self._expected = expected
            self._bytes = self._bytes or (device.peak_bytes(place) - held) / len(shots)

        ids = family.tokenize(self.pipeline, [*(shot.prompt for shot in shots), ""])
        with torch.inference_mode():
            text = family.embed(self.pipeline, {name: rows.to(place) for name, rows in ids.items()})
        if self._adapter is not None:
            self.pipeline.set_ip_adapter_scale(shots[0].kind[1])
            guides = [BLANK if shot.guide is None else shot.guide for shot in shots]
            text["image_embeds"] = ip_adapter.seen(self.pipeline, guides)
        steps = family.sample(
            self.pipeline,
            text,
            (how.width, how.height),
            how.steps,
            how.guidance,
            [shot.seed for shot in shots],
            [shot.start for shot in shots if shot.start],
            watch,
        )
        try:
            return (yield from within(torch.inference_mode, steps))
        finally:
            self._expected = None

    def look(self) -> list[np.ndarray]:
        """Small pictures of what is being drawn as it is expected by now; none before the first step."""
        import torch

        if self._expected is None:
            return []
        with torch.inference_mode():
            self._glass = self._glass or Glass(lambda pixels: self.family.encode(self.pipeline, pixels)[0])
            return [*self._glass.pictures(self._expected())]
