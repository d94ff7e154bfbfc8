"""The job that labels a folder of pictures: opens, checks, tags and writes `metadata.csv`.

A caption that a person wrote or corrected is kept; only those that this job wrote itself are written anew. It
knows its own by a hidden file beside `metadata.csv`, which holds what it wrote last; the caption file's
history keeps the rest. Knows nothing about projects, tabs or training.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.bases import labeller
from core.files import note
from core.images import caption_table, captions, checks
from core.images.kinds import Unreadable
from core.images.picture_file import SetAside, open_picture, picture_size
from core.images.picture_folder import hopeless, some_pictures
from core.images.tagging import Tag, Tagger, caption
from core.messages import Mistake, Sentence
from core.progress import Clock, Progress
from core.project import write_atomic
from core.settings.data import LabelSettings

AT_ONCE = 8
LOGGED = 300  # signs of a caption
EVERY_S = 60.0  # between writes of what was labelled


@dataclass
class Memory:
    """What the job wrote last: captions and tags by file name, and the trigger word of that time.

    earlier: what it wrote before that, as a kill may leave those captions in the file.
    """

    trigger: str = ""
    captions: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, str] = field(default_factory=dict)
    tags: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)


def memory_file(metadata: Path) -> Path:
    """The hidden file beside a caption file that holds what the job wrote last."""
    return metadata.with_name(f".{metadata.stem}.labels.json")


def read_memory(metadata: Path) -> Memory:
    """What the job wrote last into a caption file; empty where it never did, or the memory is damaged."""
    try:
        values = note(memory_file(metadata))
        return Memory(
            str(values["trigger"]),
            {str(name): str(text) for name, text in values["captions"].items()},
            {str(name): str(text) for name, text in values.get("earlier", {}).items()},
            {name: [(str(w), str(k), float(s)) for w, k, s in tags] for name, tags in values["tags"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Memory()


def label(settings: LabelSettings) -> Iterator[Progress]:
    """Tags every picture of `settings.pictures` that has no caption by hand; the result is the caption file.

    What was labelled is written each minute, and where it is stopped. Raises Mistake where the folder holds
    no usable picture or the caption file can't be written.
    """
    output = _output(settings)
    yield Progress("Reading the pictures")
    files = some_pictures(settings.pictures)
    work = _Labelling(settings, output, files)
    for problem in work.problems:
        yield Progress("Reading the pictures", text=problem.sentence)
    waiting = [path for path in files if not work.by_hand(path)]
    yield Progress("Loading the labeller", 0, len(files))
    tagger = Tagger(labeller.load()) if waiting else None
    clock = Clock(len(files))
    try:
        for start in range(0, len(files), AT_ONCE):
            for line in work.batch(files[start : start + AT_ONCE], tagger):
                yield Progress("Labelling", start, len(files), text=line)
            done = min(start + AT_ONCE, len(files))
            yield Progress("Labelling", done, len(files), seconds_left=clock.left(done))
            work.write_at_times()
        if not work.looks:
            raise hopeless(settings.pictures, work.set_aside)
        for flag in checks.flags(work.looks):
            finding = Sentence(flag.template, **flag.values)
            yield Progress("Checking the pictures", len(files), len(files), text=finding)
    finally:
        if work.looks:
            work.write()
    yield Progress("Labelled", len(files), len(files), result=output)


def _output(settings: LabelSettings) -> Path:
    output = settings.output or settings.pictures / caption_table.METADATA
    if output.is_dir():
        return output / caption_table.METADATA
    if output.suffix.lower() != ".csv":
        raise Mistake("{path} is no place for captions; give the name of a .csv file.", path=output)
    return output


def _shown(caption: str) -> str:
    """A caption for the log, however long one is."""
    return caption if len(caption) <= LOGGED else f"{caption[:LOGGED]}…"


class _Labelling:
    """The captions that stand, and those that are being made."""

    def __init__(self, settings: LabelSettings, output: Path, files: list[Path]) -> None:
        self.settings = settings
        self.output = output
        self.before = read_memory(output)
        self.now = Memory(settings.trigger.strip())
        self.written: float | None = None  # when, by a clock that doesn't jump
        self.began = time.monotonic()
        self.problems: list[Mistake] = []
        self.looks: list[checks.Look] = []
        self.set_aside: list[SetAside] = []
        self.captions: dict[Path, str] = {}
        if output.is_file():
            rows = caption_table.read_metadata(output, self.problems)
            placed = captions.place_rows(rows, output, settings.pictures, files, self.problems)
            self.captions = {path: placed[path] for path in files if placed.get(path)}
        bare = [path for path in files if path not in self.captions]
        written = captions.beside(bare, self.problems)
        self.captions |= {path: text for path, text in written.items() if text}
        mine = {path: text for path, text in self.captions.items() if not self.by_hand(path)}
        self.now.earlier = {caption_table.name_for(path, output): text for path, text in mine.items()}
        self.files = files

    def by_hand(self, path: Path) -> bool:
        """Whether a picture has a caption that this job didn't write."""
        text, name = self.captions.get(path), caption_table.name_for(path, self.output)
        return bool(text) and text not in (self.before.captions.get(name), self.before.earlier.get(name))

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
                shown = _shown(self.captions[path])
                yield Sentence("{name}: {caption} (kept)", name=path.name, caption=shown)
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
        name = caption_table.name_for(path, self.output)
        self.captions[path] = self.now.captions[name] = caption(tags, self.settings.trigger)
        self.now.tags[name] = [(one.word, one.kind, round(one.score, 4)) for one in tags]

    def _with_trigger(self, text: str) -> str:
        """The trigger word before a caption by hand that lacks it, in place of the one of the last time."""
        new, old = self.now.trigger, self.before.trigger
        if not new or re.search(rf"(?<!\w){re.escape(new)}(?!\w)", text, re.IGNORECASE):
            return text
        if old and text.casefold().startswith(f"{old.casefold()}, "):
            text = text[len(old) + 2 :]
        return caption_table.within_limit(f"{new}, {text}")

    def write_at_times(self) -> None:
        """Writes where that was not done for a while, so that a kill loses little."""
        if self.looks and time.monotonic() - (self.written or self.began) > EVERY_S:
            self.write()

    def write(self) -> None:
        """Writes the captions there are, and what of them was made here, now or earlier.

        The memory goes first: it knows the captions that it finds in the file, old or new.
        """
        names = {caption_table.name_for(path, self.output): self.captions[path] for path in self.files
                 if path in self.captions}  # fmt: skip
        now = replace(self.now, captions=dict(self.now.captions), tags=dict(self.now.tags))
        for name, text in self.now.earlier.items():
            if name not in now.captions and names.get(name) == text:
                now.captions[name] = text
                now.tags[name] = self.before.tags.get(name, [])
        write_atomic(memory_file(self.output), json.dumps(vars(now), ensure_ascii=False, indent=1))
        caption_table.write(self.output, names, again=self.written is not None)
        self.written = time.monotonic()
