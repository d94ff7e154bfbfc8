"""Scores drawn pictures against training pictures and prompts: style, prompt, copying.

Works on PIL pictures and a `Tagger`, whose open_clip model puts pictures and sentences into one space. Knows
nothing about how the pictures were drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.images.tagging import Tagger

if TYPE_CHECKING:
    import torch
    from PIL import Image

SIDE = 16  # pixels to which pictures are shrunk before their pixels are compared
COPY = 0.5  # a copy has this share of the distance that training pictures usually have to each other
LEAST, SAME = 0.9, 0.98  # correlation below which nothing is a copy, and from which on everything is
ALONE = 0.5  # how alike training pictures are taken to be where there is only one


@dataclass(frozen=True)
class Score:
    """What was measured of one picture.

    style: mean cosine to the training pictures. prompt: cosine to its prompt. nearest: name of the training
    picture most like it, which it repeats if `copied`. likeness: cosine to that one. correlation: the highest
    of its pixels with any training picture's.
    """

    style: float
    prompt: float
    nearest: str
    likeness: float
    correlation: float
    copied: bool


@dataclass(frozen=True)
class Known:
    """A training picture: its name, what the labeller sees [D], its pixels and its mirror image's [SIDE²]."""

    name: str
    seen: torch.Tensor
    pixels: torch.Tensor
    mirrored: torch.Tensor


def known(tagger: Tagger, name: str, picture: Image.Image) -> Known:
    """What a judge remembers of a training picture."""
    return Known(name, tagger.see([picture])[0].cpu(), _pixels(picture), _pixels(picture, mirrored=True))


class Judge:
    """Knows the training pictures, and how alike they are among themselves.

    own_style: their mean cosine. own_likeness, own_correlation: cosine and pixel correlation that a training
    picture usually (by the median) has with the one most like it.
    """

    def __init__(self, tagger: Tagger, pictures: Iterable[Known]) -> None:
        import torch

        self.tagger, pictures = tagger, list(pictures)
        self.names = [one.name for one in pictures]
        self.seen = torch.stack([one.seen for one in pictures])
        self.pixels = torch.stack([one.pixels for one in pictures])
        self.mirrored = torch.stack([one.mirrored for one in pictures])
        others = ~torch.eye(len(pictures), dtype=torch.bool)
        alike = self.seen @ self.seen.T
        self.own_style = float(alike[others].mean()) if len(pictures) > 1 else 1.0
        self.own_likeness = _usual(alike, others)
        self.own_correlation = _usual(self._correlations(self.pixels), others)

    def score(self, pictures: Sequence[Image.Image], prompts: Sequence[str]) -> list[Score]:
        """The score of each picture, drawn from the prompt at its place."""
        import torch

        seen = self.tagger.see(pictures).cpu()
        fits = (seen * self.tagger.read(prompts).cpu()).sum(1)
        alike = seen @ self.seen.T
        same = self._correlations(torch.stack([_pixels(picture) for picture in pictures]))
        copies = same >= self.copied_from
        nearest = (alike + 2 * copies).argmax(1)
        return [
            Score(
                style=float(alike[at].mean()),
                prompt=float(fits[at]),
                nearest=self.names[int(nearest[at])],
                likeness=float(alike[at, nearest[at]]),
                correlation=float(same[at].max()),
                copied=bool(copies[at].any()),
            )
            for at in range(len(pictures))
        ]

    @property
    def copied_from(self) -> float:
        """The pixel correlation from which on a picture repeats a training picture.

        Nearer by half than training pictures usually are to each other, after Carlini et al. (2023,
        "Extracting Training Data from Diffusion Models"), who weigh a distance by half the neighbours' own.
        By pixels alone: a labeller sees a copy in other colours as another picture.
        """
        return min(max(1 - COPY * (1 - self.own_correlation), LEAST), SAME)

    def _correlations(self, pixels: torch.Tensor) -> torch.Tensor:
        """Correlations [M, N] of shrunk pictures [M, P] with N training pictures or their mirror images."""
        import torch

        return torch.maximum(pixels @ self.pixels.T, pixels @ self.mirrored.T)


def _usual(alike: torch.Tensor, others: torch.Tensor) -> float:
    """The median over training pictures of the likeness to the most alike other."""
    if len(alike) < 2:
        return ALONE
    return float(alike.masked_fill(~others, -1).max(1).values.median())


def _pixels(picture: Image.Image, mirrored: bool = False) -> torch.Tensor:
    """Brightness [SIDE²] of the shrunk picture, of mean 0 and length 1: products are Pearson correlations."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    flat = (
        torch.from_numpy(np.asarray(ImageOps.mirror(small) if mirrored else small).copy()).float().flatten()
    )
    return torch.nn.functional.normalize(flat - flat.mean(), dim=0)
