"""The job that labels a folder of pictures: opens, checks, tags and writes `metadata.csv`.

A caption that a person wrote or corrected is kept; only those that this job wrote itself are written anew. It
knows its own by a hidden file beside `metadata.csv`, which holds what it wrote last; the caption file's
history keeps the rest. Knows nothing about projects, tabs or training.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.basemodels import load_labeller
from core.images import captions, checks
from core.images.importing import SetAside, Unreadable, hopeless, open_picture, picture_size, some_pictures
from core.images.tagging import Tag, Tagger, caption
from core.jobs import Clock, Mistake, Progress, Sentence
from core.project import write_atomic
from core.settings import LabelSettings

AT_ONCE = 8


@dataclass
class Memory:
    """What the job wrote last: captions and tags by file name, and the trigger word of that time."""

    trigger: str = ""
    captions: dict[str, str] = field(default_factory=dict)
    tags: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)


def memory_file(metadata: Path) -> Path:
    """The hidden file beside a caption file that holds what the job wrote last."""
    return metadata.with_name(f".{metadata.stem}.labels.json")


def read_memory(metadata: Path) -> Memory:
    """What the job wrote last into a caption file; empty where it never did, or the memory is damaged."""
    try:
        values = json.loads(memory_file(metadata).read_text(encoding="utf-8"))
        return Memory(
            str(values["trigger"]),
            {str(name): str(text) for name, text in values["captions"].items()},
            {name: [(str(w), str(k), float(s)) for w, k, s in tags] for name, tags in values["tags"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()


def label(settings: LabelSettings) -> Iterator[Progress]:
    """Tags every picture of `settings.pictures` that has no caption by hand; the result is the caption file.

    A stop writes what was labelled until then. Raises Mistake where the folder holds no usable picture or the
    caption file can't be written.
    """
    output = _output(settings)
    yield Progress("Reading the pictures")
    files = some_pictures(settings.pictures)
    work = _Work(settings, output, files)
    for problem in work.problems:
        yield Progress("Reading the pictures", text=problem.sentence)
    waiting = [path for path in files if not work.by_hand(path)]
    yield Progress("Loading the labeller", 0, len(files))
    tagger = Tagger(load_labeller()) if waiting else None
    clock = Clock(len(files))
    try:
        for start in range(0, len(files), AT_ONCE):
            for line in work.batch(files[start : start + AT_ONCE], tagger):
                yield Progress("Labelling", start, len(files), text=line)
            done = min(start + AT_ONCE, len(files))
            yield Progress("Labelling", done, len(files), seconds_left=clock.left(done))
        if not work.looks:
            raise hopeless(settings.pictures, work.set_aside)
        for flag in checks.flags(work.looks):
            told = Sentence(flag.template, **flag.values)
            yield Progress("Checking the pictures", len(files), len(files), text=told)
    finally:
        if work.looks:
            work.write()
    yield Progress("Labelled", len(files), len(files), result=output)


def _output(settings: LabelSettings) -> Path:
    output = settings.output or settings.pictures / captions.METADATA
    if output.is_dir():
        return output / captions.METADATA
    if output.suffix.lower() != ".csv":
        raise Mistake("{path} is no place for captions; give the name of a .csv file.", path=output)
    return output


class _Work:
    """The captions that stand, and those that are being made."""

    def __init__(self, settings: LabelSettings, output: Path, files: list[Path]) -> None:
        self.settings = settings
        self.output = output
        self.before = read_memory(output)
        self.now = Memory(settings.trigger.strip())
        self.problems: list[Mistake] = []
        self.looks: list[checks.Look] = []
        self.set_aside: list[SetAside] = []
        self.captions: dict[Path, str] = {}
        if output.is_file():
            rows = captions.read_metadata(output, self.problems)
            placed = captions.place_rows(rows, output, settings.pictures, files, self.problems)
            self.captions = {path: placed[path] for path in files if placed.get(path)}
        bare = [path for path in files if path not in self.captions]
        written = captions.beside(bare, self.problems)
        self.captions |= {path: text for path, text in written.items() if text}
        self.files = files

    def by_hand(self, path: Path) -> bool:
        """Whether a picture has a caption that this job didn't write."""
        text = self.captions.get(path)
        return bool(text) and text != self.before.captions.get(captions.name_for(path, self.output))

    def batch(self, paths: list[Path], tagger: Tagger | None) -> Iterator[str]:
        """Captions some pictures; yields a line for the log about each."""
        opened = []
        for path in paths:
            try:
                size = picture_size(path)
                picture = open_picture(path, least=checks.LOOKED_AT)
            except Unreadable as reason:
                self.set_aside.append(SetAside(path, reason))
                self.captions.pop(path, None)
                yield str(reason)
                continue
            self.looks.append(checks.look(path, picture, size))
            if self.by_hand(path):
                self.captions[path] = self._with_trigger(self.captions[path])
                yield f"{path.name}: {self.captions[path]} (kept)"
            else:
                opened.append((path, picture))
        if not opened or tagger is None:
            return
        names = [path.stem for path, _ in opened]
        pictures = [picture for _, picture in opened]
        tagged = tagger.tag(pictures, self.settings.tags, self.settings.threshold, names)
        for (path, _), tags in zip(opened, tagged, strict=True):
            self._say(path, tags)
            yield f"{path.name}: {self.captions[path]}"

    def _say(self, path: Path, tags: tuple[Tag, ...]) -> None:
        name = captions.name_for(path, self.output)
        self.captions[path] = self.now.captions[name] = caption(tags, self.settings.trigger)
        self.now.tags[name] = [(one.word, one.kind, round(one.score, 4)) for one in tags]

    def _with_trigger(self, text: str) -> str:
        """The trigger word before a caption by hand that lacks it, in place of the one of the last time."""
        new, old = self.now.trigger, self.before.trigger
        if not new or re.search(rf"(?<!\w){re.escape(new)}(?!\w)", text, re.IGNORECASE):
            return text
        if old and text.casefold().startswith(f"{old.casefold()}, "):
            text = text[len(old) + 2 :]
        return f"{new}, {text}"

    def write(self) -> None:
        """Writes the captions there are, and what of them was made here, now or earlier."""
        names = {captions.name_for(path, self.output): self.captions[path] for path in self.files
                 if path in self.captions}  # fmt: skip
        for name, text in self.before.captions.items():
            if name not in self.now.captions and names.get(name) == text:
                self.now.captions[name] = text
                self.now.tags[name] = self.before.tags.get(name, [])
        captions.write(self.output, names)
        write_atomic(memory_file(self.output), json.dumps(vars(self.now), ensure_ascii=False, indent=1))
