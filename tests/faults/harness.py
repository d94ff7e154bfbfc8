"""Commands in processes of their own, on disks that fill and under kills, and what must hold afterwards.

A process is forked from one that has imported what is heavy, so that a command takes as long as its work. The
disk is a tmpfs whose size is given in pages, which stops every program, in whichever language it is written,
at the page that has no room.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.project import PART
from tests.small_jobs import WRITING, out

PAGE = 4096
ALL = os.environ.get("STUDIO_FAULTS") == "all"  # what python -m tests.faults sets
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "accelerate", "peft", "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", "moviepy",
        "torch.utils.tensorboard", "transformers.models.clip.modeling_clip", "open_clip", "core.commands",
        "transformers.models.llama.modeling_llama",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status (minus the signal that killed it), what it said, seconds."""

    status: int
    said: str
    seconds: float


def _child(arguments: Sequence[object], folder: str, environment: dict[str, str], log: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.chdir(folder)
    os.environ.update(environment)
    import torch

    from core import commands, terminal
    from core.images import label
    from core.lora.text import recipe as text_recipe
    from core.texts import topics

    torch.set_num_threads(1)
    text_recipe.SAMPLE_TOKENS, topics.DRAWN, topics.TOKENS_A_WORD, label.EVERY_S = 4, 1, 1, 0.0
    terminal.quiet_threads()
    status = terminal.run(lambda: commands.run(list(map(str, arguments)), lambda _: 1))
    sys.stdout.flush()
    os._exit(status)


def command(
    arguments: Sequence[object], place: Path, log: Path, kill: float | None = None, during: Any = None
) -> Ended:
    """Runs a command in `place`; killed after `kill` seconds, or with `during()` done to it meanwhile.

    What it keeps, and what is temporary, is on the disk that it writes to.
    """
    out = place / "out"
    environment = {
        "STUDIO_HOME": str(out / "home"), "STUDIO_CACHE": str(out / "cache"), "TMPDIR": str(out / "tmp"),
    }  # fmt: skip
    began = time.monotonic()
    process = CONTEXT.Process(target=_child, args=(arguments, str(place), environment, str(log)))
    process.start()
    if during:
        during(process)
    process.join(kill)
    if kill is not None and process.is_alive():
        process.kill()
    process.join(300)
    assert process.exitcode is not None, "it hangs"
    return Ended(process.exitcode, log.read_text(errors="replace"), time.monotonic() - began)


def fair(ended: Ended, *statuses: int) -> None:
    """One sentence at most, no trace, and one of the statuses."""
    assert ended.status in statuses, f"{ended.status}\n{ended.said}"
    assert "Traceback" not in ended.said and "Errno" not in ended.said, ended.said
    said = [line for line in ended.said.splitlines() if line.startswith("studio:")]
    assert len(said) == (ended.status == 2), ended.said


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """`folder` as a disk of its own. Skips where that isn't allowed."""
    folder.mkdir(exist_ok=True)
    if sys.platform != "linux" or _mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", folder):
        pytest.skip("a disk of a test's own takes Linux and its administrator")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _mount(*arguments: object) -> int:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode


@dataclass(frozen=True)
class Disk:
    """A small disk."""

    folder: Path

    def used(self) -> int:
        """Pages that are taken."""
        state = os.statvfs(self.folder)
        return (state.f_blocks - state.f_bfree) * state.f_frsize // PAGE

    def files(self) -> int:
        """Files and folders that are there."""
        state = os.statvfs(self.folder)
        return state.f_files - state.f_ffree

    def resize(self, pages: int = 2**18, files: int = 2**20, options: str = "rw") -> bool:
        """Gives it room for so much in all; False where that isn't allowed now."""
        return not _mount("-o", f"remount,size={pages * PAGE},nr_inodes={files},{options}", self.folder)


def snapshot(folder: Path) -> dict[Path, bytes]:
    """Every file that is promised to somebody, with its bytes."""
    return {path: path.read_bytes() for path in files(folder)}


def files(folder: Path) -> list[Path]:
    """The files of a folder and those below but what is cached, temporary, or a board's log."""
    found = (path for path in folder.rglob("*") if path.is_file())
    apart = {"cache", "tmp", "logs"}
    return sorted(path for path in found if not apart & set(path.relative_to(folder).parts[:-1]))


def names(folder: Path) -> set[str]:
    """The files of a folder and those below; the times in their names don't count."""
    found = (path.relative_to(folder).as_posix() for path in files(folder))
    return {re.sub(r"\d{8}-\d{6}(-\d+)?", "time", name) for name in found}


def parts(folder: Path) -> list[Path]:
    """What is half-written in a folder and those below."""
    return [path for path in folder.rglob("*") if PART.fullmatch(path.name)]


def whole(path: Path) -> None:
    """Fails where a file is not what its name says, from its beginning to its end."""
    from PIL import Image
    from safetensors import safe_open

    from core.video.publish_check import boxes

    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            assert all(file.get_tensor(name) is not None for name in file.keys())  # noqa: SIM118
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".yaml":
        assert yaml.safe_load(path.read_text())
    elif path.suffix == ".jsonl":
        lines = path.read_text().splitlines()
        lines = lines[:-1] if path.name == "metrics.jsonl" else lines  # its readers leave out a cut line
        assert all(map(json.loads, lines))
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.read_text().splitlines()))
        assert rows and all(len(row) == len(rows[0]) for row in rows)
    elif path.suffix in (".png", ".jpg"):
        Image.open(path).load()
    elif path.suffix == ".mp4":
        assert boxes(path)[:2] == ["ftyp", "moov"]
    elif path.suffix == ".html":
        assert path.read_text().endswith("</html>\n")


def numbers(path: Path) -> bytes:
    """A safetensors file's bytes after its header, which holds the times of its run."""
    raw = path.read_bytes()
    return raw[8 + int.from_bytes(raw[:8], "little") :]


def results(out: Path) -> dict[str, bytes]:
    """What the trainings in `out` made, by name: the numbers alone."""
    loras = [*out.glob("*/lora_v*.safetensors"), *out.glob("*/lora_v*/adapter_model.safetensors")]
    return {str(path.relative_to(out)): numbers(path) for path in sorted(loras)}


def emptied(folder: Path, template: Path) -> None:
    """Gives a folder, which may be a disk, the contents of another."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(template, folder, dirs_exist_ok=True)


EXACT = (".safetensors", ".mp4", ".png", ".csv")  # what a second run must leave as it was, or replace whole


@dataclass
class Case:
    """A command that was done once, and is done again with faults; what it makes where nothing goes wrong."""

    arguments: list[object]
    place: Path
    disk: Disk | None = None
    wanted: dict[str, bytes] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    stood: dict[Path, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    tried: int = 0
    refused: int = 0

    @property
    def out(self) -> Path:
        """Where it writes."""
        return self.place / "out"

    def begin(self) -> None:
        """Does it twice without a fault: what stands before each fault, and what is made once more."""
        (self.out / "tmp").mkdir(parents=True)
        (self.out / "tmp" / "fill").write_bytes(bytes(64 * PAGE))  # no disk can be as small as nothing
        fair(self.run(), 0)
        shutil.copytree(self.out, self.place / "before")
        ended = self.run()
        if "is there already" in ended.said:  # it never does it twice: nothing stands before it
            (self.place / "before" / "train.jsonl").unlink()
        else:
            fair(ended, 0)
        self.wanted, self.names, self.seconds = results(self.out), names(self.out), ended.seconds
        self.reset()

    def reset(self) -> None:
        """Puts things back as they were before each fault."""
        emptied(self.out, self.place / "before")
        self.stood = snapshot(self.out)

    def run(self, **how: Any) -> Ended:
        """The command, once."""
        return command(self.arguments, self.place, self.place / "said.txt", **how)

    def check(self, ended: Ended, *statuses: int) -> None:
        """What must hold after a fault."""
        self.tried += 1
        self.refused += ended.status == 2
        fair(ended, *statuses)
        self.intact()

    def intact(self) -> None:
        """What stood there still stands, as it was or whole and new; nothing is half."""
        for path, data in self.stood.items():
            if path.suffix in EXACT and path.read_bytes() != data:
                assert path.suffix == ".csv", f"{path} was changed"
            assert path.exists() or "checkpoint" in path.parts, f"{path} is gone"
        for path in files(self.out):
            if not PART.fullmatch(path.name):
                whole(path)

    def again(self) -> None:
        """The command once more, which a few do but once: a fault may have come when all was done."""
        ended = self.run()
        assert ended.status == 0 or "is there already" in ended.said, ended.said

    def complete(self, ended: Ended) -> None:
        """There is room again: the command does what it couldn't, and learns what an unbroken one learns."""
        if ended.status:
            self.again()
        self.intact()
        assert not parts(self.out)
        made = results(self.out)
        assert names(self.out) == self.names, names(self.out) ^ self.names
        assert made == self.wanted, f"{sorted(made)} not {sorted(self.wanted)}, or other numbers"


@pytest.fixture
def begun(
    place: Path, tiny_base: Path, tiny_llm: Path, loras: dict[str, Path]
) -> Iterator[Callable[[str, bool], Case]]:
    """`begun(name, disk)`: a command that was done once, on a small disk of its own or not."""
    with contextlib.ExitStack() as disks:

        def begin(name: str, own: bool = True) -> Case:
            disk = disks.enter_context(small_disk(place / "out")) if own else None
            out()
            case = Case(WRITING[name](place, tiny_base, tiny_llm, loras), place, disk)
            case.begin()
            return case

        yield begin
