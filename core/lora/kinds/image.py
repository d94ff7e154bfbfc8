"""LoRAs of pictures: how things look. See `core.lora.kinds.kind` for what each name is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from core.lora.adapters import image_file
from core.lora.engine.fingerprint import Data
from core.lora.estimate import image as estimate
from core.lora.estimate.advice import more_general
from core.lora.image import dataset, setup
from core.lora.image.recipe import ImageRecipe
from core.lora.kinds.kind import Remember
from core.lora.proof import image as proof
from core.lora.proof import image_report
from core.messages import Sentence
from core.progress import Progress
from core.settings.lora_jobs import ProofSettings
from core.settings.training import ImageTraining

TRAINING, PROVING = ImageTraining, ProofSettings
SUFFIX = ".safetensors"
LOSS_TELLS = False
ENOUGH = 10  # pictures, from which on a LoRA learns the style and not the pictures

needs, smaller = estimate.needs, estimate.smaller
prepare, prove = setup.prepare, proof.prove_pictures
proof_in = image_report.read


def data_of(settings: ImageTraining) -> Data:
    """Content, cut and caption of each picture. Raises Mistake where there is none."""
    return dataset.of_pictures((folder, found.images) for folder, found in dataset.captioned_sets(settings))


def counted(count: int) -> Sentence:
    """So many pictures."""
    return Sentence("{count} pictures", count=count)


def few(settings: ImageTraining, samples: int) -> Iterator[Sentence]:
    """What is told where pictures are so few that they are learnt by heart."""
    if samples < ENOUGH:
        yield Sentence(
            "{count} pictures are few: from {enough} on it learns the style and not the pictures. Add some; "
            "with these set {changes}.",
            count=samples,
            enough=ENOUGH,
            changes=more_general(settings),
        )


def noticed(settings: ImageTraining, samples: int) -> Iterator[Sentence]:
    """Captions that are too long for the base, and too few pictures."""
    yield from estimate.long_captions(settings)
    yield from few(settings, samples)


def worth(settings: ImageTraining) -> Iterator[Sentence]:
    """Nothing: the pre-flight tells all."""
    yield from ()


def remembering(settings: ImageTraining, recipe: ImageRecipe) -> Remember:
    """Notes seconds by the pictures' sizes."""
    sizes = [picture.size for picture in recipe.pictures]
    return partial(estimate.remember, settings, recipe.numbers, sizes)


def besides(settings: ImageTraining, lora: Path) -> Iterator[Progress]:
    """Nothing is made besides the file."""
    yield from ()


def elsewhere(settings: ImageTraining, lora: Path) -> Iterator[Sentence]:
    """How other programs read a DoRA."""
    if settings.network == "dora":
        yield Sentence(  # their formulas stand in tests/lora/test_dora.py
            "Programs read a DoRA's lengths differently: this studio draws it exactly, diffusers after "
            "{command}; ComfyUI since May 2025 nearly; AUTOMATIC1111 and older ComfyUI wrongly: for those "
            "train network lora.",
            command=f"studio.py export {lora.name}",
        )


def weights(lora: Path) -> Path:
    """The LoRA's one file."""
    return lora


def check(lora: Path) -> None:
    """Raises Mistake where the file is damaged."""
    image_file.read(lora)
