"""How long a training step took on this machine before, so that the next run's time is known beforehand.

One small JSON file beside the caches: seconds a sample by machine, base, size and what else decides it. Knows
nothing about models.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from core import basemodels
from core.jobs import Progress
from core.project import write_atomic

ENOUGH_STEPS = 3


def file() -> Path:
    """Where the figures stand."""
    return basemodels.cache_folder() / "step-seconds.json"


def known(key: str) -> float | None:
    """Seconds a sample took in the newest run of this key; None before the first."""
    return _all().get(key)


def note(key: str, seconds_a_step: list[float], samples_a_step: float) -> None:
    """Remembers a run's median step; too few steps say nothing."""
    if len(seconds_a_step) >= ENOUGH_STEPS:
        measured = statistics.median(seconds_a_step) / samples_a_step
        write_atomic(file(), json.dumps(_all() | {key: measured}, ensure_ascii=False, indent=1))


def _all() -> dict[str, float]:
    try:
        values: Any = json.loads(file().read_text(encoding="utf-8"))
        return {key: float(value) for key, value in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def timed(job: Iterator[Progress], seconds: list[float]) -> Iterator[Progress]:
    """The job's own reports; `seconds` gets the time of each step that nothing else was reported within.

    The first step holds warm-up and is left out.
    """
    step, at = -1, 0.0
    with closing(job) as reports:  # type: ignore[type-var]
        for report in reports:
            now = time.monotonic()
            plain = report.loss is not None and not report.text and not report.picture
            if plain and report.step == step + 1 and at:
                seconds.append(now - at)
            step, at = (report.step, now) if plain else (-1, 0.0)
            yield report
