"""What a running job reports, and how its steps are counted and timed.

A job is a generator of `Progress`. Whoever iterates it decides what to do with each report: the command line
prints it, a test collects it, the runner's thread keeps the newest for every page that asks. Stopping a job
closes its generator; the job's own `finally` saves what is worth keeping. A job whose reports name their
`result` has finished it: what it does from then on is besides, and stopping ends that alone. Only the
standard library.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


ToldT = TypeVar("ToldT")


@dataclass(frozen=True)
class Progress:
    """One report of a running job.

    `message` is a short literal English phrase; `step` of `total` counts whatever the message names (0 of 0:
    length unknown); `seconds_left` is an estimate; `picture` the newest sample; `text` a line for the log, a
    Sentence where the window shall say it in the person's language; `held_out` the loss of a look at held-out
    samples; `result` the artefact, in each report from the one on with which it is finished. `look` makes a
    small JPEG of what there is to be seen by now, empty for nothing; it may be asked until the next report.
    """

    message: str
    step: int = 0
    total: int = 0
    loss: float | None = None
    held_out: float | None = None
    seconds_left: float | None = None
    picture: Path | None = None
    text: str | None = None
    result: Path | None = None
    look: Callable[[], bytes] | None = None


Job = Iterator[Progress]


def within(
    context: Callable[[], AbstractContextManager[Any]], steps: Generator[ToldT, None, T]
) -> Generator[ToldT, None, T]:
    """The same steps and outcome, each step in a `context()` of its own: none lasts while a caller works."""
    with contextlib.closing(steps):
        while True:
            with context():
                try:
                    given = next(steps)
                except StopIteration as end:
                    return end.value
            yield given


def outcome(steps: Generator[Any, None, T]) -> T:
    """What a generator gives in the end; what it tells on the way is passed over."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class Clock:
    """Estimates the seconds left of `total` equal steps; `done(step)` is called after each one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.started = time.monotonic()
        self.first: tuple[int, float] | None = None

    def left(self, step: int) -> float | None:
        """Seconds left after `step` steps, None while there is nothing to measure by.

        The first step holds warm-up (kernel choice, caches), so the rate is taken from the second on.
        """
        now = time.monotonic()
        if self.first is None:
            self.first = (step, now)
            return None
        steps, seconds = step - self.first[0], now - self.first[1]
        return (self.total - step) * seconds / steps if steps > 0 else None


class Steps:
    """Counts the steps of something that takes `total` of them, and reports each with the time left."""

    def __init__(self, message: str, total: int) -> None:
        self.message, self.total, self.done = message, total, 0
        self.clock = Clock(total)

    def report(self, steps: int = 0, **values: Any) -> Progress:
        """A report after `steps` more."""
        self.done += steps
        left = self.clock.left(self.done)
        return Progress(self.message, self.done, self.total, seconds_left=left, **values)

    def counted(
        self, steps: Generator[int | None, None, T], most: int = 0, each: int = 1, **values: Any
    ) -> Generator[Progress, None, T]:
        """Another generator's steps as reports with `values`, and its outcome.

        Each counts as the number that it gives, else as `each`, all together as `most` where they are fewer.
        """
        after = self.done + most
        with contextlib.closing(steps):
            while True:
                try:
                    taken = next(steps)
                except StopIteration as end:
                    self.done = max(self.done, after)
                    return end.value
                yield self.report(each if taken is None else taken, **values)
