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
from typing import TypeVar

from core import device, files
from core.bases.places import cache_folder
from core.lora.engine import budget, judging, sample_plan
from core.lora.engine.recipe import looks_every
from core.lora.engine.sample_plan import Plan
from core.messages import Mistake
from core.progress import Progress
from core.project import write_atomic
from core.settings.training import Training

MadeT = TypeVar("MadeT")

ENOUGH_STEPS = 3
# What a training's reports say that it is doing.
STEPS, JUDGING, PROVING = "Training", "Judging", "Proving"
ENCODING, PACE = "Encoding the pictures", "a step of a sample"
BESIDES = (ENCODING, JUDGING, PROVING, PACE)


def file() -> Path:
    """Where the figures stand."""
    return cache_folder() / "step-seconds.json"


def step_key(settings: Training, what: str, layers: Sequence[str], more: str) -> str:
    """What a step's time is kept by: machine, base, number format, `what` is learnt, layers, what `more`."""
    precision = str(device.dtype(settings.precision, device.pick())).removeprefix("torch.")
    checkpointing = " checkpointing" if settings.gradient_checkpointing == "on" else ""
    machine = f"{device.describe()} | {settings.base_model}"
    return f"{machine} | {precision} {what} | {','.join(sorted(layers))}{more}{checkpointing}"


def known(key: str) -> float | None:
    """Seconds a sample took in the newest run of this key; None before the first."""
    return _all().get(key)


def note(key: str, seconds_a_step: list[float], samples_a_step: float) -> None:
    """Remembers a run's median step; too few steps say nothing."""
    if len(seconds_a_step) >= ENOUGH_STEPS:
        keep({key: statistics.median(seconds_a_step) / samples_a_step})


def keep(figures: Mapping[str, float]) -> None:
    """Puts figures beside those that stand; a full or read-only disk costs only the next run's estimate."""
    with contextlib.suppress(Mistake):
        write_atomic(file(), json.dumps(_all() | dict(figures), ensure_ascii=False, indent=1))


def _all() -> dict[str, float]:
    try:
        return {key: float(value) for key, value in files.note(file()).items()}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return {}


def watched(
    job: Generator[Progress, None, MadeT], seconds: dict[str, list[float]]
) -> Generator[Progress, None, MadeT]:
    """The job's own reports and result; `seconds` gets, by message, how long each step was waited for.

    Of a training's steps only those count that nothing else was reported within; the first, which holds
    warm-up, doesn't. Elsewhere a report counts for as many steps as it is further than the one before.
    """
    step, since = -1, time.monotonic()
    before: Progress | None = None
    with closing(job):
        while True:
            try:
                report = next(job)
            except StopIteration as end:
                return end.value
            taken = time.monotonic() - since
            plain = report.loss is not None and not report.text and not report.picture
            further = report.step - (before.step if before and report.message == before.message else 0)
            if report.message != STEPS:
                seconds.setdefault(report.message, []).extend([taken / max(1, further)] * further)
            elif plain and report.step == step + 1:
                seconds.setdefault(STEPS, []).append(taken)
            step, before = report.step if plain else -1, report
            yield report
            since = time.monotonic()


def note_besides(key: str, seconds: Mapping[str, Sequence[float]], tried: int) -> None:
    """Remembers what a run of this key did besides its steps: seconds each, as `whole` counts them.

    `tried`: LoRAs in the proof.
    """
    each = {message: statistics.mean(taken) for message, taken in seconds.items() if taken}
    if PROVING in each:
        each[PROVING] = sum(seconds[PROVING]) / tried
    if ENCODING in each:  # in a later run most are known
        each[ENCODING] = max(each[ENCODING], known(f"{key} | {ENCODING}") or 0.0)
    keep({f"{key} | {message}": each[message] for message in BESIDES if message in each})


def whole(
    key: str, settings: Training, steps: int, training: float, plan: Plan, encoded: int, held_out: int
) -> float:
    """Seconds of a run of `steps` updates that take `training` seconds, with all besides that is known yet.

    plan: the samples that are asked for. encoded: pictures. held_out: samples that a look would take. Looks
    count as they will be made; what is drawn or judged is so once more for the base.
    """

    def each(what: str) -> float:
        return known(f"{key} | {what}") or 0.0

    def samples(plan: Plan) -> float:
        return plan.steps(_times(settings.sample_steps, steps), base=True) * plan.area * each(PACE)

    most, judged = budget.allowed(training, settings.look_share), 0.0
    if held_out:
        asked = judging.Plan(looks_every(settings, steps), held_out)
        room = most / (1 + bool(plan.count) + settings.prove)
        made = judging.fitting(asked, each(JUDGING), room, 0, steps)
        judged = made.seconds(each(JUDGING), 0, steps)
    room = (most - judged) / (1 + settings.prove)
    drawn = samples(sample_plan.fitting(plan, samples, room))
    proved = (1 + settings.keep_loras) * each(PROVING) if settings.prove else 0.0
    return training + encoded * each(ENCODING) + judged + drawn + proved


def _times(every: int, steps: int) -> int:
    """How often something is done that is due every so many steps, and at the end."""
    return (steps - 1) // every + 1 if every else 1
