"""What a training run leaves to be looked at: TensorBoard logs and a line a step in metrics.jsonl."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import disk
from core.images.picture_file import open_picture
from core.lora.engine.recipe import Sample
from core.messages import Mistake

LOG = "metrics.jsonl"


class Logs:
    """TensorBoard logs under `logs/`, a line a step in `metrics.jsonl`; steps past `step` are dropped."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.refused = folder / LOG, False
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            kept = [line for line, said in _lines(self.path) if said["step"] <= step] if step else []
            self.path.write_text("".join(kept), encoding="utf-8")
            self.file = self.path.open("a", encoding="utf-8", buffering=1)
            self.board = SummaryWriter(str(folder / "logs"), purge_step=step + 1 if step else None)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What the disk refuses is told once, as a Mistake; then the run can still save its checkpoint."""
        try:
            with disk.writing(self.path):
                yield
        except Mistake:
            if not self.refused:
                self.refused = True
                raise

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Notes the values of a step; not-a-number becomes null."""
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self._writing():
            for name, value in values.items():
                self.board.add_scalar(name, value, step)
            self.file.write(json.dumps({"step": step, **plain, "time": round(time.time(), 3)}) + "\n")

    def sample(self, step: int, number: int, sample: Sample) -> None:
        """Notes a sample as a picture or a text."""
        with self._writing():
            if sample.picture:
                import numpy as np

                shown = np.asarray(open_picture(sample.picture))
                self.board.add_image(f"sample {number}", shown, step, dataformats="HWC")
            if sample.text:
                self.board.add_text(f"sample {number}", f"{sample.asked}\n\n{sample.text}", step)

    def close(self) -> None:
        """Flushes and closes both."""
        with self._writing(), self.file:
            self.board.close()


def curves(folder: Path) -> tuple[list[float], list[tuple[int, float]]]:
    """A run's losses of all steps, and (step, loss) of each look at held-out samples."""
    lines = [said for _, said in _lines(folder / LOG)]
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    held_out = [
        (line["step"], line["held_out_loss"]) for line in lines if line.get("held_out_loss") is not None
    ]
    return losses, held_out


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """A log's lines and what they say; one that is damaged, such as by a kill, is left out."""
    found = []
    for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else ():
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            said = json.loads(line)
            if line.endswith(b"\n") and isinstance(said["step"], int):
                found.append((line.decode(), said))
    return found
