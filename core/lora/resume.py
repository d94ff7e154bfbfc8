"""The unfinished run in a folder, compared with what is now asked for.

Reads checkpoints' notes, pictures' bytes and texts; no weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from core import files
from core.lora import kinds
from core.lora.engine.fingerprint import alike, differences, fingerprint, hindrances
from core.messages import Sentence
from core.settings.training import Training


@dataclass(frozen=True)
class Waiting:
    """A checkpoint of an unfinished run: its step, what differs now, which settings hinder it.

    alike: nothing that differs changes what is learnt, so that it goes on without a question.
    """

    step: int
    differs: list[Sentence]
    hindered: list[str]
    alike: bool


def waiting(settings: Training) -> Waiting | None:
    """The newest checkpoint in the settings' `output_dir`, compared with them; None where there is none."""
    for note in sorted((settings.output_dir / "checkpoint").glob("step-*.json"), reverse=True):
        try:
            said = files.note(note)
            old, step = said["fingerprint"], said["state"]["step"]
        except (KeyError, TypeError):
            continue
        new = fingerprint(settings, kinds.of(settings).data_of(settings))
        return Waiting(step, differences(old, new), hindrances(old, new), alike(old, new))
    return None
