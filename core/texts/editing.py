"""A project's text set as it is edited: what it holds, saving with every version before it, find and replace.

A set is a folder; the versions before stand in its `.history` as numbered files, oldest first, so that every
page and every later day can take steps back. Knows nothing about widgets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from core.messages import Mistake
from core.project import unused, write_atomic
from core.settings.data import TextCleaning
from core.settings.reading import read_yaml
from core.texts.cleaning import AS_IT_COMES
from core.texts.importing import (
    TRAIN_FILE,
    TextSet,
    import_texts,
    read_file,
    read_files,
    set_file,
    text_files,
)
from core.texts.samples import NARRATION, TASKS, TextSample, read_samples, write_samples

KEPT = 100  # versions
NOTES = "set.yaml"


def current(folder: Path) -> list[TextSample]:
    """The set's samples: its `train.jsonl`, else those in its text files; none where there are none.

    Raises Mistake where it is damaged, with the way back to the version before it.
    """
    if finished := set_file(folder):
        try:
            return list(read_file(finished))
        except Mistake as damage:
            if (earlier := next(_whole_versions(folder), None)) is None:
                raise
            raise Mistake(
                "{damage} An earlier version of it is whole: press Undo below the texts, or copy {earlier} "
                "over it.",
                damage=damage.sentence,
                earlier=earlier[0],
            ) from None
    files = text_files(folder)
    return list(read_files(files).samples) if files else []


def save(folder: Path, samples: Sequence[TextSample]) -> bool:
    """Makes `samples` the set; the version before is kept. False where nothing differs.

    Raises Mistake for garbled texts, and too many.
    """
    before = current(folder)
    if _plain(before) == _plain(samples):
        return False
    _keep(folder, before)
    write_samples(folder / TRAIN_FILE, samples)
    return True


def add(folder: Path, sources: Sequence[Path], choices: TextCleaning = AS_IT_COMES) -> tuple[int, TextSet]:
    """Adds files to the set; returns how many samples came, and the whole set with its problems.

    Raises Mistake where none of them can be read, and where the set is damaged.
    """
    before = current(folder)
    if before and set_file(folder) is None:
        write_samples(folder / TRAIN_FILE, before)
    whole = import_texts(sources, folder, choices)
    if _plain(before) != _plain(whole.samples):
        _keep(folder, before)
    return len(whole.samples) - len(before), whole


def undo(folder: Path) -> bool:
    """Takes the set one version back, over damaged ones. False where there is none.

    A damaged set stays in the history, for whoever wants to mend it by hand.
    """
    for version, samples in _whole_versions(folder):
        with contextlib.suppress(FileNotFoundError):
            _keep_damaged(folder / TRAIN_FILE)
        write_samples(folder / TRAIN_FILE, samples)
        version.unlink()
        return True
    return False


def history(folder: Path) -> list[Path]:
    """The kept versions, oldest first."""
    return sorted((folder / ".history").glob(f"train-{'[0-9]' * 6}.jsonl"))


def _whole_versions(folder: Path) -> Iterator[tuple[Path, list[TextSample]]]:
    """The kept versions that can be read, newest first."""
    for version in reversed(history(folder)):
        with contextlib.suppress(Mistake):
            yield version, read_samples(version)


def _keep_damaged(train: Path) -> None:
    try:
        read_file(train)
    except Mistake:
        train.rename(unused(train.parent / ".history" / f"damaged-{train.name}"))


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
    try:
        found = read_yaml(folder / NOTES).get("task")
    except Mistake:  # none yet, or a damaged one: it holds this one choice
        return NARRATION
    return found if isinstance(found, str) and found in TASKS else NARRATION


def set_task(folder: Path, name: str) -> None:
    """Keeps which kind of texts (`TASKS` in core.texts.samples) the set holds."""
    if name != task(folder):
        write_atomic(folder / NOTES, yaml.safe_dump({"task": name}))
