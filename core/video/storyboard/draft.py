"""A storyboard that is worked on: its file, and the steps that led to it, to undo and redo.

Each step is a file of its own in `steps`, so that nothing is lost by a kill; a change made to the file by
hand in between counts as a step too.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.files import contents
from core.messages import Mistake
from core.project import write_atomic
from core.settings.typed_yaml import LARGEST_YAML
from core.video.storyboard import file
from core.video.storyboard.board import Storyboard

MOST_STEPS = 100
_one_at_a_time = threading.RLock()  # two pages may change the same storyboard


@dataclass(frozen=True)
class Draft:
    """A film's folder with its storyboard.yaml, and how it can be changed."""

    folder: Path

    @property
    def file(self) -> Path:
        """The storyboard."""
        return self.folder / "storyboard.yaml"

    def read(self) -> Storyboard:
        """The storyboard as it stands. Raises Mistake where it is gone or damaged."""
        return file.read(self.file)

    def change(self, how: Callable[[Storyboard], Storyboard]) -> Storyboard:
        """Changes the storyboard; the step can be undone. A change that changes nothing is no step."""
        with _one_at_a_time:
            before = self.read()
            after = how(before)
            if after == before:
                return before
            self._remember()
            file.write(after, self.file)
            self._remember()
            return after

    def undo(self) -> Storyboard:
        """The storyboard before the last step. Raises Mistake where there is none."""
        return self._go(-1, "There is nothing to undo.")

    def redo(self) -> Storyboard:
        """The storyboard after the step that was undone last. Raises Mistake where there is none."""
        return self._go(1, "There is nothing to redo.")

    def steps(self) -> tuple[bool, bool]:
        """Whether something can be undone, and redone."""
        numbers, now = self._numbers(), self._now()
        return any(number < now for number in numbers), any(number > now for number in numbers)

    def _go(self, by: int, otherwise: str) -> Storyboard:
        with _one_at_a_time:
            self._remember()
            now, numbers = self._now(), self._numbers()
            found = [number for number in numbers if (number - now) * by > 0]
            if not found:
                raise Mistake(otherwise)
            there = min(found, key=lambda number: abs(number - now))
            write_atomic(self.file, contents(self._step(there), LARGEST_YAML))
            write_atomic(self.folder / "steps" / "now", str(there))
            return self.read()

    def _remember(self) -> None:
        """Notes the file as it stands as a step, where it isn't one yet; what was undone before is gone."""
        now, numbers = self._now(), self._numbers()
        data = contents(self.file, LARGEST_YAML)
        if now in numbers and contents(self._step(now), LARGEST_YAML) == data:
            return
        for number in numbers:
            if number > now or number <= now + 1 - MOST_STEPS:
                self._step(number).unlink(missing_ok=True)
        write_atomic(self._step(now + 1), data)
        write_atomic(self.folder / "steps" / "now", str(now + 1))

    def _step(self, number: int) -> Path:
        return self.folder / "steps" / f"{number:06}.yaml"

    def _numbers(self) -> list[int]:
        names = (re.fullmatch(r"(\d{6})\.yaml", path.name) for path in self.folder.glob("steps/*.yaml"))
        return sorted(int(name[1]) for name in names if name)

    def _now(self) -> int:
        place = self.folder / "steps" / "now"
        said = contents(place, 100).decode("ascii", "replace") if place.is_file() else ""
        return int(said) if said.isdigit() else max(self._numbers(), default=0)
