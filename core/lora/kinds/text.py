"""LoRAs of texts: how things are said. See `core.lora.kinds.kind` for what each name is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from core.adapter_config import WEIGHTS
from core.lora.adapters import peft_folder
from core.lora.adapters.merge import merge
from core.lora.engine.fingerprint import Data
from core.lora.estimate import text as estimate
from core.lora.estimate.advice import more_general
from core.lora.kinds.kind import Remember
from core.lora.proof import text as proof
from core.lora.proof import text_report
from core.lora.text import dataset, setup
from core.lora.text.recipe import TextRecipe
from core.messages import Sentence
from core.progress import Progress
from core.settings.lora_jobs import MergeSettings, TextProofSettings
from core.settings.training import TextTraining
from core.texts import lorafolder, report
from core.texts.importing import read_texts
from core.texts.report import FEW_TEXTS

TRAINING, PROVING = TextTraining, TextProofSettings
SUFFIX = ""
LOSS_TELLS = True

needs, smaller = estimate.needs, estimate.smaller
prepare, prove = setup.prepare, proof.prove_texts
proof_in = text_report.read
worth = report.of_training


def data_of(settings: TextTraining) -> Data:
    """The words of each text. Raises Mistake where there is none."""
    return dataset.of_texts(read_texts(settings.train_data_path).samples)


def counted(count: int) -> Sentence:
    """So many texts."""
    return Sentence("{count} texts", count=count)


def few(settings: TextTraining, samples: int) -> Iterator[Sentence]:
    """What is told where texts are so few that they are learnt by heart."""
    if samples < FEW_TEXTS:
        yield Sentence(
            "{count} texts are few: from {enough} on it learns the voice and not the texts. Add some; with "
            "these set {changes}.",
            count=samples,
            enough=FEW_TEXTS,
            changes=more_general(settings),
        )


def noticed(settings: TextTraining, samples: int) -> Iterator[Sentence]:
    """Nothing: the texts' own report tells it."""
    yield from ()


def remembering(settings: TextTraining, recipe: TextRecipe) -> Remember:
    """Notes seconds by the texts' lengths."""
    return partial(estimate.remember, settings)


def besides(settings: TextTraining, lora: Path) -> Iterator[Progress]:
    """Base and LoRA as one model, where that is asked for. Raises Mistake where it can't be made."""
    if settings.export_merged:
        yield from merge(MergeSettings(lora=lora))


def elsewhere(settings: TextTraining, lora: Path) -> Iterator[Sentence]:
    """What vLLM and peft are told."""
    for line in (peft_folder.vllm_line(lora), peft_folder.peft_line(lora)):
        yield Sentence("For other programs: {line}", line=line)


def weights(lora: Path) -> Path:
    """The folder's file of numbers."""
    return lora / WEIGHTS


def check(lora: Path) -> None:
    """Raises Mistake where the folder's numbers are damaged."""
    lorafolder.read_layers(lora)
