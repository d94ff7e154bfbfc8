"""A project's texts as the Text LoRA tab shows and changes them: topic and narration, own files added.

Works on core.texts; knows nothing about widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.jobs import Mistake
from core.project import Project
from core.texts.importing import TRAIN_FILE, TextSet, import_texts, read_file, read_files, text_files
from core.texts.samples import TextSample, topic_of, write_samples


def file_of(project: Project) -> Path:
    """Where the project's samples stand."""
    return project.texts() / TRAIN_FILE


def listed(project: Project) -> list[TextSample]:
    """The project's samples: its `train.jsonl`, else those in its text files; none where there are none."""
    if file_of(project).is_file():
        return list(read_file(file_of(project)))
    files = text_files(project.texts())
    return list(read_files(files).samples) if files else []


def table(project: Project) -> list[list[str]]:
    """Rows of topic and narration."""
    return [[sample.topic, sample.reply] for sample in listed(project)]


def save(project: Project, rows: Sequence[Sequence[str]]) -> int:
    """Writes the table; a row without narration is left out, one without a topic gets it from its words."""
    kept = [
        TextSample((topic or "").strip() or topic_of(reply), reply.strip())
        for topic, reply, *_ in rows
        if (reply or "").strip()
    ]
    if not kept:
        raise Mistake("The table holds no narration; write at least two lines of yours.")
    write_samples(file_of(project), kept)
    return len(kept)


def add(project: Project, files: Sequence[str]) -> tuple[int, TextSet]:
    """Adds dropped text files; returns how many samples came, and the whole set with its problems."""
    before = listed(project)
    if before:
        write_samples(file_of(project), before)
    whole = import_texts([Path(file) for file in files], project.texts())
    return len(whole.samples) - len(before), whole
