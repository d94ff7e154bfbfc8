"""A text, Markdown or Word document, or a table, as it stands: its texts and tables in order.

Nothing is cleaned. For files that one person wrote as one whole, a script or a product's sheet; what files of
many samples hold core.texts.importing reads. Headings are lines that begin with `#`; an empty line parts
paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.encodings import CONTROLS, decoded, whole
from core.files import MEGABYTE, contents
from core.messages import Mistake
from core.project import unused, write_atomic
from core.texts import prose, subtitles, tables
from core.texts.importing import LARGEST_TEXT, OTHER_DOCUMENTS, kind_of
from core.texts.records import MOST_PARTS, unopened
from core.texts.speech import one_line

LARGEST = 2 * MEGABYTE  # of a text; what is longer is a book
MARKDOWN, TABLES, DATA = (".md", ".markdown"), (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")
Rows = list[list[str]]
_FRONT = re.compile(r"\A---\n(?:[\w -]{1,80}:.*\n)+---\n")  # before a Markdown text, of other programs
_PICTURE = re.compile(r"!\[([^\]\n]{0,300})\]\([^)\n]{0,2000}\)")


@dataclass(frozen=True)
class Cues:
    """What subtitles say, by their times."""

    cues: tuple[subtitles.Cue, ...]


Piece = str | Rows | Cues


@dataclass(frozen=True)
class Document:
    """Texts, tables (rows of cells) and subtitles in order; `notes` say what was mended to read it."""

    pieces: tuple[Piece, ...]
    notes: tuple[Mistake, ...] = ()


def read(path: Path) -> Document:
    """What stands in a file. Raises Mistake where it can't be read, or is of a kind for programs."""
    kind = path.suffix.lower()
    if kind in OTHER_DOCUMENTS:
        raise Mistake(
            "{name} is of a kind that the studio can't open; save it as plain text (.txt).", name=path.name
        )
    if kind in DATA:
        raise Mistake("{name} holds data for programs; give a text, a document or a table.", name=path.name)
    raw = contents(path, LARGEST_TEXT if kind in (".docx", ".xlsx") else LARGEST)
    if kind == ".xlsx":
        return Document(tuple(tables.sheets(path, raw)))
    if kind == ".docx":
        return Document(tuple(_word(path, raw)))
    found = decoded(raw, path.name)
    text = CONTROLS.sub("", found.text)
    return Document(tuple(_pieces(path, text)), found.problems(path.name))


def kept(text: str, folder: Path, name: str) -> Path:
    """A pasted text as a new file in `folder`, by `name` and the ending of what it is; returns its path."""
    kind = kind_of(text)
    return write_atomic(unused(folder / f"{name}{'.txt' if kind in DATA else kind}"), whole(text))


def _pieces(path: Path, text: str) -> Iterator[Piece]:
    kind = path.suffix.lower()
    if kind in subtitles.KINDS or subtitles.ending(text):
        yield Cues(tuple(subtitles.cues(path, text)))
    elif kind in TABLES:
        yield tables.read_table(path, text).rows
    elif kind in MARKDOWN:
        yield from _markdown(text)
    else:
        yield text


def _markdown(text: str) -> Iterator[Piece]:
    """Words without their marks, a picture as what it shows; tables by themselves."""
    text = prose.unmarked(_PICTURE.sub(r"[picture: \1]", _FRONT.sub("", text)))
    text = re.sub(r"(?m)^\s*(?:```|~~~)\w*\s*$", "", text)
    text = re.sub(r"(?m)^[ \t]*(?:>[ \t]?)+|^[ \t]*[-*+][ \t]+(?![-*+ \t]*$)", "", text)
    for block in re.split(r"((?:^[ \t]*\|.*\n?)+)", text, flags=re.M):
        if not re.match(r"[ \t]*\|", block):
            yield block
            continue
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.split("\n")]
        yield [row for row in rows if not re.fullmatch(r"[-: ]*", "".join(row))]


def _word(path: Path, raw: bytes) -> Iterator[Piece]:
    """Paragraphs as lines; where none is empty each stands by itself."""
    parts = prose.parts_of(path, raw)
    if len(parts) > MOST_PARTS:
        raise unopened(path, "too large")
    told = [part.text for part in parts if part.rows is None]
    between = "\n" if any(not text.strip() for text in told[:-1]) else "\n\n"
    lines: list[str] = []
    for part in parts:
        if part.rows is None:
            said = CONTROLS.sub("", whole(part.text))
            lines.append(f"# {one_line(said)}" if part.heading and said.strip() else said)
            continue
        yield between.join(lines)
        lines = []
        yield part.rows
    yield between.join(lines)
