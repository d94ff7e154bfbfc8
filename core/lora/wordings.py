"""Captions as training sees them: each in several orders of its tags, encoded once and kept on disk.

Knows nothing about pictures; what a caption becomes for the base, its family says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from core import families
from core.families.family import Tensors
from core.jobs import Progress, Steps
from core.lora import cache
from core.lora.recipe import order
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch

ORDERS = 8  # that a shuffled caption is seen in: each one's text is encoded once
SHUFFLES = 2**32  # seeds of the orders lie past those of any epoch


def tag_orders(caption: str, settings: ImageTraining, number: int) -> tuple[str, ...]:
    """The caption as it stands; where tags are shuffled, `ORDERS` wordings of it, the first tags in front."""
    tags = [tag.strip() for tag in caption.split(",")]
    front, rest = tags[: settings.keep_tags], tags[settings.keep_tags :]
    if not settings.shuffle_tags or len(rest) < 2:
        return (caption,)
    shuffled = [
        [rest[at] for at in order(len(rest), settings.seed, SHUFFLES + number, again)]
        for again in range(ORDERS - 1)
    ]
    return tuple(dict.fromkeys([caption, *(", ".join(front + tags) for tags in shuffled)]))


def tag_counts(captions: Iterable[str]) -> dict[str, int]:
    """How often each tag stands in the captions, most frequent first."""
    tags = Counter(tag.strip() for caption in captions for tag in caption.split(",") if tag.strip())
    return dict(tags.most_common())


def token_ids(pipeline: Any, captions: Iterable[str]) -> dict[str, Tensors]:
    """Each caption's token ids [L], by the text encoder they go to."""
    ordered = sorted(set(captions))
    ids = families.of(pipeline).tokenize(pipeline, ordered)
    return {caption: {name: rows[at] for name, rows in ids.items()} for at, caption in enumerate(ordered)}


def embedded(
    pipeline: Any, words: dict[str, Tensors], where: torch.device
) -> Generator[Progress, None, dict[str, Tensors]]:
    """What the backbone is told for each caption, by its token ids, on the CPU; known ones from the disk."""
    import torch

    family = families.of(pipeline)
    for name in family.TEXT_ENCODERS:
        getattr(pipeline, name).to(where)
    kept = cache.Cache(pipeline, family.TEXT_ENCODERS, where)

    def told(ids: Tensors) -> Tensors:
        return {name: rows[0].cpu() for name, rows in family.embed(pipeline, batch([ids], where)).items()}

    made: dict[str, Tensors] = {}
    steps = Steps("Encoding the captions", len(words))
    for caption, ids in words.items():
        with torch.inference_mode():
            made[caption] = kept.get(ids, partial(told, ids))
        yield steps.report(1)
    cache.trim()
    return made


def batch(samples: list[Tensors], where: torch.device) -> Tensors:
    """Tensors of the same names, one after another along a new first axis."""
    import torch

    return {
        name: torch.stack([sample[name] for sample in samples]).to(where, non_blocking=True)
        for name in samples[0]
    }
