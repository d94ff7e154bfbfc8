"""A run's checkpoints: LoRA, optimizer and step, on disk, so that a killed run continues bit by bit.

Each is `step-00000120.safetensors` (tensors) and, written last, `step-00000120.json` (step, scalars, the
tensors' SHA-256, the run's fingerprint). One without a matching hash is damaged, and the one before it is
used. Random states are not among it: the loop draws everything from seeds.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.project import file_hash, replacing, unused, write_atomic

if TYPE_CHECKING:
    import torch

KEPT = 2


def digest(parts: Any) -> str:
    """The first 16 hex digits of a SHA-256 over plain values: tells whether data is still the same."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Saved:
    """A checkpoint as it was read."""

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]
    scalars: dict[str, Any]

    def part(self, kind: str) -> dict[str, torch.Tensor]:
        """The tensors named `<kind>/…`, without that."""
        start = f"{kind}/"
        return {name[len(start) :]: t for name, t in self.tensors.items() if name.startswith(start)}


class Keeper:
    """Saves and finds the checkpoints in `folder` of the run that `fingerprint` describes."""

    def __init__(self, folder: Path, fingerprint: dict[str, str]) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.refused = ""

    def save(self, tensors: dict[str, torch.Tensor], state: Any, scalars: dict[str, Any]) -> None:
        """Writes a checkpoint of `state.step` unless it holds broken numbers; keeps the newest `KEPT`."""
        from safetensors.torch import save_file

        if not all(bool(t.isfinite().all()) for name, t in tensors.items() if name.startswith("lora/")):
            return
        path = self.folder / f"step-{state.step:08d}.safetensors"
        with replacing(path) as part:
            save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, part)
        note = {"state": asdict(state) | {"bad": 0}, "scalars": scalars, "sha256": file_hash(path)}
        write_atomic(path.with_suffix(".json"), json.dumps(note | {"fingerprint": self.fingerprint}))
        for old in sorted(self.folder.glob("step-*.json"))[:-KEPT]:
            self.drop(old)

    def newest(self) -> Saved | None:
        """The newest whole checkpoint of this run; None where there is none.

        Checkpoints of a run with another fingerprint are set aside, and `refused` says what differs.
        """
        from safetensors.torch import load_file

        for note_path in sorted(self.folder.glob("step-*.json"), reverse=True):
            path = note_path.with_suffix(".safetensors")
            try:
                note = json.loads(note_path.read_text(encoding="utf-8"))
                if file_hash(path) != note["sha256"]:
                    continue
            except (OSError, ValueError, KeyError):
                continue
            if note["fingerprint"] != self.fingerprint:
                self._differs(note["fingerprint"])
                return None
            return Saved(load_file(path), note["state"], note["scalars"])
        return None

    def clear(self) -> None:
        """Removes all checkpoints of a run that is finished."""
        for note_path in self.folder.glob("step-*.json"):
            self.drop(note_path)

    def drop(self, note_path: Path) -> None:
        """Removes one checkpoint, its note first, so that no half of it is ever believed."""
        note_path.unlink()
        note_path.with_suffix(".safetensors").unlink(missing_ok=True)

    def set_aside(self) -> None:
        """Moves the checkpoints there to `checkpoint-before`, so that a new run starts in an empty folder."""
        if not any(self.folder.glob("step-*.json")):
            return
        aside = unused(self.folder.with_name(f"{self.folder.name}-before"))
        self.folder.rename(aside)
        self.refused = f"Starting anew; the checkpoints of the run before are kept in {aside.name}"

    def _differs(self, other: dict[str, str]) -> None:
        names = sorted(
            k for k in self.fingerprint.keys() | other.keys() if self.fingerprint.get(k) != other.get(k)
        )
        self.set_aside()
        changed = "; ".join(f"{name}: {other.get(name)} → {self.fingerprint.get(name)}" for name in names)
        self.refused += f", because this changed: {changed}"
