"""What differs between the run that left a checkpoint and the one now asked for, and whether it can go on.

Works on fingerprints: each setting that counts, as text, and under `data` what is learnt from, by name. Knows
nothing about models; reads pictures' bytes and texts, no weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.images.captions import MIDDLE, CaptionedImage
from core.jobs import Sentence
from core.project import file_hash
from core.settings import ImageTraining, TextTraining, Training

Data = dict[str, list[str]]

# What may differ when a run is continued: none of it changes what the LoRA becomes, but for rounding.
FREE_TO_CHANGE = {
    "resume", "output_dir", "lora_dir", "name", "save_steps", "samples", "sample_steps",
    "gradient_checkpointing", "compile", "keep_loras", "prove", "export_merged",
}  # fmt: skip
# What changes samples or the file's words alone: a change is told, and the run goes on.
TOLD_ONLY = {"sample_prompts", "sample_topics", "trigger", "private_metadata"}
# What a checkpoint's tensors are bound to: with another value of these it can't be continued at all.
MUST_STAY = {
    "kind", "base_model", "prediction", "lora_rank", "lora_alpha", "target_modules", "network",
    "train_text_encoder", "optimizer", "ema", "continue_from", "use_rslora", "quantize",
}  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """A checkpoint of an unfinished run: its step, what differs now, which settings hinder it.

    alike: nothing that differs changes what is learnt, so that it goes on without a question.
    """

    step: int
    differs: list[Sentence]
    hindered: list[str]
    alike: bool


def fingerprint(settings: Training, data: Data) -> dict[str, Any]:
    """What decides the LoRA that a run makes: plain values that survive JSON."""
    chosen = settings.model_dump(mode="json", exclude=FREE_TO_CHANGE)
    return {name: str(value) for name, value in chosen.items()} | {"data": data}


def of_pictures(sets: Iterable[tuple[Path, Iterable[CaptionedImage]]]) -> Data:
    """Content, cut and caption of each captioned picture of (folder, pictures), by place in its folder."""
    return {
        f"{number}/{image.path.relative_to(folder).as_posix()}": [_seen(image), image.caption]
        for number, (folder, images) in enumerate(sets)
        for image in images
    }


def _seen(image: CaptionedImage) -> str:
    """What of a picture's file is learnt: its content, and where it is cut if that was moved."""
    x, y = image.focus
    content = file_hash(image.path)[:16]
    return content if image.focus == MIDDLE else f"{content} {x:g} {y:g}"


def of_texts(samples: Iterable[Any]) -> Data:
    """The place of each text sample, by its words."""
    found: Data = {}
    for place, sample in enumerate(samples):
        name = digest([sample.topic, sample.reply])
        found[f"{name}+{place}" if name in found else name] = [str(place)]
    return found


def digest(parts: Any) -> str:
    """The first 16 hex digits of a SHA-256 over plain values: tells whether data is still the same."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


def data_of(settings: Training) -> Data:
    """What the settings would learn from. Raises Mistake where there is nothing."""
    if isinstance(settings, ImageTraining):
        from core.images.captions import read_captions

        sets = [(settings.train_data_dir, read_captions(settings.train_data_dir, settings.metadata_path))]
        if settings.reg_data_dir:
            sets.append((settings.reg_data_dir, read_captions(settings.reg_data_dir)))
        return of_pictures((folder, found.images) for folder, found in sets)
    from core.texts.importing import read_texts

    assert isinstance(settings, TextTraining)
    return of_texts(read_texts(settings.train_data_path).samples)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Sentence]:
    """What differs between two fingerprints, settings first; empty where nothing does."""
    names = sorted((old.keys() | new.keys()) - {"data"})
    said = [
        Sentence("{name}: {old} → {new}", name=name, old=old.get(name, ""), new=new.get(name, ""))
        for name in names
        if old.get(name) != new.get(name)
    ]
    return said + _of_data(old.get("data") or {}, new.get("data") or {}, new.get("kind") == "text")


def _of_data(old: Data, new: Data, texts: bool) -> list[Sentence]:
    added, removed, both = new.keys() - old.keys(), old.keys() - new.keys(), old.keys() & new.keys()
    if texts:
        moved = not added and not removed and old != new
        counts = [
            (len(added), Sentence("{count} texts added", count=len(added))),
            (len(removed), Sentence("{count} texts removed", count=len(removed))),
            (moved, Sentence("the texts stand in another order")),
        ]
    else:
        redrawn = sum(old[name][0] != new[name][0] for name in both)
        renamed = sum(old[name][1] != new[name][1] for name in both)
        counts = [
            (len(added), Sentence("{count} pictures added", count=len(added))),
            (len(removed), Sentence("{count} pictures removed", count=len(removed))),
            (redrawn, Sentence("{count} pictures changed", count=redrawn)),
            (renamed, Sentence("{count} captions changed", count=renamed)),
        ]
    return [sentence for count, sentence in counts if count]


def hindrances(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The changed settings without which a checkpoint's tensors have no place, or no sense."""
    return sorted(name for name in MUST_STAY if old.get(name) != new.get(name))


def alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two runs learn the same: the same settings and data, but for what is only told."""
    counts = (old.keys() | new.keys()) - TOLD_ONLY
    return all(old.get(name) == new.get(name) for name in counts)


def listed(differs: Sequence[Sentence]) -> str:
    """Differences in one line."""
    return "; ".join(str(one) for one in differs)


def waiting(settings: Training) -> Waiting | None:
    """The newest checkpoint in the settings' `output_dir`, compared with them; None where there is none."""
    for note in sorted((settings.output_dir / "checkpoint").glob("step-*.json"), reverse=True):
        try:
            said = json.loads(note.read_text(encoding="utf-8"))
            old, step = said["fingerprint"], said["state"]["step"]
        except (OSError, ValueError, KeyError):
            continue
        new = fingerprint(settings, data_of(settings))
        return Waiting(step, differences(old, new), hindrances(old, new), alike(old, new))
    return None
