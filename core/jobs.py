"""The one worker that runs jobs, one after another, and what is known of each.

Jobs are generators of `Progress` (core.progress). States are kept on disk, so that a page loaded later, or
the studio started again, still knows them. Only the standard library; knows nothing about pictures, texts,
models or the window.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.jobstate import (
    DONE,
    FAILED,
    INTERRUPTED,
    MAX_LOG_LINES,
    RUNNING,
    STOPPED,
    JobState,
    as_json,
    plain_values,
    read_state,
    thin,
)
from core.messages import Mistake, Sentence, as_line
from core.progress import Job, Progress, T

KEPT = 500  # states of earlier jobs
EVERY_S = 1.0  # how often the state of a job at work is written, or tried again; and its work looked at


class Runner:
    """Runs jobs one after another on one thread, because the device is one resource.

    States are kept as one small JSON file each in `folder`, so that a page loaded later, or the studio
    started again, still knows them. A job found "running" or "queued" there belongs to a process that was
    killed: it becomes "interrupted", or "done" where its result stands already. A thread of its own writes
    them, so that neither a job nor a page waits for the disk; what that refuses is told in the state, tried
    again, and hinders no job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._states: dict[str, JobState] = {}  # oldest first
        self._stops: dict[str, threading.Event] = {}
        self._queue: queue.Queue[tuple[str | Future[Any], Callable[[], Any]]] = queue.Queue()
        self.changes = 0  # how often a state has changed: a page asks for the states when this is another
        self._changed = threading.Condition()
        self._unwritten: set[str] = set()  # jobs whose file doesn't hold their state
        self._writing: set[str] = set()
        self._written: dict[str, tuple[str, Path | None]] = {}  # the status and result that the file holds
        self._looked = 0.0  # when a look at what is being drawn was last asked for
        self.before: list[Callable[[], None]] = []  # called before each job: makes room on the device
        self._read()
        threading.Thread(target=self._work, name="jobs", daemon=True).start()
        threading.Thread(target=self._keep, name="job states", daemon=True).start()

    def submit(self, kind: str, title: str, job: Callable[[], Job], job_id: str = "") -> str:
        """Queues `job()` and returns its id, a new one where none is given.

        `kind` names the tab that shows it, `title` is for people.
        """
        with self._changed:
            number = 1 + max((state.number for state in self._states.values()), default=0)
            state = JobState(id=job_id or new_id(), kind=kind, title=title, number=number)
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
        """The newest job of a kind: the one a freshly loaded page shows; one at work goes before all."""
        mine = [state for state in self._all() if state.kind == kind]
        return max(mine, key=lambda state: (state.active, state.number), default=None)

    def active(self) -> list[JobState]:
        """Jobs that wait or work, oldest first."""
        return [state for state in self._all() if state.active]

    def _all(self) -> list[JobState]:
        """The states of this moment, as another thread may submit a job while one looks through them."""
        with self._changed:
            return list(self._states.values())

    def wait(self, job_id: str, timeout: float | None = None) -> JobState:
        """Blocks until the job has ended and its file says so, or the disk has refused it.

        Raises TimeoutError after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._over(job_id), timeout):
                status = self._states[job_id].status
                raise TimeoutError(f"job {job_id} still {status} after {timeout} s")
            return self._states[job_id]

    def _over(self, job_id: str) -> bool:
        state = self._states[job_id]
        return not state.active and (
            state.unwritten is not None or job_id not in self._unwritten | self._writing
        )

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
            job, work = self._queue.get()
            if isinstance(job, Future):
                _answer(job, work)
            elif self._stops[job].is_set():
                self._end(job, status=STOPPED)
            else:
                self._run(job, work)

    def _run(self, job_id: str, job: Callable[[], Job]) -> None:
        try:
            ended = {"status": self._through(job_id, job)}
        except BaseException as error:  # the worker outlives any job, also SystemExit and a panic in Rust
            ended = {"status": FAILED, **self._failure(job_id, error)}
        self._end(job_id, **ended)

    def _through(self, job_id: str, job: Callable[[], Job]) -> str:
        """Runs a job to its end, or until it is asked to stop; its last status."""
        self._change(job_id, status=RUNNING)
        for make_room in self.before:
            make_room()
        steps = job()
        try:
            for progress in steps:
                self._note(job_id, progress)
                if self._stops[job_id].is_set():
                    return DONE if self._states[job_id].result else STOPPED
            return DONE
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    def _failure(self, job_id: str, error: BaseException) -> dict[str, Any]:
        """What a failed job's state says; the trace of what isn't a person's to mend goes to the log file."""
        from core import disk
        from core.project import replacing

        try:
            mistake = error if isinstance(error, Mistake) else disk.mistake(error)
            if mistake is not None:
                failure = {"error": as_line(str(mistake)), "error_template": mistake.template}
                return {**failure, "error_values": plain_values(mistake.values)}
            with replacing(self.folder / f"{job_id}.log") as part:
                trace = "".join(traceback.format_exception(error))
                part.write_text(trace, encoding="utf-8", errors="backslashreplace")
            return {"error": as_line(f"{type(error).__name__}: {error}")}
        except Exception:  # a full disk, or an error that can't even be told
            return {"error": type(error).__name__}

    def _end(self, job_id: str, **changes: Any) -> None:
        """A job's last state. One that the disk refused before is tried again at once."""
        self._change(job_id, ended=time.time(), unwritten=None, look=b"", **changes)

    def _note(self, job_id: str, progress: Progress) -> None:
        state = self._states[job_id]
        previous, text = state.progress, as_line(progress.text) if progress.text else None
        look = self._look(state, progress)
        progress = replace(progress, message=as_line(progress.message), text=text, look=None)
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
        result = progress.result or state.result
        self._change(job_id, progress=progress, log=log, result=result, look=look, **curves)

    def _look(self, state: JobState, progress: Progress) -> bytes:
        """What is seen of a job's work from now on: asked for every `EVERY_S` seconds, as it costs time."""
        if progress.look is None:
            return state.look if progress.message == state.progress.message else b""
        if state.look and time.monotonic() - self._looked < EVERY_S:
            return state.look
        self._looked = time.monotonic()
        return progress.look() or state.look

    def _change(self, job_id: str, **changes: Any) -> None:
        with self._changed:
            self._set(replace(self._states[job_id], **changes))

    def _set(self, state: JobState) -> None:
        """Shows a state at once, and has it written soon."""
        with self._changed:
            self._states[state.id] = state
            self._unwritten.add(state.id)
            self.changes += 1
            self._changed.notify_all()

    def _read(self) -> None:
        """Takes over the states of an earlier process; those of long ago are removed, with what is theirs."""
        files = {path.stem: path for path in self.folder.glob("*.json")}
        found = [state for path in files.values() if (state := read_state(path))]
        found.sort(key=lambda state: (state.number, state.created))
        for state in found[:-KEPT]:
            del files[state.id]
        for path in self.folder.glob("*.*"):
            if path.suffix in (".json", ".yaml", ".log") and path.stem not in files:
                with contextlib.suppress(OSError):
                    path.unlink()
        for state in found[-KEPT:]:
            self._states[state.id] = state
            if state.active:
                finished = state.result is not None and os.path.exists(state.result)
                self._change(state.id, status=DONE if finished else INTERRUPTED, ended=time.time())

    def _keep(self) -> None:
        """Writes the states that have changed, for as long as the process lives.

        A new status or result is written at once, how far a job is only every `EVERY_S` seconds.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unwritten)
                self._changed.wait_for(self._pressing, EVERY_S)
                states = [self._states[job_id] for job_id in self._unwritten]
                self._writing, self._unwritten = self._unwritten, set()
            refused = [state.id for state in states if not self._kept(state)]
            with self._changed:
                self._unwritten.update(refused)
                self._writing = set()
                self._changed.notify_all()
            if refused:
                time.sleep(EVERY_S)

    def _pressing(self) -> bool:
        """Whether a status or result waits to be written."""
        states = map(self._states.__getitem__, self._unwritten)
        return any(self._written.get(state.id) != (state.status, state.result) for state in states)

    def _kept(self, state: JobState) -> bool:
        """Writes a state; False where that can't be done, which the state then tells."""
        from core import disk
        from core.project import replacing

        unwritten = None
        try:
            with replacing(self.folder / f"{state.id}.json") as part:
                part.write_text(as_json(state), encoding="utf-8")
            self._written[state.id] = (state.status, state.result)
        except Exception as error:  # nothing of a job, and no disk, ends this thread
            mistake = error if isinstance(error, Mistake) else disk.mistake(error)
            unwritten = mistake.sentence if mistake else Sentence(type(error).__name__)
        with self._changed:
            now = self._states[state.id]
            if now.unwritten != unwritten:
                self._states[state.id] = replace(now, unwritten=unwritten)
                self.changes += 1
        return unwritten is None


def new_id() -> str:
    """A job's id, which is its file's name too: the time of day, and what no other job has."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"


def _answer(future: Future[Any], work: Callable[[], Any]) -> None:
    """Does what was asked for, unless it has been taken back."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:  # the one who asked is to hear of it, whatever it is
            future.set_exception(error)
