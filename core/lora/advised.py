"""Puts the LoRA that a proof advises into the library, where that is one kept along the way.

Works on files: the proof beside a finished LoRA, the LoRAs kept in its run's folder, its lineage. Loads no
model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from core.jobs import Mistake, Progress, Sentence
from core.lora import formats, origin, proofpage, report, text_report
from core.lora.train import next_path
from core.project import file_hash, lineage, read_lineage, replacing, write_lineage
from core.settings import ImageTraining, TextTraining, Training
from core.texts import lorafolder


def offered(lora: Path) -> tuple[report.Figures | text_report.Figures, Path] | None:
    """What the proof of `lora` advises in its stead, figures and file; None where it advises no other."""
    folder, training = proofpage.folder_of(lora), _training(lora)
    proof = text_report.read(folder) if lora.is_dir() else report.read(folder)
    best = proof.advised if proof else None
    if best is None or best.step is None or training is None:
        return None
    kept = origin.kept_file(training, lora, best.step)
    return (best, kept) if _weights(kept).is_file() else None


def take(lora: Path) -> Path:
    """The advised LoRA as the next version beside `lora`, with its lineage; nothing is overwritten.

    One that was taken before is given back as it is. Raises Mistake where the proof advises nothing else, and
    where the kept file has been damaged since it was written and checked.
    """
    found, training = offered(lora), _training(lora)
    if found is None or training is None:
        raise Mistake("The proof of {name} advises no other LoRA than this one.", name=lora.stem)
    best, kept = found
    if isinstance(training, ImageTraining):
        formats.read(kept)
    else:
        lorafolder.read_weights(kept)
    for path in sorted(lora.parent.glob("lora_v*")):
        if _same(_weights(path), _weights(kept)):
            return path
    made = read_lineage(lora)
    facts = made.get("facts", {})
    epoch = facts.get("epoch_steps") or made["steps"] / training.epochs  # earlier lineages don't tell
    passes = max(1, round((best.step or 0) / epoch))
    path = next_path(training.model_copy(update={"lora_dir": lora.parent}), passes)
    with replacing(path) as part:
        shutil.copytree(kept, part) if kept.is_dir() else shutil.copyfile(kept, part)
    of_the_last_step = {"made", "figures", "advice"}
    stays = {name: value for name, value in made.items() if name not in of_the_last_step}
    now = {
        "steps": best.step,
        "facts": facts | {"kept_step": best.step},
        "kept_from": lora.name,
        "advised": asdict(best),
    }
    write_lineage(path, lineage(**{**stays, **now}))
    return path


def taken(lora: Path) -> Iterator[Progress]:
    """Takes the advised LoRA where there is one, and says so."""
    if offered(lora):
        yield Progress("Saving the LoRA", text=Sentence("{path} is the advised LoRA", path=take(lora)))


def _training(lora: Path) -> Training | None:
    return origin.training(lora, TextTraining if lora.is_dir() else ImageTraining)


def _weights(lora: Path) -> Path:
    """The file that holds a LoRA's numbers."""
    return lora / "adapter_model.safetensors" if lora.is_dir() else lora


def _same(one: Path, other: Path) -> bool:
    if one.suffix != other.suffix or not one.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    return file_hash(one) == file_hash(other)
