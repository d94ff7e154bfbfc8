"""Writes a text LoRA and its base as one full model that any program loads, and checks it.

Works on a PEFT folder and the base it was trained on; in the number format of the base's own files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.bases import language_model
from core.disk import nearest_folder
from core.lineage import lineage, write_lineage
from core.lora.adapters import peft_folder
from core.messages import Mistake, Sentence
from core.progress import Progress
from core.project import replacing, unused
from core.settings.lora_jobs import MergeSettings
from core.texts import lorafolder, template

if TYPE_CHECKING:
    import torch

PROBE = "You write narration for short videos. The river wakes before the town."
# What the merged model's logits may differ by, as a share of their spread: rounding of the summed weights.
ROUNDING = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}


def merge(settings: MergeSettings) -> Iterator[Progress]:
    """Merges; the last report's `result` is the folder, which is new.

    It is written beside its place and renamed when its re-read logits are those of base and LoRA. Raises
    Mistake for what is no text LoRA of this base, and where the disk has no room.
    """
    lora = settings.lora
    peft_folder.read_config(lora)
    base = settings.base or peft_folder.base_of(lora)
    target = unused(settings.output or lora.with_name(f"{lora.name}_merged"))
    yield Progress("Loading the language model")
    model, tokenizer = language_model.load(base, "auto")
    tokenizer.chat_template = template.of_folder(lora) or tokenizer.chat_template
    size = weights_bytes(model)
    check_room(target, size)
    ids = tokenizer(PROBE, return_tensors="pt")["input_ids"]
    apart, merged = _merged(model, lora, base, ids)
    yield Progress("Writing the full model")
    with replacing(target) as part:
        merged.save_pretrained(part)
        tokenizer.save_pretrained(part)
        made = lineage(base_model=base, lora=str(lora), made_with="LoRA Studio")
        write_lineage(part, made)
        kind = str(merged.dtype).removeprefix("torch.")
        del model, merged
        device.free()
        yield Progress("Checking the full model")
        again, _ = language_model.load(str(part), "auto")
        error = difference(apart, _logits(again, ids))
        if not error <= ROUNDING[kind]:  # one that is no number is too large
            raise RuntimeError(f"the merged model's logits are {error:.3f} of their spread off")
    said = Sentence(
        "{name}: a full model of {size} MB, checked against base and LoRA",
        name=target.name,
        size=f"{size / 1e6:.0f}",
    )
    yield Progress("Done", text=said, result=target)


def weights_bytes(model: Any) -> int:
    """Size of a model's weights, those that are tied counted once."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def check_room(target: Path, size: int) -> None:
    """Raises Mistake where the disk of `target` hasn't `size` bytes and a twentieth free."""
    there = nearest_folder(target)
    disk = shutil.disk_usage(there)
    if disk.total and size * 1.05 > disk.free:  # a place without a size is no disk: writing says what it is
        raise Mistake(
            "The full model takes {needed:.1f} GB and {folder} has {free:.1f} GB free; make room, or choose "
            "another output.",
            needed=size / device.GIB,
            folder=there,
            free=disk.free / device.GIB,
        )


def _merged(model: Any, lora: Path, base: str, ids: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Logits of base with LoRA, and the model with the LoRA's product added to its weights."""
    joined = lorafolder.put_on(model, lora, base)
    apart = _logits(joined, ids)
    if not apart.isfinite().all():
        raise Mistake(
            "{path} makes the language model give no numbers, as they run over in its number format; choose "
            "another, or train it again at a lower learning rate.",
            path=lora,
        )
    return apart, joined.merge_and_unload()


def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        return model(input_ids=ids, use_cache=False).logits.float()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far logits are apart, as a share of their spread."""
    return float((one - other).norm() / (one - one.mean(-1, keepdim=True)).norm())
