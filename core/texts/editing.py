"""A project's text set as it is edited: what it holds, saving with every version before it, find and replace.

A set is a folder; the versions before stand in its `.history` as numbered files, oldest first, so that every
page and every later day can take steps back. Knows nothing about widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from core.project import write_atomic
from core.settings import TextCleaning
from core.texts.cleaning import AS_IT_COMES
from core.texts.importing import TRAIN_FILE, TextSet, import_texts, read_file, read_files, text_files
from core.texts.samples import NARRATION, TASKS, TextSample, read_samples, write_samples

KEPT = 100  # versions
NOTES = "set.yaml"


def current(folder: Path) -> list[TextSample]:
    """The set's samples: its `train.jsonl`, else those in its text files; none where there are none."""
    if (folder / TRAIN_FILE).is_file():
        return list(read_file(folder / TRAIN_FILE))
    files = text_files(folder)
    return list(read_files(files).samples) if files else []


def save(folder: Path, samples: Sequence[TextSample]) -> bool:
    """Makes `samples` the set; the version before is kept. False where nothing differs."""
    before = current(folder)
    if _plain(before) == _plain(samples):
        return False
    _keep(folder, before)
    write_samples(folder / TRAIN_FILE, samples)
    return True


def add(folder: Path, sources: Sequence[Path], choices: TextCleaning = AS_IT_COMES) -> tuple[int, TextSet]:
    """Adds files to the set; returns how many samples came, and the whole set with its problems."""
    before = current(folder)
    if before and not (folder / TRAIN_FILE).is_file():
        write_samples(folder / TRAIN_FILE, before)
    whole = import_texts(sources, folder, choices)
    if _plain(before) != _plain(whole.samples):
        _keep(folder, before)
    return len(whole.samples) - len(before), whole


def undo(folder: Path) -> bool:
    """Takes the set one version back. False where there is none."""
    versions = history(folder)
    if not versions:
        return False
    write_samples(folder / TRAIN_FILE, read_samples(versions[-1]))
    versions[-1].unlink()
    return True


def history(folder: Path) -> list[Path]:
    """The kept versions, oldest first."""
    return sorted((folder / ".history").glob("train-*.jsonl"))


def _keep(folder: Path, samples: Sequence[TextSample]) -> None:
    versions = history(folder)
    number = int(versions[-1].stem.rpartition("-")[2]) + 1 if versions else 1
    write_samples(folder / ".history" / f"train-{number:06d}.jsonl", samples)
    for old in versions[: len(versions) + 1 - KEPT]:
        old.unlink()


def _plain(samples: Sequence[TextSample]) -> list[tuple[str, str]]:
    return [(sample.topic, sample.reply) for sample in samples]


def replaced(samples: Sequence[TextSample], find: str, instead: str) -> tuple[list[TextSample], int]:
    """The samples with `instead` in every place of `find`, in both columns, and how many places there were.

    Upper and lower case count. A text that becomes empty stays, to be seen.
    """
    if not find:
        return list(samples), 0
    count = sum(sample.topic.count(find) + sample.reply.count(find) for sample in samples)
    return [
        replace(sample, topic=sample.topic.replace(find, instead), reply=sample.reply.replace(find, instead))
        for sample in samples
    ], count


def task(folder: Path) -> str:
    """What the set's texts are, one of TASKS, as it was last chosen."""
    file = folder / NOTES
    said = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    found = said.get("task") if isinstance(said, dict) else None
    return found if found in TASKS else NARRATION


def set_task(folder: Path, name: str) -> None:
    """Notes what the set's texts are."""
    if name != task(folder):
        write_atomic(folder / NOTES, yaml.safe_dump({"task": name}))
