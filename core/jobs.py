"""What a job is, and the one worker that runs jobs.

A job is a generator of `Progress`. Whoever iterates it decides what to do with each report: the command
line prints it, a test collects it, the runner's thread keeps the newest for every page that asks. Stopping a
job closes its generator; the job's own `finally` saves what is worth keeping. A job whose reports name their
`result` has finished it: what it does from then on is besides, and stopping ends that alone.

Only the standard library; knows nothing about pictures, texts, models or the window.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ToldT = TypeVar("ToldT")
QUEUED, RUNNING, DONE, STOPPED, FAILED, INTERRUPTED = (
    "queued",
    "running",
    "done",
    "stopped",
    "failed",
    "interrupted",
)
SHOWN = 3  # names of a longer list
ENDED = (DONE, STOPPED, FAILED, INTERRUPTED)


class Mistake(Exception):
    """Input that a person can mend, said in one sentence: what is wrong and what to do.

    `template` is a literal English sentence with `{name}` places, `values` fill them; the window looks the
    template up in its word list to say it in the person's language.
    """

    def __init__(self, template: str, **values: object) -> None:
        self.template = template
        self.values = values
        super().__init__(template.format(**values) if values else template)

    @property
    def sentence(self) -> Sentence:
        """The same, to be told without ending anything."""
        return Sentence(self.template, **self.values)


class Sentence(str):
    """Something to tell, made as a Mistake is: a literal English template, and values for its places.

    It is its own English text. A value may be a sentence too, or a tuple of them, which is listed.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, **values: object) -> Sentence:
        """The text, that remembers how it was made."""
        filled = {name: "; ".join(v) if isinstance(v, tuple) else v for name, v in values.items()}
        said = super().__new__(cls, template.format(**filled) if values else template)
        said.template, said.values = template, values
        return said


def together(parts: Sequence[Sentence]) -> Sentence:
    """Sentences (at least one) as one, with commas between."""
    return functools.reduce(lambda one, more: Sentence("{one}, {more}", one=one, more=more), parts)


def some(names: Sequence[str]) -> str:
    """The first `SHOWN` names, and how many more: "a.png, b.png, c.png (+4)"."""
    shown = ", ".join(names[:SHOWN])
    return f"{shown} (+{len(names) - SHOWN})" if len(names) > SHOWN else shown


def as_plain(value: Any) -> Any:
    """A sentence as a mapping that JSON and YAML can hold; any other text as it is."""
    if isinstance(value, Sentence | Mistake):
        return {
            "template": value.template,
            "values": {name: as_plain(v) for name, v in value.values.items()},
        }
    if isinstance(value, tuple | list):
        return [as_plain(one) for one in value]
    return value if isinstance(value, bool | int | float) else str(value)


def from_plain(value: Any) -> Any:
    """What `as_plain` was given."""
    if isinstance(value, dict):
        return Sentence(value["template"], **{name: from_plain(v) for name, v in value["values"].items()})
    return tuple(from_plain(one) for one in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Progress:
    """One report of a running job.

    `message` is a short literal English phrase; `step` of `total` counts whatever the message names (0 of 0:
    length unknown); `seconds_left` is an estimate; `picture` the newest sample; `text` a line for the log, a
    Sentence where the window shall say it in the person's language; `held_out` the loss of a look at held-out
    samples; `result` the artefact, in each report from the one on with which it is finished.
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


Job = Iterator[Progress]


def within(
    context: Callable[[], AbstractContextManager[Any]], steps: Generator[ToldT, None, T]
) -> Generator[ToldT, None, T]:
    """The same steps and outcome, each step in a `context()` of its own: none lasts while a caller works."""
    with contextlib.closing(steps):
        while True:
            with context():
                try:
                    told = next(steps)
                except StopIteration as end:
                    return end.value
            yield told


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

    def counted(self, steps: Generator[int | None, None, T], most: int = 0) -> Generator[Progress, None, T]:
        """Another generator's steps as reports, and its outcome.

        Each counts as the number that it gives, else as one, all together as `most` where they are fewer.
        """
        after = self.done + most
        with contextlib.closing(steps):
            while True:
                try:
                    taken = next(steps)
                except StopIteration as end:
                    self.done = max(self.done, after)
                    return end.value
                yield self.report(1 if taken is None else taken)


@dataclass(frozen=True)
class JobState:
    """A job as a page sees it, and as it stands on disk in `job.json` (times in seconds since 1970)."""

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
    error_values: dict[str, str] = field(default_factory=dict)
    result: Path | None = None
    created: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def active(self) -> bool:
        """True while the job waits or works."""
        return self.status not in ENDED


MAX_LOG_LINES = 500
MAX_LOSSES = 2000


class Runner:
    """Runs jobs one after another on one thread, because the device is one resource.

    States are kept as one small JSON file each in `folder`, so that a page loaded later, or the studio
    started again, still knows them. A job found "running" or "queued" there belongs to a process that was
    killed: it becomes "interrupted", or "done" where its result stands already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._states: dict[str, JobState] = {}
        self._stops: dict[str, threading.Event] = {}
        self._queue: queue.Queue[tuple[str | Future[Any], Callable[[], Any]]] = queue.Queue()
        self.changes = 0  # how often a state has changed: a page asks for the states when this is another
        self._changed = threading.Condition()
        self._written = 0.0
        self.before: list[Callable[[], None]] = []  # called before each job: makes room on the device
        for path in sorted(folder.glob("*.json")):
            state = read_state(path)
            if state is None:
                continue
            if state.active:
                finished = state.result is not None and state.result.exists()
                state = replace(state, status=DONE if finished else INTERRUPTED, ended=time.time())
            self._states[state.id] = state
            with contextlib.suppress(Mistake):  # of a full disk the window shows what is there
                self._write(state)
        threading.Thread(target=self._work, name="jobs", daemon=True).start()

    def submit(self, kind: str, title: str, job: Callable[[], Job]) -> str:
        """Queues `job()` and returns its id. `kind` names the tab that shows it, `title` is for people.

        Raises Mistake where its state can't be written.
        """
        state = JobState(
            id=f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}", kind=kind, title=title
        )
        self._write(state)
        self._stops[state.id] = threading.Event()
        self._set(state)
        self._queue.put((state.id, job))
        return state.id

    def stop(self, job_id: str) -> None:
        """Asks a job to stop at its next report: it is done where its result is finished, else stopped.

        One that still waits never starts.
        """
        event = self._stops.get(job_id)
        if event is not None:
            event.set()

    def state(self, job_id: str) -> JobState | None:
        """The job's newest state, None for an unknown id."""
        return self._states.get(job_id)

    def newest(self, kind: str) -> JobState | None:
        """The newest job of a kind: the one a freshly loaded page shows."""
        mine = [state for state in self._states.values() if state.kind == kind]
        return max(mine, key=lambda state: (state.active, state.created), default=None)

    def active(self) -> list[JobState]:
        """Jobs that wait or work, oldest first."""
        return sorted((s for s in self._states.values() if s.active), key=lambda state: state.created)

    def wait(self, job_id: str, timeout: float | None = None) -> JobState:
        """Blocks until the job has ended; raises TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._states[job_id].active, timeout):
                status = self._states[job_id].status
                raise TimeoutError(f"job {job_id} still {status} after {timeout} s")
            return self._states[job_id]

    def between(self, work: Callable[[], T]) -> T:
        """What a moment's work gives, such as a token, done by the jobs' thread between jobs.

        One thread computes for all: the OpenMP workers of a second one would be more than the cores, and then
        they sleep between operations, which makes a training half as slow again for as long as it lives.
        Raises Mistake while a job waits or works: it goes first.
        """
        made: Future[T] = Future()
        made.add_done_callback(lambda _: self._tell())
        active = self.active()
        if not active:
            self._queue.put((made, work))
            with self._changed:
                self._changed.wait_for(lambda: made.done() or self.active())
                active = self.active()
            if made.done() or not made.cancel():  # a job that came after it was begun waits for it
                return made.result()
        raise Mistake(
            "{title} is at work and has the machine to itself; try again when it is done.",
            title=active[0].title,
        )

    def _tell(self) -> None:
        """Wakes those who wait for a job, or between jobs."""
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout: float = 60.0) -> None:
        """Stops every job and waits until the running one has saved, `timeout` seconds at most."""
        for state in self.active():
            self.stop(state.id)
        for state in self.active():
            with contextlib.suppress(TimeoutError):
                self.wait(state.id, timeout)

    def _work(self) -> None:
        while True:
            asked, work = self._queue.get()
            if isinstance(asked, Future):
                _answer(asked, work)
            elif self._stops[asked].is_set():
                self._end(asked, status=STOPPED)
            else:
                self._run(asked, work)

    def _run(self, job_id: str, job: Callable[[], Job]) -> None:
        status, changes = DONE, {}
        try:
            self._change(job_id, status=RUNNING)
            for make_room in self.before:
                make_room()
            steps = job()
            try:
                for progress in steps:
                    self._note(job_id, progress)
                    if self._stops[job_id].is_set():
                        status = DONE if self._states[job_id].result else STOPPED
                        break
            finally:
                close = getattr(steps, "close", None)
                if close is not None:
                    close()
        except Exception as error:  # the worker must outlive any job
            status, changes = FAILED, self._failure(job_id, error)
        self._end(job_id, status=status, **changes)

    def _failure(self, job_id: str, error: Exception) -> dict[str, Any]:
        """What a failed job's state says; the trace of what isn't a person's to mend goes to the log file."""
        from core import disk

        mistake = error if isinstance(error, Mistake) else disk.mistake(error)
        if mistake is not None:
            values = {name: str(value) for name, value in mistake.values.items()}
            return {"error": str(mistake), "error_template": mistake.template, "error_values": values}
        with contextlib.suppress(OSError):
            (self.folder / f"{job_id}.log").write_text(traceback.format_exc(), encoding="utf-8")
        return {"error": f"{type(error).__name__}: {error}"}

    def _end(self, job_id: str, **changes: Any) -> None:
        """A job's last state. On a full disk it is only shown: a later process finds the job interrupted."""
        with contextlib.suppress(Mistake):
            self._change(job_id, ended=time.time(), **changes)

    def _note(self, job_id: str, progress: Progress) -> None:
        state = self._states[job_id]
        previous = state.progress
        log, losses, held_out = state.log, state.losses, state.held_out
        if progress.text:
            log = (*log, progress.text)[-MAX_LOG_LINES:]
        elif progress.message != previous.message:
            log = (*log, progress.message)[-MAX_LOG_LINES:]
        if progress.loss is not None:
            losses = thin((*losses, (progress.step, progress.loss)))
        if progress.held_out is not None:
            held_out = (*held_out, (progress.step, progress.held_out))
        if progress.picture is None:
            progress = replace(progress, picture=previous.picture)
        curves = {"losses": losses, "held_out": held_out}
        self._change(job_id, progress=progress, log=log, result=progress.result or state.result, **curves)

    def _change(self, job_id: str, **changes: Any) -> None:
        state = replace(self._states[job_id], **changes)
        try:
            if not state.active or time.monotonic() - self._written > 1.0:
                self._write(state)
        finally:  # last, as who waits for a job's end may end the process
            self._set(state)

    def _set(self, state: JobState) -> None:
        with self._changed:
            self._states[state.id] = state
            self.changes += 1
            self._changed.notify_all()

    def _write(self, state: JobState) -> None:
        from core import disk

        self._written = time.monotonic()
        target = self.folder / f"{state.id}.json"
        part = target.with_suffix(".part")
        values = asdict(state) | {"log": as_plain(state.log)}
        values["progress"]["text"] = as_plain(state.progress.text or "")
        try:
            part.write_text(json.dumps(values, default=str, ensure_ascii=False), encoding="utf-8")
            os.replace(part, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise disk.mistake(error, target) or error from error


def _answer(asked: Future[Any], work: Callable[[], Any]) -> None:
    """Does what was asked for, unless it has been taken back."""
    if asked.set_running_or_notify_cancel():
        try:
            asked.set_result(work())
        except BaseException as error:  # the one who asked is to hear of it, whatever it is
            asked.set_exception(error)


def thin(losses: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """Halves a curve that has grown past `MAX_LOSSES` points by averaging neighbours."""
    if len(losses) <= MAX_LOSSES:
        return losses
    pairs = zip(losses[::2], losses[1::2], strict=False)
    return tuple((right[0], (left[1] + right[1]) / 2) for left, right in pairs)


def read_state(path: Path) -> JobState | None:
    """A job's state from its file; None where the file is not one (a half-written or foreign file)."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        progress: dict[str, Any] = values["progress"]
        for name in ("picture", "result"):
            progress[name] = Path(progress[name]) if progress[name] else None
        progress["text"] = from_plain(progress["text"]) or None
        values["progress"] = Progress(**progress)
        values["log"] = from_plain(values["log"])
        for curve in ("losses", "held_out"):
            values[curve] = tuple((int(step), float(loss)) for step, loss in values.get(curve, ()))
        values["result"] = Path(values["result"]) if values["result"] else None
        return JobState(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
