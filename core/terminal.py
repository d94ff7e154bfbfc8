"""Shows a job on a terminal: a bar for each stage, notes as lines; and runs a command to its exit status.

Everything but a command's result goes to stderr, so that its last line on stdout is the promised path.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from core import disk
from core.messages import Mistake
from core.progress import Job, Progress

UNREAD, MENDABLE, INTERRUPTED = 1, 2, 130
BAR = "{desc:<26} {bar:24} {n_fmt}/{total_fmt}{postfix}"


def show(job: Job) -> Path | None:
    """Iterates a job to its end, shows each report, returns the last result; closes a job left early.

    Ctrl-C after the result is finished ends only what the job does besides.
    """
    bars = _Bars()
    result = None
    try:
        for progress in job:
            bars.show(progress)
            result = progress.result or result
    except KeyboardInterrupt:
        if result is None:
            raise
        print("studio: stopped; the result was finished before.", file=sys.stderr)
    finally:
        bars.close()
        close = getattr(job, "close", None)
        if close is not None:
            close()
    return result


class _Bars:
    """One bar at a time: another message, or another number of steps, closes the bar before it."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.message = ""

    def show(self, progress: Progress) -> None:
        steps = self.bar.total if self.bar else 0
        if progress.message != self.message or progress.total not in (0, steps):
            self.close()
            self.message = progress.message
            if progress.total:
                self.bar = tqdm(
                    total=progress.total,
                    desc=progress.message,
                    bar_format=BAR,
                    file=sys.stderr,
                    mininterval=0.2 if sys.stderr.isatty() else 10,
                    dynamic_ncols=True,
                )
            elif not progress.text and not progress.result:
                tqdm.write(progress.message, file=sys.stderr)
        if self.bar is not None:
            self._move(self.bar, progress)
        if progress.text:
            tqdm.write(textwrap.indent(plain(progress.text), "  "), file=sys.stderr)

    def _move(self, bar: tqdm, progress: Progress) -> None:
        notes = []
        if progress.loss is not None:
            notes.append(f"loss {progress.loss:.4f}")
        if progress.seconds_left is not None and progress.step < progress.total:
            notes.append(f"{clock(progress.seconds_left)} left")
        bar.set_postfix_str(", ".join(notes), refresh=False)
        bar.update(progress.step - bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def plain(text: str) -> str:
    """A text without signs that steer a terminal, such as a file's name may hold."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text)


def speak(who: str, answer: Iterator[str]) -> None:
    """Prints an answer as it grows, under the name of who gives it."""
    print(f"{who}:")
    said = 0
    for text in answer:
        print(plain(text[said:]), end="", flush=True)
        said = max(said, len(text))
    print("\n")


def typed(prompt: str) -> Iterator[str]:
    """What a person types, a line at a time, until an empty one."""
    while True:
        if sys.stdin.isatty():
            print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            return
        yield line


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def run(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit status: 2 with one sentence for a Mistake, 130 for Ctrl-C.

    A second Ctrl-C while the job saves is ignored, so that what was made is kept.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # so that a path is printed as its bytes, whatever they are
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        status = command()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("studio: stopped; what was finished is kept.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who reads the output has had enough, as head has
        with contextlib.suppress(OSError):  # what is left of it goes nowhere, at the process's end too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except Exception as error:
        mistake = error if isinstance(error, Mistake) else disk.mistake(error)
        if mistake is None:
            raise
        one_line = str(mistake).replace("\n", " ")
        print(f"studio: {plain(one_line)}", file=sys.stderr)
        return MENDABLE


def quiet_threads() -> None:
    """A library's thread that ended by what the disk did leaves no trace: who waits for it says it."""
    shown = threading.excepthook

    def quiet(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is None or disk.mistake(ended.exc_value) is None:
            shown(ended)

    threading.excepthook = quiet


def interrupt_once() -> None:
    """The first Ctrl-C (or a polite kill) interrupts; further ones wait for the job to save."""

    def first(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    signal.signal(signal.SIGTERM, first)
