"""Puts the LoRA that a proof advises into the library, where that is one kept along the way.

Works on files: the proof beside a finished LoRA, the LoRAs kept in its run's folder, its lineage. Loads no
model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from core.lineage import lineage, read_lineage, write_lineage
from core.lora import kinds
from core.lora.adapters import versions
from core.lora.proof import image_report, text_report
from core.lora.proof import page as proof_page
from core.messages import Mistake, Sentence
from core.progress import Progress
from core.project import file_hash, replacing
from core.settings.training import Training


def offered(lora: Path) -> tuple[image_report.Figures | text_report.Figures, Path] | None:
    """What the proof of `lora` advises in its stead, figures and file; None where it advises no other."""
    kind, training = kinds.of_lora(lora), _training(lora)
    proof = kind.proof_in(proof_page.folder_of(lora))
    best = proof.advised if proof else None
    if best is None or best.step is None or training is None:
        return None
    kept = versions.kept_file(training, lora, best.step)
    return (best, kept) if kind.weights(kept).is_file() else None


def take(lora: Path) -> Path:
    """The advised LoRA as the next version beside `lora`, with its lineage; nothing is overwritten.

    One that was taken before is given back as it is. Raises Mistake where the proof advises nothing else, and
    where the kept file has been damaged since it was written and checked.
    """
    found, training = offered(lora), _training(lora)
    if found is None or training is None:
        raise Mistake("The proof of {name} advises no other LoRA than this one.", name=lora.stem)
    best, kept = found
    kind = kinds.of_lora(lora)
    kind.check(kept)
    made = read_lineage(lora)
    facts = made.get("facts", {})
    there = (
        path for path in sorted(lora.parent.glob("lora_v*")) if _same(kind.weights(path), kind.weights(kept))
    )
    path = next(there, None)
    if path is None:
        steps = made.get("steps")
        epoch = facts.get("epoch_steps") or (steps / training.epochs if isinstance(steps, int) else 0)
        known = isinstance(epoch, int | float) and epoch > 0  # earlier lineages don't tell
        passes = max(1, round((best.step or 0) / epoch)) if known else 1
        path = versions.next_path(training.model_copy(update={"lora_dir": lora.parent}), passes, kind.SUFFIX)
        with replacing(path) as part:
            shutil.copytree(kept, part) if kept.is_dir() else shutil.copyfile(kept, part)
    elif read_lineage(path):
        return path
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
    """Takes the advised LoRA where there is one, and says so. Raises Mistake where its files are gone."""
    if offered(lora):
        yield Progress("Saving the LoRA", text=Sentence("{path} is the advised LoRA", path=take(lora)))


def _training(lora: Path) -> Training | None:
    return versions.training(lora, kinds.of_lora(lora).TRAINING)


def _same(one: Path, other: Path) -> bool:
    if one.suffix != other.suffix or not one.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    return file_hash(one) == file_hash(other)
