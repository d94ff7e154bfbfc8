"""A project's folder on disk: names, paths, atomic writes, lineage.

Knows where things stand, not how they are made. Layout: see ARCHITECTURE.md, "On disk".
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core import disk
from core.jobs import Mistake

MAX_NAME = 60


def write_atomic(path: Path, data: bytes | str) -> Path:
    """Writes to a temporary name beside `path`, flushes to disk, renames; returns `path`."""
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
    own = f"{os.getpid()}-{threading.get_ident()}"  # two threads may save the same file at once
    part = path.with_name(f".{path.stem}.{own}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if flush:
            _flush(part)
        os.replace(part, path)
        if flush:
            with contextlib.suppress(OSError):  # Windows and some network drives know no such thing
                _flush(path.parent)
    except Exception as error:
        told = disk.while_writing(error, path, part)
        if told is None:
            raise
        raise told from error
    finally:
        with contextlib.suppress(OSError):  # of a disk that is gone nothing can be removed
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


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

    Raises Mistake where nothing is left.
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text))
    name = "-".join(words)[:MAX_NAME].strip("-_")
    if not name:
        raise Mistake("{text!r} can't be used as a name; use letters or digits.", text=text)
    return name


def unused(path: Path) -> Path:
    """`path` itself if nothing stands there, else the first of `name-2`, `name-3`, … that is free."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
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

    Between them stands the column `focus` where a picture has one.
    """
    told = focus if focus and any(focus.values()) else None
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file_name", "text"] if told is None else ["file_name", "focus", "text"])
    for name, caption in captions.items():
        writer.writerow([name, caption] if told is None else [name, told.get(name, ""), caption])
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
        """Folder of a picture set: copies and metadata.csv."""
        return self._sub("images", safe_name(name))

    def texts(self, name: str = "main") -> Path:
        """Folder of a text set: train.jsonl and the imported sources."""
        return self._sub("texts", safe_name(name))

    def runs(self) -> Path:
        """Folder of training runs, one folder each."""
        return self._sub("runs")

    def new_run(self, name: str) -> Path:
        """A run's folder; the same name again gives the next free one."""
        path = unused(self.runs() / safe_name(name))
        path.mkdir(parents=True)
        return path

    def loras(self) -> Path:
        """Folder of finished LoRAs: image LoRA files and text LoRA folders."""
        return self._sub("loras")

    def new_video(self, topic: str) -> Path:
        """A new video's folder, named after its topic."""
        path = unused(self._sub("videos") / safe_name(topic[:40]))
        path.mkdir(parents=True)
        return path

    def image_loras(self) -> list[Path]:
        """Finished image LoRAs, newest first."""
        return sorted(self.loras().glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)

    def text_loras(self) -> list[Path]:
        """Finished text LoRAs (PEFT folders), newest first."""
        folders = (path.parent for path in self.loras().glob("*/adapter_config.json"))
        return sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)

    def videos(self) -> list[Path]:
        """Finished videos, newest first."""
        found = (self.folder / "videos").glob("*/video.mp4")
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


@dataclass(frozen=True)
class Home:
    """The studio's home: models that a person drops in, and projects."""

    folder: Path

    @staticmethod
    def default() -> Home:
        """STUDIO_HOME, or ./studio-home."""
        return Home(at_home(os.environ.get("STUDIO_HOME") or "studio-home"))

    def models(self, kind: str) -> Path:
        """Folder for dropped-in models: Stable-diffusion, LLM, Lora or Voice."""
        path = self.folder / "models" / kind
        path.mkdir(parents=True, exist_ok=True)
        return path

    def projects(self) -> list[Project]:
        """All projects, by name."""
        return [Project(path.parent) for path in sorted((self.folder / "projects").glob("*/project.yaml"))]

    def project(self, name: str) -> Project:
        """The project of that name, made if it doesn't exist."""
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


def lineage(**made_of: Any) -> dict[str, Any]:
    """What made an artefact, with the time; plain values, ready for YAML. Paths become text."""
    return {"made": time.strftime("%Y-%m-%d %H:%M:%S"), **json.loads(json.dumps(made_of, default=str))}


def read_lineage(artefact: Path) -> dict[str, Any]:
    """What stands beside an artefact about how it was made; empty where nothing does."""
    file = _lineage_file(artefact)
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file.is_file() else {}


def write_lineage(artefact: Path, values: dict[str, Any]) -> Path:
    """Writes `values` beside an artefact: `x.safetensors` gets `x.yaml`; a folder gets `lineage.yaml`."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return write_atomic(_lineage_file(artefact), text)


def _lineage_file(artefact: Path) -> Path:
    return artefact / "lineage.yaml" if artefact.is_dir() else artefact.with_suffix(".yaml")
