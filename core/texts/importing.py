"""Past scripts, subtitles and chat data as text samples: cleaned, with a topic each, in the creator's words.

Reads txt, md, docx, csv, xlsx, json and jsonl (alpaca, sharegpt, OpenAI messages), srt, vtt, ass and other
subtitles in the encodings that people's programs write. Each kind's reader cleans and splits, as it alone
knows which lines belong together. What is dropped is told; a file is read, never changed. Knows nothing about
models.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import mimetypes
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.encodings import decoded, whole
from core.files import MEGABYTE, contents, within
from core.messages import Mistake, Sentence, some
from core.project import file_hash, unused, write_atomic
from core.settings.data import TextCleaning
from core.texts import chats, prose, subtitles, tables
from core.texts.cleaning import AS_IT_COMES
from core.texts.near_duplicates import without_near_duplicates
from core.texts.records import Found
from core.texts.samples import LARGEST_SET, TextSample, topic_of, write_samples
from core.texts.speech import flowing, one_line, words

TRAIN_FILE = "train.jsonl"
LEAST_SAMPLES = 8
LEAST_WORDS = 3
LARGEST_TEXT, MOST_SAMPLES = 10 * MEGABYTE, 20_000
SHOWN = 5
OTHER_DOCUMENTS = (".doc", ".pdf", ".rtf", ".odt", ".xls", ".ods", ".pages", ".numbers", ".epub", ".sub")

READERS: dict[str, Callable[[Path, str, TextCleaning], Iterable[Found]]] = {
    ".txt": prose.plain,
    ".md": prose.markdown,
    ".markdown": prose.markdown,
    ".csv": tables.separated,
    ".tsv": tables.separated,
    ".json": chats.objects,
    ".jsonl": chats.objects,
    ".ndjson": chats.objects,
    ".srt": subtitles.timed,
    ".vtt": subtitles.timed,
    ".sbv": subtitles.timed,
    ".lrc": subtitles.lyrics,
    ".ass": subtitles.styled,
    ".ssa": subtitles.styled,
    ".ttml": subtitles.styled,
    ".dfxp": subtitles.styled,
    ".smi": subtitles.styled,
    ".sami": subtitles.styled,
}
OFFICE: dict[str, Callable[[Path, bytes, TextCleaning], Iterable[Found]]] = {
    ".docx": prose.docx,
    ".xlsx": tables.xlsx,
}
KNOWN = (*READERS, *OFFICE)


@dataclass(frozen=True)
class TextSet:
    """Samples in the order of their sources; `problems` say what was left out."""

    samples: tuple[TextSample, ...]
    problems: tuple[Mistake, ...]


def read_texts(path: Path, choices: TextCleaning = AS_IT_COMES) -> TextSet:
    """The samples of a file, or of a folder: its `train.jsonl` where it has one, else every text file in it.

    Raises Mistake where there is nothing to read, or fewer than `LEAST_SAMPLES` samples.
    """
    if os.path.isdir(path):
        finished = set_file(path)
        sources = [finished] if finished else text_files(path)
        if not sources:
            raise Mistake(
                "The folder {path} holds no texts; put .txt, .srt, .csv or .jsonl files in it.", path=path
            )
    elif os.path.exists(path):  # False for a name that is too long, too
        sources = [path]
    else:
        raise Mistake("There is no text file or folder {path}; check the name.", path=path)
    found = read_files(sources, strict=len(sources) == 1, choices=choices)
    found = TextSet(found.samples, (*found.problems, *passed_over([path])))
    if len(found.samples) < LEAST_SAMPLES and found.problems:
        raise Mistake(
            "{path} holds only {count} usable texts, of the {least} that it takes. {problems}",
            path=path,
            count=len(found.samples),
            least=LEAST_SAMPLES,
            problems=_first_problems(found.problems),
        )
    if not found.samples:
        raise Mistake(
            "{path} holds no text to learn from; write at least {least}, with a blank line between them.",
            path=path,
            least=LEAST_SAMPLES,
        )
    if len(found.samples) < LEAST_SAMPLES:
        raise Mistake(
            "{path} holds only {count} usable texts; write at least {least}, with a blank line between them.",
            path=path,
            count=len(found.samples),
            least=LEAST_SAMPLES,
        )
    return found


def read_files(paths: Iterable[Path], strict: bool = False, choices: TextCleaning = AS_IT_COMES) -> TextSet:
    """The samples of some files, at most `MOST_SAMPLES`, without too short ones and near-duplicates.

    An unreadable file is a problem of the set; with `strict` it is a Mistake instead.
    """
    problems: list[Mistake] = []
    samples: list[TextSample] = []
    for file in paths:
        try:
            found = _read(file, choices)
            samples += found.samples
            problems += found.problems
            if not strict and not found.samples and not found.problems:
                problems.append(Mistake("No text was found in {name}; look into it.", name=file.name))
        except Mistake as mistake:
            if strict:
                raise
            problems.append(mistake)
    if len(samples) > MOST_SAMPLES:
        problems.append(Mistake("There are more than {most} texts; the first are read.", most=MOST_SAMPLES))
        samples = samples[:MOST_SAMPLES]
    long_enough = [sample for sample in samples if words(sample.reply) >= LEAST_WORDS]
    kept = without_near_duplicates(long_enough)
    if short := len(samples) - len(long_enough):
        problems.append(
            Mistake("Left out, as shorter than {least} words: {count}.", least=LEAST_WORDS, count=short)
        )
    if twice := len(long_enough) - len(kept):
        problems.append(Mistake("Left out, as nearly the same as another: {count}.", count=twice))
    return TextSet(kept, tuple(problems))


def set_file(folder: Path) -> Path | None:
    """A folder's `train.jsonl`; None where it has none, or a link that leads outside."""
    path = folder / TRAIN_FILE
    return path if path.is_file() and within(folder, path) else None


def text_files(folder: Path) -> list[Path]:
    """All files under a folder that may hold texts, by name, but hidden ones and links that lead outside."""
    return [path for path in _visible(folder) if path.suffix.lower() in (*KNOWN, *OTHER_DOCUMENTS)]


def _visible(folder: Path, inside: bool = True) -> list[Path]:
    """The files under a folder that aren't hidden, or not `inside`: links that lead to files elsewhere."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and within(folder, path) == inside
    )


def _first_problems(problems: Sequence[Mistake]) -> Sentence:
    """The first few problems (at least one) as one text."""
    return functools.reduce(
        lambda one, more: Sentence("{one} {more}", one=one, more=more),
        (problem.sentence for problem in problems[:SHOWN]),
    )


def passed_over(sources: Iterable[Path]) -> list[Mistake]:
    """Tells which files of folders are of no kind that is known; pictures, sounds and films aren't named."""
    found = []
    for folder in (source for source in sources if source.is_dir() and set_file(source) is None):
        if links := [path.name for path in _visible(folder, inside=False)]:
            found.append(
                Mistake(
                    "Passed over in {path}, as links to files outside of it: {names}; copy them into it.",
                    path=folder,
                    names=some(links),
                )
            )
        others = [
            path.name
            for path in _visible(folder)
            if path.suffix.lower() not in (*KNOWN, *OTHER_DOCUMENTS)
            and not (mimetypes.guess_type(path.name)[0] or "").startswith(("image/", "audio/", "video/"))
        ]
        if others:
            found.append(
                Mistake(
                    "Passed over in {path}, as of a kind that the studio can't open: {names}.",
                    path=folder,
                    names=some(others),
                )
            )
    return found


def read_file(path: Path, choices: TextCleaning = AS_IT_COMES) -> list[TextSample]:
    """The cleaned samples of one file, each with a topic. Raises Mistake where it can't be read.

    A `train.jsonl` is a set as it stands, made by the studio or by hand: its texts are not cleaned again.
    """
    return list(_read(path, choices).samples)


def _read(path: Path, choices: TextCleaning) -> TextSet:
    if path.suffix.lower() in OTHER_DOCUMENTS:
        raise Mistake(
            "{name} is of a kind that the studio can't open; save it as plain text (.txt).", name=path.name
        )
    raw = contents(path, LARGEST_SET if path.name == TRAIN_FILE else LARGEST_TEXT)
    problems: list[Mistake] = []
    if open_document := OFFICE.get(path.suffix.lower()):
        found = list(open_document(path, raw, choices))
    else:
        read = decoded(raw, path.name)
        problems += read.problems(path.name)
        reader = READERS.get(path.suffix.lower(), prose.plain)
        found = list((chats.as_they_stand if path.name == TRAIN_FILE else reader)(path, read.text, choices))
    problems += [one for one in found if isinstance(one, Mistake)]
    pairs = [one for one in found if not isinstance(one, Mistake)]
    if halves := sum(whole(topic + reply) != topic + reply for topic, reply in pairs):
        problems.append(
            Mistake(
                "Broken characters, such as half an emoji, were left out of texts in {name}: {count}.",
                name=path.name,
                count=halves,
            )
        )
    lined = str.strip if path.name == TRAIN_FILE else flowing
    said = [(one_line(whole(topic)), lined(whole(reply))) for topic, reply in pairs if words(reply)]
    samples = (TextSample(topic or topic_of(reply), reply, path.name) for topic, reply in said)
    return TextSet(tuple(samples), tuple(problems))


def _copy_name(file: Path) -> str:
    """A copy's name: with an ending of texts, or `.txt`, as which any other was read."""
    return file.name if file.suffix.lower() in (*KNOWN, *OTHER_DOCUMENTS) else f"{file.stem}.txt"


def kind_of(text: str) -> str:
    """The ending of a file that would hold a pasted text; .tsv where it was copied from a spreadsheet."""
    lines = [line for line in text.strip().split("\n") if line.strip()]
    if lines and re.match(r"\s*(?:\{|\[\s*(?:\{|$))", lines[0]):
        single = len(lines) == 1 or lines[0].strip() in ("{", "[") or lines[0].lstrip().startswith("[")
        return ".json" if single else ".jsonl"
    if ending := subtitles.ending(text):
        return ending
    tabs = sum("\t" in line.strip() for line in lines)
    if len(lines) > 1 and tabs >= 0.8 * len(lines):
        return ".tsv"
    if tables.is_separated(lines):
        return ".csv"
    return ".md" if prose.is_markdown(text) else ".txt"


def import_texts(sources: Iterable[Path], folder: Path, choices: TextCleaning = AS_IT_COMES) -> TextSet:
    """Adds sources (files, or folders of them) to a project's text set and returns the whole set.

    Sources are copied, never changed; `train.jsonl` keeps what it holds and gains the new samples. Raises
    Mistake where a source doesn't exist or nothing usable was found; few samples are no mistake here.
    """
    paths: list[Path] = []
    sources = list(sources)
    for source in sources:
        if not source.exists():
            raise Mistake("There is no file or folder {path}; check the name.", path=source)
        paths += text_files(source) if source.is_dir() else [source]
    train = folder / TRAIN_FILE
    before = read_file(train) if train.is_file() else []
    new = read_files(paths, choices=choices)
    problems = (*new.problems, *passed_over(sources))
    together = without_near_duplicates([*before, *new.samples])
    if not together:
        raise Mistake(
            "There is no text to learn from in these files; {problems}",
            problems=_first_problems(problems),
        )
    folder.mkdir(parents=True, exist_ok=True)
    present = {file_hash(path) for path in folder.iterdir() if path.is_file()}
    for path in paths:
        with contextlib.suppress(Mistake):  # the problems tell of what can't be read
            raw = contents(path, LARGEST_TEXT)
            if hashlib.sha256(raw).hexdigest() not in present and path.resolve() != train.resolve():
                write_atomic(unused(folder / _copy_name(path)), raw)
    write_samples(train, together)
    return TextSet(together, problems)
