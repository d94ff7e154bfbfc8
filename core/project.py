"""A project's folder on disk: names, paths, atomic writes, lineage.

Knows where things stand, not how they are made. Layout: see ARCHITECTURE.md, "On disk".
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import os
import re
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from core import disk
from core.adapter_config import CONFIG
from core.encodings import as_read
from core.messages import Mistake

MAX_NAME, MAX_NAME_BYTES = (
    60,
    120,
)  # of what a person names; with what is put around it a disk takes 255 bytes
LONGEST_STEM = 180  # bytes of a file's name before numbers, temporary names and the ending
# Windows keeps these for itself, whatever ending follows.
RESERVED = re.compile(r"(?i)con|prn|aux|nul|conin|conout|(?:com|lpt)[0-9¹²³]")


def write_atomic(path: Path, data: bytes | str) -> Path:
    """Writes to a temporary name beside `path`, flushes to disk, renames; returns `path`.

    Raises Mistake for what a full, read-only or vanished disk does.
    """
    with replacing(path, flush=True) as part:
        part.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return path


@contextlib.contextmanager
def replacing(path: Path, flush: bool = False) -> Iterator[Path]:
    """Gives a temporary name for a file or a new folder; it becomes `path` on success and goes on failure.

    The temporary name keeps the suffix, because encoders and libraries choose the format by it. `flush`: the
    file is on the disk before it gets its name, and its name before this ends, so that a power cut can't
    leave half of it. Raises Mistake where the disk is full, read-only, forbidden or gone.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent)
        yield part
        if flush:
            _flush(part)
        os.replace(part, path)
        if flush:
            with contextlib.suppress(OSError):  # Windows and some network drives know no such thing
                _flush(path.parent)
    except Exception as error:
        mistake = disk.while_writing(error, path, part)
        if mistake is None:
            raise
        raise mistake from error
    finally:
        _remove(part)


def part_of(path: Path) -> Path:
    """The temporary name of what becomes `path`; two threads may save the same one at once."""
    return path.with_name(
        f".{shortened(path.stem, LONGEST_STEM)}.{os.getpid()}-{threading.get_ident()}.part{path.suffix}"
    )


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what it is made of; gone in the end, after a kill at the next start.

    Raises Mistake for what a full, read-only or vanished disk does.
    """
    folder = part_of(path.with_name(f"{path.stem}-scratch"))
    try:
        with disk.writing(folder):
            folder.mkdir(parents=True)
        yield folder
    finally:
        _remove(folder)


PART = re.compile(r"\..+\.(\d+)-\d+\.part(\.\w+)?")
_swept: set[Path] = set()
_sweeping = threading.Lock()


def sweep(folder: Path, within: bool = False) -> None:
    """Removes what processes that were killed left half-written in a folder, `within`: and in those below.

    Only for before this process itself has begun to write there: an earlier one may have had its number.
    """
    import psutil

    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = PART.fullmatch(name)
            if found and (int(found[1]) == os.getpid() or not psutil.pid_exists(int(found[1]))):
                _remove(Path(place, name))
        if not within:
            return


def _sweep_once(folder: Path) -> None:
    """Sweeps a folder in which this process writes for the first time."""
    with _sweeping:
        at = folder.absolute()
        if at not in _swept:
            _swept.add(at)
            sweep(at)


def _remove(path: Path) -> None:
    """Removes a file or a folder, if it is there and the disk lets it go."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


LOCK = ".lock"
HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


@contextlib.contextmanager
def alone(folder: Path, otherwise: Mistake) -> Iterator[None]:
    """Keeps other processes out of `folder` for as long as it lasts; raises `otherwise` where one is in it.

    The lock is the system's, which lets go of it when the process ends, in whichever way. filelock would not
    do: on a disk that knows no locks it takes the file's being there for one, which outlives a kill. There
    this keeps nobody out. Raises Mistake where the folder can't be written to.
    """
    new = not os.path.isdir(folder)
    try:
        file = _locked(folder / LOCK)
    except BlockingIOError:
        raise otherwise from None
    except OSError as error:
        raise disk.mistake(error) or error from error
    try:
        yield
    finally:
        _remove(folder / LOCK)
        file.close()
        if new:
            with contextlib.suppress(OSError):  # something was made in it
                folder.rmdir()


def _locked(path: Path) -> IO[bytes]:
    """The file, made where it isn't there, open and locked. Raises BlockingIOError where another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = path.open("ab")
        try:
            _lock(file.fileno())
            if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except OSError as error:
            file.close()
            if error.errno in HELD:
                raise BlockingIOError from None
            return path.open("ab")
        file.close()  # of one that has just left


def _lock(handle: int) -> None:
    """Locks an open file until it is closed. Raises OSError where another holds it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _flush(path: Path) -> None:
    """Has the system write a file, or a folder's names, to the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def at_home(typed: str | Path) -> Path:
    """A path as a person types it: `~` is their home folder."""
    return Path(os.path.expanduser(typed))


def safe_name(text: str) -> str:
    """A folder name from what a person typed: letters of any script, digits, `-` and `_`.

    At most `MAX_NAME` letters and `MAX_NAME_BYTES`, and none that Windows keeps for itself. Raises Mistake
    where nothing is left.
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text))
    name = shortened("-".join(words)[:MAX_NAME], MAX_NAME_BYTES).strip("-_")
    if not name:
        raise Mistake("{text!r} can't be used as a name; use letters or digits.", text=text)
    return f"{name}-1" if RESERVED.fullmatch(name) else name


def shortened(name: str, most: int) -> str:
    """A name's beginning of at most so many bytes, as disks count; a Chinese letter has three."""
    return os.fsencode(name)[:most].decode("utf-8", errors="ignore")


def unused(path: Path) -> Path:
    """`path` itself if nothing stands there, else the first of `name-2`, `name-3`, … that is free."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{shortened(path.stem, LONGEST_STEM)}-{number}{path.suffix}")
        number += 1
    return free


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_captions(path: Path, captions: dict[str, str], focus: dict[str, str] | None = None) -> Path:
    """Writes `metadata.csv` (file_name,text), the layout of Hugging Face's imagefolder.

    Between them stands the column `focus` where a picture has one. Raises Mistake where the captions are
    garbled, so that they would be refused when they are read.
    """
    places = focus if focus and any(focus.values()) else None
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file_name", "text"] if places is None else ["file_name", "focus", "text"])
    for name, caption in captions.items():
        writer.writerow([name, caption] if places is None else [name, places.get(name, ""), caption])
    if as_read(table.getvalue(), path.name) != table.getvalue():
        raise Mistake("Some captions are garbled, as where a program misread them; write those anew.")
    return write_atomic(path, table.getvalue())


@dataclass(frozen=True)
class Project:
    """One project's folder. The folders are made when first asked for."""

    folder: Path

    @property
    def name(self) -> str:
        """The project's name, which is its folder's."""
        return self.folder.name

    def _sub(self, *parts: str) -> Path:
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def images(self, name: str = "main") -> Path:
        """Folder of a picture set: copies and metadata.csv. Raises Mistake for a name without a letter."""
        return self._sub("images", safe_name(name))

    def texts(self, name: str = "main") -> Path:
        """Folder of a text set: train.jsonl and the imported sources.

        Raises Mistake for a name without a letter.
        """
        return self._sub("texts", safe_name(name))

    def runs(self) -> Path:
        """Folder of training runs, one folder each."""
        return self._sub("runs")

    def new_run(self, name: str) -> Path:
        """A run's folder; the same name again gives the next free one.

        Raises Mistake for a name without a letter.
        """
        path = unused(self.runs() / safe_name(name))
        path.mkdir(parents=True)
        return path

    def loras(self) -> Path:
        """Folder of finished LoRAs: image LoRA files and text LoRA folders."""
        return self._sub("loras")

    def new_video(self, topic: str) -> Path:
        """A new video's folder, named after its topic. Raises Mistake for a topic without a letter."""
        path = unused(self._sub("videos") / safe_name(topic[:40]))
        path.mkdir(parents=True)
        return path

    def image_loras(self) -> list[Path]:
        """Finished image LoRAs, newest first."""
        files = (path for path in self.loras().glob("*.safetensors") if path.is_file())
        return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)

    def text_loras(self) -> list[Path]:
        """Finished text LoRAs (PEFT folders), newest first."""
        folders = (path.parent for path in self.loras().glob(f"*/{CONFIG}"))
        return sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)

    def videos(self) -> list[Path]:
        """Finished videos, newest first; a film that was made again has several."""
        found = (self.folder / "videos").glob("*/video*.mp4")
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def films(self) -> list[Path]:
        """Folders of films, newest first: a storyboard that is worked on, videos, or both."""
        found = {path.parent for path in (self.folder / "videos").glob("*/storyboard.yaml")}
        found |= {path.parent for path in self.videos()}
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


@dataclass(frozen=True)
class Home:
    """The studio's home: models that a person drops in, and projects."""

    folder: Path

    @staticmethod
    def default() -> Home:
        """STUDIO_HOME, or ./studio-home."""
        return Home(at_home(os.environ.get("STUDIO_HOME") or "studio-home"))

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """The home as the only studio's that is open on it, swept of what killed ones left half-written.

        Raises Mistake where another one is. Commands need no such: they write where they are told to, each
        file at once, and a training keeps others out of its own folder.
        """
        taken = Mistake(
            "Another LoRA Studio is open on {folder}; use its window, close it, or choose another folder by "
            "--home.",
            folder=self.folder.absolute(),
        )
        with alone(self.folder, taken):
            sweep(self.folder, within=True)
            yield

    def models(self, kind: str) -> Path:
        """Folder for dropped-in models: Stable-diffusion, LLM, Lora, Voice, IP-Adapter."""
        path = self.folder / "models" / kind
        path.mkdir(parents=True, exist_ok=True)
        return path

    def projects(self) -> list[Project]:
        """All projects, by name."""
        return [Project(path.parent) for path in sorted((self.folder / "projects").glob("*/project.yaml"))]

    def project(self, name: str) -> Project:
        """The project of that name, made if it doesn't exist. Raises Mistake for a name without a letter."""
        folder = self.folder / "projects" / safe_name(name)
        if not (folder / "project.yaml").exists():
            made = time.strftime("%Y-%m-%d %H:%M:%S")
            write_atomic(
                folder / "project.yaml", yaml.safe_dump({"name": name, "made": made}, allow_unicode=True)
            )
        return Project(folder)

    def sample_project(self, sample: Path) -> Project:
        """The sample project, its pictures and texts copied from `sample` at the first call."""
        project = self.project("river-town")
        for kind, folder in (("pictures", project.images()), ("texts", project.texts())):
            for source in sorted((sample / kind).iterdir()):
                if not (folder / source.name).exists():
                    shutil.copy2(source, folder / source.name)
        return project


ROOT = Path(__file__).resolve().parent.parent
