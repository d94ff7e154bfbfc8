"""Renders strangers' chat templates in a process of its own, with a limit on time and memory.

A template is a program in Jinja. transformers' sandbox keeps it from files and from Python's insides (tests
show it), not from looping for ever or from making a text of ten billion letters. So what isn't the studio's
own is rendered by a child that can be ended. Run as a module this file is the child: a line of JSON in, a
line of JSON out.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

SECONDS, MEMORY_BYTES = 5, 1 << 30
MOST_LETTERS = 20_000  # that a template puts around the turns
ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """A template that a chat can't be rendered with; the text says why."""


class TooMuch(Exception):
    """A template that asks for more time, memory or letters than there are."""


class Renderer:
    """The child, started when it is first needed, and again where it had to be ended. Threads take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def render(self, template: str, turns: list[dict[str, str]], options: dict[str, Any]) -> str:
        """The turns in a chat template. Raises Refused and TooMuch."""
        with self._turn:
            child = self._started()
            assert child.stdin and child.stdout
            late = threading.Timer(SECONDS, child.kill)
            late.start()
            try:
                child.stdin.write(json.dumps([template, turns, options], default=str) + "\n")
                child.stdin.flush()
                answer = child.stdout.readline()
            except OSError:
                answer = ""
            finally:
                late.cancel()
            if not answer.endswith("\n"):
                self.close()
                raise TooMuch
        said = json.loads(answer)
        if "text" in said:
            return str(said["text"])
        raise TooMuch if said["too_much"] else Refused(said["reason"])

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            command = [sys.executable, "-m", "core.texts.rendering"]
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                text=True,
                encoding="utf-8",
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the parent's
                **pipes,
            )
            assert self._child.stdout
            if not self._child.stdout.readline():  # loading the library isn't the template's time
                raise RuntimeError("the process that renders chat templates doesn't start")
        return self._child


def serve(asked: IO[str], said: IO[str]) -> None:
    """The child: answers until there is nothing more to read."""
    from transformers.utils.chat_template_utils import render_jinja_template

    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows and macOS set no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    limit = getattr(signal, "alarm", lambda seconds: None)
    said.write("ready\n")
    said.flush()
    for line in asked:
        template, turns, options = json.loads(line)
        answer: dict[str, Any]
        limit(SECONDS + 1)  # where the parent is no more, nobody else ends it
        try:
            text = render_jinja_template([turns], chat_template=template, **options)[0][0]
            most = MOST_LETTERS + 4 * sum(len(turn["content"]) for turn in turns)  # some say a turn twice
            answer = {"text": text} if len(text) <= most else {"too_much": True}
        except (MemoryError, RecursionError, OverflowError):
            answer = {"too_much": True}
        except Exception as error:  # whatever a template raises
            answer = {"too_much": False, "reason": f"{error}"[:200] or type(error).__name__}
        limit(0)
        said.write(json.dumps(answer) + "\n")
        said.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
