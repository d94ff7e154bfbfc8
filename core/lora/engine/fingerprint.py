"""What differs between two runs, and whether the one can go on from the other's checkpoint.

Works on fingerprints: each setting that counts, as text, and under `data` what is learnt from, by name. Knows
nothing about models, pictures or texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.messages import Sentence
from core.settings.marks import Continued, marked
from core.settings.training import TRAINING, Training

Data = dict[str, list[str]]


def fingerprint(settings: Training, data: Data) -> dict[str, Any]:
    """What decides the LoRA that a run makes: plain values that survive JSON."""
    chosen = settings.model_dump(mode="json", exclude=_settings(Continued.FREE))
    return {name: str(value) for name, value in chosen.items()} | {"data": data}


def _settings(how: Continued) -> set[str]:
    """The settings of every kind of LoRA that bear on a continued run so: a fingerprint may be of any."""
    return {name for cls in TRAINING.values() for name in marked(cls, how)}


def digest(parts: Any) -> str:
    """The first 16 hex digits of a SHA-256 over plain values: tells whether data is still the same."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


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
    return sorted(name for name in _settings(Continued.REFUSED) if old.get(name) != new.get(name))


def alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two runs learn the same: the same settings and data, but for what is only told."""
    counts = (old.keys() | new.keys()) - _settings(Continued.TOLD)
    return all(old.get(name) == new.get(name) for name in counts)


def in_one_line(differs: Sequence[Sentence]) -> str:
    """Differences in one line."""
    return "; ".join(str(one) for one in differs)
