"""Captions as training sees them: each in several orders of its tags, encoded once and kept on disk.

Knows nothing about pictures; what a caption becomes for the base, its family says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core import families
from core.families.family import Family, Tensors
from core.images.captions import CaptionedImage
from core.lora.engine.seeds import order
from core.lora.image import cache
from core.messages import SHOWN, Sentence, some
from core.progress import Progress, Steps
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

SHOWN_LETTERS = 200  # of what is cut
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
    """Each caption's token ids [L], by the text encoder they go to; a long one has more of them."""
    family = families.of(pipeline)
    return {
        caption: {name: rows[0] for name, rows in family.tokenize(pipeline, [caption]).items()}
        for caption in sorted(set(captions))
    }


def embedded(
    pipeline: Any, words: dict[str, Tensors], where: torch.device
) -> Generator[Progress, None, dict[str, Tensors]]:
    """What the backbone is told for each caption, by its token ids, on the CPU; known ones from the disk."""
    import torch

    family = families.of(pipeline)
    for name in family.TEXT_ENCODERS:
        getattr(pipeline, name).to(where)
    kept = cache.Cache(pipeline, family.TEXT_ENCODERS, where)

    def embed_one(ids: Tensors) -> Tensors:
        one = {name: row[None].to(where) for name, row in ids.items()}
        return {name: rows[0].cpu() for name, rows in family.embed(pipeline, one).items()}

    made: dict[str, Tensors] = {}
    steps = Steps("Encoding the captions", len(words))
    for caption, ids in words.items():
        with torch.inference_mode():
            made[caption] = kept.get(ids, partial(embed_one, ids))
        yield steps.report(1)
    cache.trim()
    return made


def batch(words: Mapping[str, Tensors], captions: Sequence[str], where: torch.device) -> Tensors:
    """What is known of each caption, one after another along a new first axis.

    Those in fewer chunks than others are filled with the empty caption's, as AUTOMATIC1111 does.
    """
    import torch

    whole = {}
    for name in words[captions[0]]:
        rows = [words[caption][name] for caption in captions]
        longest = max(map(len, rows))
        for at, row in enumerate(rows):
            if missing := longest - len(row):
                empty = words[""][name]
                rows[at] = torch.cat([row, *[empty] * (missing // len(empty))])
        whole[name] = torch.stack(rows).to(where, non_blocking=True)
    return whole


def told_long(family: Family, tokenizer: Any, images: Iterable[CaptionedImage]) -> Iterator[Sentence]:
    """What is to be told of captions that the base doesn't read at once, and what of them is cut."""
    found = [(image.path.name, *family.chunked(tokenizer, image.caption)) for image in images]
    if long := [name for name, chunks, _ in found if chunks > 1]:
        yield Sentence(
            "{count} captions are longer than the {tokens} tokens that the base reads at once; they are read "
            "in up to {chunks} chunks, as AUTOMATIC1111 does: {names}",
            count=len(long),
            tokens=tokenizer.model_max_length - 2,
            chunks=max(chunks for _, chunks, _ in found),
            names=some(long),
        )
    cut = [(name, rest) for name, _, rest in found if rest]
    for name, rest in cut[:SHOWN]:
        yield Sentence(
            "The caption of {name} is too long; this of it is not learnt: {rest}",
            name=name,
            rest=rest if len(rest) <= SHOWN_LETTERS else f"{rest[:SHOWN_LETTERS]} …",
        )
    if more := [name for name, _ in cut[SHOWN:]]:
        yield Sentence("Also too long and cut: {names}", names=some(more))
