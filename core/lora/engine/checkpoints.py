"""A run's checkpoints: LoRA, optimizer and step, on disk, so that a killed run goes on where it was.

On a CPU, uncompiled, it goes on bit by bit; elsewhere up to rounding.

Each is `step-00000120.safetensors` (tensors) and, written last, `step-00000120.json` (step, scalars, the
tensors' SHA-256, the run's fingerprint). One without a matching hash is damaged, and the one before it is
used. Random states are not among it: the loop draws everything from seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import files
from core.lora.engine import fingerprint
from core.messages import Sentence
from core.project import file_hash, replacing, unused, write_atomic

if TYPE_CHECKING:
    import torch

KEPT = 2
BEGUN = "result.txt"


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
    """Saves and finds the checkpoints in `folder` of the run that `fingerprint` describes.

    `resume`: what becomes of checkpoints that are there, as in the settings.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any], resume: str = "auto") -> None:
        self.folder, self.fingerprint, self.resume = folder, fingerprint, resume
        self.told: Sentence | str = ""

    def save(self, tensors: dict[str, torch.Tensor], state: Any, scalars: dict[str, Any]) -> None:
        """Writes a checkpoint of `state.step` unless it holds broken numbers; keeps the newest `KEPT`."""
        from safetensors.torch import save_file

        if not all(bool(t.isfinite().all()) for name, t in tensors.items() if name.startswith("lora/")):
            return
        path = self.folder / f"step-{state.step:08d}.safetensors"
        with replacing(path, flush=True) as part:
            save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, part)
        note = {"state": asdict(state) | {"bad": 0}, "scalars": scalars, "sha256": file_hash(path)}
        write_atomic(path.with_suffix(".json"), json.dumps(note | {"fingerprint": self.fingerprint}))
        for old in sorted(self.folder.glob("step-*.json"))[:-KEPT]:
            self.drop(old)

    def newest(self) -> Saved | None:
        """The newest whole checkpoint that this run goes on from; None where there is none.

        The one place that decides: a run that learns something else is gone on from only where `resume` is
        "always" and nothing hinders it; else its checkpoints are set aside. `told` says what differs.
        """
        from safetensors.torch import load_file

        if self.resume == "never":
            self._set_aside([])
            return None
        for note_path in sorted(self.folder.glob("step-*.json"), reverse=True):
            path = note_path.with_suffix(".safetensors")
            try:
                note = files.note(note_path)
                if file_hash(path) != note["sha256"]:
                    continue
            except (OSError, KeyError, TypeError):
                continue
            differs = fingerprint.differences(note["fingerprint"], self.fingerprint)
            changed = Sentence("This changed since the checkpoint: {changes}", changes=tuple(differs))
            self.told = changed if differs else ""
            if fingerprint.alike(note["fingerprint"], self.fingerprint):
                return Saved(load_file(path), note["state"], note["scalars"])
            if self.resume != "always" or fingerprint.hindrances(note["fingerprint"], self.fingerprint):
                self._set_aside(differs)
                return None
            # Other held-out samples or another goal: the best look of before is none of now's.
            state = note["state"] | {"best": {}, "best_step": 0, "worse": 0, "judging": None}
            return Saved(load_file(path), state, note["scalars"])
        return None

    @property
    def begun(self) -> str:
        """The name of the result that a run before this one had begun to write; empty where it hadn't."""
        try:
            return Path((self.folder / BEGUN).read_text(encoding="utf-8")).name
        except (OSError, ValueError):
            return ""

    def begin(self, name: str) -> None:
        """Notes the name of the result before it is written, so that a run gone on with writes no other."""
        write_atomic(self.folder / BEGUN, name)

    def clear(self) -> None:
        """Removes all checkpoints of a run that is finished."""
        (self.folder / BEGUN).unlink(missing_ok=True)
        for note_path in self.folder.glob("step-*.json"):
            self.drop(note_path)

    def drop(self, note_path: Path) -> None:
        """Removes one checkpoint, its note first, so that no half of it is ever believed."""
        note_path.unlink()
        note_path.with_suffix(".safetensors").unlink(missing_ok=True)

    def _set_aside(self, differs: Sequence[Sentence]) -> None:
        """Moves the checkpoints there to `checkpoint-before`, so that a new run starts in an empty folder."""
        if not any(self.folder.glob("step-*.json")):
            return
        aside = unused(self.folder.with_name(f"{self.folder.name}-before"))
        self.folder.rename(aside)
        self.told = Sentence(
            "Starting anew; the checkpoints of the run before are kept in {name}", name=aside.name
        )
        if differs:
            self.told = Sentence(
                "{told}, because this changed: {changes}", told=self.told, changes=tuple(differs)
            )
