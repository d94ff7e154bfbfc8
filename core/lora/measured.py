"""How long the parts of a training took on this machine before, so that the next run's time is known.

One small JSON file beside the caches: seconds a sample of a step, and of each thing done besides, by machine,
base, size and what else decides it. Knows nothing about models.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from core import basemodels
from core.jobs import Mistake, Progress
from core.lora.recipe import looks_every
from core.project import write_atomic
from core.settings import Training

MadeT = TypeVar("MadeT")

ENOUGH_STEPS = 3
# What a training's reports say that it is doing.
STEPS, JUDGING, PROVING = "Training", "Judging", "Proving"
ENCODING, DRAWING, WRITING = "Encoding the pictures", "Drawing samples", "Writing samples"
BESIDES = (ENCODING, DRAWING, WRITING, JUDGING, PROVING)
BASE_TOO = (DRAWING, JUDGING)  # the first of them is done for the base as well


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
        _remember({key: measured})


def _remember(figures: dict[str, float]) -> None:
    """Adds to the figures; a full or read-only disk costs only the next run's estimate."""
    with contextlib.suppress(Mistake):
        write_atomic(file(), json.dumps(_all() | figures, ensure_ascii=False, indent=1))


def _all() -> dict[str, float]:
    try:
        values: Any = json.loads(file().read_text(encoding="utf-8"))
        return {key: float(value) for key, value in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def watched(
    job: Generator[Progress, None, MadeT], seconds: dict[str, list[float]]
) -> Generator[Progress, None, MadeT]:
    """The job's own reports and result; `seconds` gets, by message, how long each report was waited for.

    Of a training's steps only those count that nothing else was reported within; the first, which holds
    warm-up, doesn't.
    """
    step, asked = -1, time.monotonic()
    with closing(job):
        while True:
            try:
                report = next(job)
            except StopIteration as end:
                return end.value
            taken = time.monotonic() - asked
            plain = report.loss is not None and not report.text and not report.picture
            if report.message != STEPS or (plain and report.step == step + 1):
                seconds.setdefault(report.message, []).append(taken)
            step = report.step if plain else -1
            yield report
            asked = time.monotonic()


def note_besides(key: str, seconds: Mapping[str, Sequence[float]], judged: int, tried: int) -> None:
    """Remembers what a run of this key did besides its steps: seconds each, as `counts` counts them.

    `judged` held-out samples at each look, `tried` LoRAs in the proof.
    """
    each = {
        message: sum(taken) / (len(taken) + (message in BASE_TOO))
        for message, taken in seconds.items()
        if taken
    }
    if judged and JUDGING in each:
        each[JUDGING] /= judged
    if PROVING in each:
        each[PROVING] = sum(seconds[PROVING]) / tried
    if ENCODING in each:  # in a later run most are known
        each[ENCODING] = max(each[ENCODING], known(f"{key} | {ENCODING}") or 0.0)
    _remember({f"{key} | {message}": each[message] for message in BESIDES if message in each})


def besides(key: str, counts: Mapping[str, int]) -> float:
    """Seconds that a run takes besides its steps, by how often it does each; 0 for what isn't known yet."""
    return sum(count * (known(f"{key} | {message}") or 0.0) for message, count in counts.items())


def counts(settings: Training, steps: int, samples: int, prompts: int, held_out: int) -> dict[str, int]:
    """How often a run does each thing besides steps: encoding, drawing, writing, judging, proving.

    What is drawn or judged is so once more for the base.
    """
    looks = _times(looks_every(settings, steps), steps)
    shown = prompts * _times(settings.sample_steps, steps)
    return {
        ENCODING: samples,
        DRAWING: shown + prompts,
        WRITING: shown,
        JUDGING: held_out * (looks + 1),
        PROVING: 1 + settings.keep_loras if settings.prove else 0,
    }


def _times(every: int, steps: int) -> int:
    """How often something is done that is due every so many steps, and at the end."""
    return (steps - 1) // every + 1 if every else 1
