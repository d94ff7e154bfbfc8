"""Puts the LoRA that a proof advises into the library, where that is one kept along the way.

Works on files: the proof beside a finished LoRA, the LoRAs kept in its run's folder, its lineage. Loads no
model.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from core.jobs import Mistake
from core.lora import formats, report
from core.lora.report import Figures
from core.lora.train import kept_file, next_path, trained_with
from core.project import file_hash, lineage, read_lineage, replacing, write_lineage


def offered(lora: Path) -> tuple[Figures, Path] | None:
    """What the proof of `lora` advises in its stead, figures and file; None where it advises no other."""
    proof, training = report.read(report.folder_of(lora)), trained_with(lora)
    best = proof.advised if proof else None
    if best is None or best.step is None or training is None:
        return None
    file = kept_file(training, lora, best.step)
    return (best, file) if file.is_file() else None


def take(lora: Path) -> Path:
    """The advised LoRA as the next version beside `lora`, with its lineage; nothing is overwritten.

    One that was taken before is given back as it is. Raises Mistake where the proof advises nothing else.
    """
    found, training = offered(lora), trained_with(lora)
    if found is None or training is None:
        raise Mistake("The proof of {name} advises no other LoRA than this one.", name=lora.stem)
    best, file = found
    formats.read(file)  # whole, or a Mistake
    for path in sorted(lora.parent.glob("*.safetensors")):
        if path.stat().st_size == file.stat().st_size and file_hash(path) == file_hash(file):
            return path
    made = read_lineage(lora)
    passes = max(1, round(training.epochs * (best.step or 0) / made["steps"]))
    path = next_path(training.model_copy(update={"lora_dir": lora.parent, "epochs": passes}))
    with replacing(path) as part:
        shutil.copyfile(file, part)
    of_the_last_step = {"made", "figures", "advice"}
    kept = {name: value for name, value in made.items() if name not in of_the_last_step}
    now = {"steps": best.step, "kept_from": lora.name, "advised": asdict(best)}
    write_lineage(path, lineage(**{**kept, **now}))
    return path
