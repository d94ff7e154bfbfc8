"""What is known of a job, as a page sees it and as it stands on disk.

Reads any file, also one of another version or a damaged one, without raising. Knows nothing about who runs
jobs.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.messages import Sentence, as_line, as_plain, from_plain, harmless
from core.progress import Progress, T

QUEUED, RUNNING, DONE, STOPPED, FAILED, INTERRUPTED = (
    "queued",
    "running",
    "done",
    "stopped",
    "failed",
    "interrupted",
)


ENDED = (DONE, STOPPED, FAILED, INTERRUPTED)


@dataclass(frozen=True)
class JobState:
    """A job as a page sees it, and as it stands on disk in `<id>.json` (times in seconds since 1970).

    number: the how-many-eth job of this home; a clock may jump, so it alone says which is newer. unwritten:
    why the file doesn't hold this yet, None where it does. look: a small JPEG of what is being drawn, which
    no file holds.
    """

    id: str
    kind: str
    title: str
    status: str = QUEUED
    progress: Progress = field(default_factory=lambda: Progress("Waiting"))
    log: tuple[str, ...] = ()
    losses: tuple[tuple[int, float], ...] = ()
    held_out: tuple[tuple[int, float], ...] = ()
    error: str = ""
    error_template: str = ""
    error_values: dict[str, str | int | float] = field(default_factory=dict)
    result: Path | None = None
    created: float = field(default_factory=time.time)
    ended: float | None = None
    number: int = 0
    unwritten: Sentence | None = None
    look: bytes = b""

    @property
    def active(self) -> bool:
        """True while the job waits or works."""
        return self.status not in ENDED


MAX_LOG_LINES = 500


MAX_LOSSES = 2000


MAX_BYTES = 32 * 1024**2  # of a state's file; the longest that is written has less than half


def thin(losses: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """Halves a curve that has grown past `MAX_LOSSES` points by averaging neighbours."""
    if len(losses) <= MAX_LOSSES:
        return losses
    pairs = zip(losses[::2], losses[1::2], strict=False)
    return tuple((right[0], (left[1] + right[1]) / 2) for left, right in pairs)


def as_json(state: JobState) -> str:
    """A state as its file holds it."""
    progress = vars(state.progress) | {"text": as_plain(state.progress.text or "")}
    values = vars(state) | {"progress": progress, "log": as_plain(state.log)}
    del values["unwritten"], values["look"], progress["look"]
    return json.dumps(values, default=str)


def read_state(path: Path) -> JobState | None:
    """A job's state from its file; None where the file is none: half-written, foreign, endless, of any depth.

    What an older studio didn't write has its default, what a newer one adds is passed over. The id is the
    file's name, whatever stands in it, as other files are named by it.
    """
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        state = _state(path.stem, json.loads(path.read_text(encoding="utf-8")))
        picture = state.progress.picture
        if picture and path.parent.parent.resolve() not in picture.resolve().parents:
            return replace(state, progress=replace(state.progress, picture=None))  # no page may be sent it
        return state
    except Exception:  # a foreign file may hold anything, and the window opens none the less
        return None


def _state(job_id: str, values: dict[str, Any]) -> JobState:
    def get(name: str, kind: type[T]) -> T | None:
        value = values.get(name)
        if value is not None and not isinstance(value, kind):
            raise TypeError(name)
        return value

    def curve(name: str) -> tuple[tuple[int, float], ...]:
        return tuple((int(step), float(loss)) for step, loss in get(name, list) or ())

    status = values["status"]
    template, filled = _filled(get("error_template", str) or "", get("error_values", dict) or {})
    return JobState(
        id=job_id,
        kind=str(values["kind"]),
        title=as_line(str(values["title"])),
        status=status if status in (QUEUED, RUNNING, *ENDED) else INTERRUPTED,
        progress=_progress(get("progress", dict) or {}),
        log=tuple(_line(line) for line in get("log", list) or ())[-MAX_LOG_LINES:],
        losses=curve("losses"),
        held_out=curve("held_out"),
        error=as_line(get("error", str) or ""),
        error_template=template,
        error_values=filled,
        result=_path(values.get("result")),
        created=_number(values.get("created")) or 0.0,
        ended=_number(values.get("ended")),
        number=int(_number(values.get("number")) or 0),
    )


def _progress(values: dict[str, Any]) -> Progress:
    return Progress(
        message=as_line(str(values.get("message", ""))),
        step=int(_number(values.get("step")) or 0),
        total=int(_number(values.get("total")) or 0),
        loss=_number(values.get("loss")),
        held_out=_number(values.get("held_out")),
        seconds_left=_number(values.get("seconds_left")),
        picture=_path(values.get("picture")),
        text=_line(values.get("text") or "") or None,
        result=_path(values.get("result")),
    )


def _filled(template: str, values: dict[str, Any]) -> tuple[str, dict[str, str | int | float]]:
    """An error's template and its values; empty where they don't go together, or could be a stranger's."""
    filled = plain_values(values)
    try:
        harmless(template).format(**filled)  # a page will
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", {}
    return template, filled


def plain_values(values: Mapping[str, object]) -> dict[str, str | int | float]:
    """What fills a template's places; numbers stay numbers, as a place may say how they are written."""
    return {name: v if isinstance(v, int | float) else as_line(str(v)) for name, v in values.items()}


def _line(value: Any) -> str:
    text = from_plain(value)
    return as_line(text if isinstance(text, str) else str(text))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _path(value: Any) -> Path | None:
    """A path that the system takes for one, whether something stands there or not."""
    if not isinstance(value, str) or not value:
        return None
    try:
        os.stat(value)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError):
        return None
    return Path(value)
