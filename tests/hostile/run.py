"""Runs a case in a process of its own, and says what was wrong with how the studio took it.

Asked of every case: it ends in time and memory with status 0 or 2; an error is one sentence; no traceback, no
library's warning, no control sign on the terminal; nothing read, written, started or connected to beside its
work (`watch`); nothing left behind. Processes are forked of one that has loaded the libraries already.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import watch
from tests.hostile.case import Case

ROOT = Path(__file__).resolve().parents[2]
CANARY = "the canary sings at a quarter past nine"
CPU_SECONDS, SECONDS = 20, 120  # of the processor, and by the clock, where others use the processor too
MEMORY_MB = 1800  # more than the libraries take; a picture of 80 megapixels may take 1.6 GB
MOST_MB = 6000  # of addresses, beyond which a process gets none: this machine has others
LONGEST = 1000  # signs of a sentence
LIBRARIES = (
    *("torch", "transformers", "diffusers", "peft", "open_clip", "cv2", "docx", "openpyxl", "tabs.window"),
    *(
        "core.commands",
        "core.images.label",
        "core.texts.report",
        "core.lora.train",
        "core.lora.adapters.convert",
    ),
    "core.video.compose",
)


@dataclass(frozen=True)
class Place:
    """Where cases run: their files, the home, and what is none of their business."""

    folder: Path
    cache: Path

    @staticmethod
    def make(folder: Path, cache: Path) -> Place:
        """The folders, and a canary outside of them."""
        place = Place(folder, cache)
        for one in (place.home, place.temporary, place.work, place.outside):
            one.mkdir(parents=True, exist_ok=True)
        (place.outside / "canary.txt").write_text(f"{CANARY}\n", encoding="utf-8")
        return place

    @property
    def home(self) -> Path:
        """The person's home folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The system's folder for temporary files."""
        return self.folder / "tmp"

    @property
    def work(self) -> Path:
        """The working folder."""
        return self.folder / "work"

    @property
    def outside(self) -> Path:
        """A folder that no case is about."""
        return self.folder / "outside"

    def kind(self, name: str) -> Path:
        """The folder of a kind's files."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def environment(self) -> dict[str, str]:
        """What a process here knows of its surroundings."""
        return {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "STUDIO_HOME": str(self.home / "studio-home"),
            "STUDIO_CACHE": str(self.cache),
            "TOKENIZERS_PARALLELISM": "false",
            "TORCHINDUCTOR_CACHE_DIR": str(self.home / "inductor"),
        }


@dataclass(frozen=True)
class Outcome:
    """How a case went: processor seconds, MB beyond the libraries, what was wrong, what was said."""

    case: Case
    seconds: float
    memory_mb: float
    faults: tuple[str, ...]
    said: str


def tried(case: Case, folder: Path, place: Place) -> Outcome:
    """Runs a case whose files lie in `folder`."""
    began = time.time()
    out, err, seen = (place.folder / name for name in ("stdout", "stderr", "seen"))
    handles = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in (out, err, seen)]
    before_kb = _own_kb()
    child = os.fork()
    if child == 0:
        _run(case, folder, place, handles)
    for handle in handles:
        os.close(handle)
    _, how, used = os.wait4(child, 0)
    _end_group(child)
    said = out.read_text("utf-8", "backslashreplace"), err.read_text("utf-8", "backslashreplace")
    memory_mb = max(0, used.ru_maxrss - before_kb) / 1024
    faults = [*_ended(how), *_spoken(os.waitstatus_to_exitcode(how), *said)]
    faults += dict.fromkeys(seen.read_text("utf-8").splitlines())
    faults += _left_behind(folder, place, began)
    if memory_mb > MEMORY_MB:
        faults.append(f"takes {memory_mb:.0f} MB")
    if any(CANARY in one for one in said):
        faults.append("says what stands outside")
    return Outcome(case, used.ru_utime + used.ru_stime, memory_mb, tuple(faults), "".join(said))


def _run(case: Case, folder: Path, place: Place, handles: list[int]) -> None:
    """The child: the command line as studio.py runs it; never returns."""
    status = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_mapped() + MOST_MB << 20,) * 2)
        signal.alarm(SECONDS)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(handles[0], 1)
        os.dup2(handles[1], 2)
        os.chdir(place.work)
        sys.dont_write_bytecode = True
        sys.argv = ["studio.py", *case.argv]
        from core import commands, terminal

        own = (folder, place.home, place.temporary, place.work, place.cache)
        watch.forbid(own, (ROOT, *map(Path, {sys.prefix, sys.base_prefix, *sys.path})), handles[2])
        terminal.interrupt_once()
        terminal.quiet_threads()
        status = terminal.run(lambda: commands.run(list(case.argv), opened))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def opened(options: argparse.Namespace) -> int:
    """What the window reads of a home to show its first pages, without the window."""
    from core.images import project_set as picture_set
    from core.jobs import Runner
    from core.project import Home
    from core.texts import project_set as text_set
    from tabs.compose import videos
    from tabs.jobs import panel
    from tabs.shell.wiring import Page
    from tabs.train import lora_list

    home, page = Home.default(), Page("zh")
    runner = Runner(home.folder / "jobs")
    try:
        for kind in ("label", "image", "text", "compose"):
            if state := runner.newest(kind):
                panel.body(state, page)
        for project in home.projects():
            picture_set.gallery(project)
            text_set.table(project)
            lora_list.shelf(page, [*project.image_loras(), *project.text_loras()])
            for video in project.videos():
                videos.parts(page, project, str(video))
    finally:
        runner.close()
    return 0


def _ended(how: int) -> Iterator[str]:
    """What is wrong with how a process ended."""
    if os.WIFSIGNALED(how):
        number = os.WTERMSIG(how)
        slow = {signal.SIGXCPU: f"takes more than {CPU_SECONDS} s", signal.SIGALRM: f"hangs for {SECONDS} s"}
        yield slow.get(signal.Signals(number), f"ends by {signal.Signals(number).name}")
    elif os.WEXITSTATUS(how) not in (0, 2):
        yield f"ends with status {os.WEXITSTATUS(how)}"


def _spoken(status: int, out: str, err: str) -> Iterator[str]:
    """What is wrong with what a command said."""
    lines = re.split(r"[\r\n]+", err)
    errors = [line for line in lines if re.match(r"studio: |studio\.py.*: error: ", line)]
    if "Traceback (most recent call last)" in err:
        yield f"a traceback: {lines[-2] if not lines[-1] else lines[-1]}"[:300]
    elif (status == 2 and len(errors) != 1) or len(errors) > 1:
        yield f"{len(errors)} sentences of error: {errors}"[:300]
    if warned := next((line for line in lines if re.search(r"\w(Warning|Error): ", line)), ""):
        yield f"a library speaks: {warned}"[:300]
    if long := next((line for line in [*lines, *out.splitlines()] if len(line) > LONGEST), ""):
        yield f"a line of {len(long)} signs: {long[:80]}"
    if control := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", out + err):
        yield f"sends the terminal {control.group()!r}"


def _left_behind(folder: Path, place: Place, began: float) -> Iterator[str]:
    """Temporary files, which are removed then, and what a file says that was written since `began`."""
    for path in sorted(place.temporary.iterdir()):
        yield f"leaves {path.name} among the temporary files"
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for root in (folder, place.home, place.work):
        for parent, _, names in os.walk(root):
            for path in (Path(parent, name) for name in names):
                if ".part" in path.name:
                    yield f"leaves {path.name}"
                    path.unlink()
                elif _says_canary(path, began):
                    yield f"writes what stands outside into {path.name}"


def _says_canary(path: Path, began: float) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_mtime < began - 0.02:
        return False  # the disk's clock is a little behind
    return path.stat().st_size < 1 << 26 and CANARY.encode() in path.read_bytes()


def _own_kb() -> int:
    """The memory that a forked process begins with: files of the libraries it maps anew."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0])


def _mapped() -> int:
    """MB of addresses that the libraries take."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() >> 20


def _end_group(leader: int) -> None:
    """Ends what a case started and didn't wait for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
