"""The table of captions on disk: `metadata.csv` in and out, `metadata.jsonl` in, and their earlier versions.

Works on what people's programs really write (Excel's BOM, `;`, tabs and GBK; quotation marks left open), and
keeps every earlier version of `metadata.csv` under `.history`. Knows no pictures but by the names in a table.
"""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.encodings import decoded, json_values, mended, table, whole
from core.files import contents
from core.images.picture_folder import natural
from core.messages import Mistake, some
from core.project import unused, write_atomic, write_captions

METADATA = "metadata.csv"
NAME_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path", "name")
FOCUS_COLUMN = "focus"
TEXT_COLUMNS = ("text", "caption", "prompt", "description", "tags", "label")
LONGEST_CAPTION = 5000  # characters: a page of text, ten times what any base reads
LARGEST_BYTES, MOST_ROWS = 50_000_000, 200_000

_SIGNS = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")
_FORMULA = re.compile(r"'*[=+\-@]")
_NEUTRALISED = re.compile(r"'(?='*[=+\-@])")


def find_metadata(folder: Path) -> Path | None:
    """metadata.csv or metadata.jsonl in a folder; None where neither is there."""
    for name in (METADATA, "metadata.jsonl"):
        if (folder / name).is_file():
            return folder / name
    return None


def read_metadata(path: Path, problems: list[Mistake] | None = None) -> list[tuple[str, str]]:
    """(file name as written, caption) of each row of a .csv, .tsv or .jsonl file, in its order.

    What was read in spite of a fault is told in `problems`. Raises Mistake where the file is missing or isn't
    such a table, with the newest version that is one where the history holds it.
    """
    found: list[Mistake] = []
    try:
        rows = _rows(path, found)
    except Mistake as damage:
        if (good := next(_good(path), None)) is None:
            raise
        raise Mistake(
            "{damage} An earlier version of it is whole: press Undo beside the captions, or copy {earlier} "
            "over it.",
            damage=damage.sentence,
            earlier=good,
        ) from None
    if long := [Path(name) for name, caption in rows if len(caption) > LONGEST_CAPTION]:
        found.append(
            Mistake(
                "Captions in {name} are longer than {most} characters and were cut there: {names}.",
                name=path.name,
                most=LONGEST_CAPTION,
                names=first_names(long),
            )
        )
    if problems is not None:
        problems += found
    return [(name, within_limit(caption)) for name, caption in rows]


def _rows(path: Path, problems: list[Mistake]) -> list[tuple[str, str]]:
    raw = contents(path, LARGEST_BYTES)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Mistake("{path} is an Excel workbook; save it as CSV UTF-8 from Excel.", path=path)
    read = decoded(raw, path.name)
    problems += read.problems(path.name)
    is_json = path.suffix.lower() in (".jsonl", ".json")
    rows = _json_rows(path, read.text) if is_json else _table_rows(path, read.text, problems)
    if len(rows) > MOST_ROWS:
        raise Mistake("{path} names more than {most} pictures; split it.", path=path, most=MOST_ROWS)
    return rows


def _table_rows(path: Path, text: str, problems: list[Mistake]) -> list[tuple[str, str]]:
    try:
        read = table(text)
    except csv.Error as error:
        raise Mistake(
            "{path} is no table of file_name,text ({reason}); save it as CSV UTF-8.", path=path, reason=error
        ) from None
    problems += read.problems(path.name)
    rows, separator = read.rows, read.separator
    if not rows:
        raise Mistake("{path} is empty; its first line should be file_name,text.", path=path)
    header = [cell.strip().casefold() for cell in rows[0]]
    name_at = _column(header, NAME_COLUMNS)
    text_at = _column(header, TEXT_COLUMNS)
    if name_at is None and len(header) > 1 and _names_a_file(rows[0][0].strip(), path):
        name_at, text_at = 0, 1  # no header line: the first row is a picture already
    elif name_at is None or text_at is None:
        raise Mistake(
            "{path} has no columns file_name and text; its first line should be file_name,text.", path=path
        )
    else:
        rows = rows[1:]
    last = text_at == len(header) - 1
    found = []
    for row in rows:
        name = row[name_at].strip() if name_at < len(row) else ""
        # Written by hand, a caption's own commas are seldom quoted.
        cells = row[text_at:] if last else row[text_at : text_at + 1]
        caption = f"{separator.strip() or ' '} ".join(cell.strip() for cell in cells)
        if name:
            found.append((_plain(name), _plain(one_line(caption))))
    return found


def _names_a_file(cell: str, metadata: Path) -> bool:
    """Whether a cell is a picture's name by its ending, or the name of a file beside the metadata file."""
    return bool(re.search(r"\.\w{3,12}$", cell)) or (bool(cell) and os.path.isfile(metadata.parent / cell))


def _json_rows(path: Path, text: str) -> list[tuple[str, str]]:
    found = []
    try:
        values = json_values(text)
    except json.JSONDecodeError as fault:
        raise _no_row(path, fault.lineno) from None
    for line, value in values:
        if not isinstance(value, dict):
            raise _no_row(path, line)
        row = {str(key).casefold(): said for key, said in value.items()}
        name = next((row[key] for key in NAME_COLUMNS if row.get(key)), None)
        caption = next((row[key] for key in TEXT_COLUMNS if row.get(key)), "")
        if isinstance(name, str):
            found.append((name, one_line(str(caption))))
    return found


def _no_row(path: Path, line: int) -> Mistake:
    return Mistake(
        'Line {line} of {path} is not of the form {{"file_name": "a.png", "text": "a caption"}}.',
        line=line,
        path=path,
    )


def read_focus(path: Path) -> list[tuple[str, str]]:
    """(file name as written, focus as written) of the rows of a metadata file that have one.

    Raises Mistake where the file is missing.
    """
    try:
        text = decoded(contents(path, LARGEST_BYTES), path.name).text
        if path.suffix.lower() in (".jsonl", ".json"):
            read = [row for _, row in json_values(text)]
            rows = [{str(key).casefold(): value for key, value in row.items()} for row in read]
        else:
            header, *cells = table(text).rows
            names = [cell.strip().casefold() for cell in header]
            rows = [dict(zip(names, row, strict=False)) for row in cells]
    except (ValueError, AttributeError, csv.Error, Mistake):  # read_metadata says what is wrong with it
        return []
    found = []
    for row in rows:
        name = next((row[key] for key in NAME_COLUMNS if row.get(key)), "")
        value = row.get(FOCUS_COLUMN)
        value = " ".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()
        if name and value:
            found.append((_plain(str(name).strip()), value))
    return found


def as_focus(text: str) -> tuple[float, float] | None:
    """`0.5 0.3` as a point in shares of width and height; None for anything else."""
    try:
        x, y = (float(part) for part in re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        return None
    return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _plain(cell: str) -> str:
    return _NEUTRALISED.sub("", cell, count=1) if _NEUTRALISED.match(cell) else cell


def one_line(caption: str) -> str:
    """A caption on one line, without doubled spaces, control signs and broken characters."""
    return " ".join(_SIGNS.sub(" ", whole(caption)).split())


def within_limit(caption: str) -> str:
    """A caption that `write` takes: its first `LONGEST_CAPTION` characters."""
    return caption[:LONGEST_CAPTION].rstrip()


def first_names(paths: Sequence[Path]) -> str:
    """The first few names, and how many more: "a.png, b.png, c.png (+4)"."""
    return some([path.name for path in paths])


def write(
    path: Path,
    captions: Mapping[str, str],
    focus: Mapping[str, tuple[float, float]] | None = None,
    again: bool = False,
) -> Path:
    """Writes `metadata.csv`; the version before goes to `.history`, not so where it is only written `again`.

    Returns `path`.

    `captions` maps names relative to the file's folder, with `/`, to captions, and `focus` to a new focus;
    the others keep theirs. What a spreadsheet would take for a formula (`= + - @` first) is neutralised: a
    caption by an apostrophe, a name by `./`, as one that begins with a blank. Raises Mistake for a caption
    that is too long.
    """
    if long := [Path(name) for name, caption in captions.items() if len(one_line(caption)) > LONGEST_CAPTION]:
        raise Mistake(
            "A caption has {most} characters at most; shorten those of {names}.",
            most=LONGEST_CAPTION,
            names=first_names(long),
        )
    kept = {os.path.normpath(name): focus for name, focus in read_focus(path)} | {
        os.path.normpath(name): f"{x:g} {y:g}" for name, (x, y) in (focus or {}).items()
    }
    safe = {
        f"./{name}" if _FORMULA.match(name) or name[:1].isspace() else name: _neutral(
            mended(one_line(caption))
        )
        for name, caption in captions.items()
    }
    if not again:
        keep(path)
    return write_captions(path, safe, {name: kept.get(os.path.normpath(name), "") for name in safe})


def _neutral(caption: str) -> str:
    return f"'{caption}" if _FORMULA.match(caption) else caption


def name_for(picture: Path, metadata: Path) -> str:
    """A picture's name as it stands in a metadata file: relative to that file's folder, with `/`."""
    return Path(os.path.relpath(picture.absolute(), metadata.absolute().parent)).as_posix()


def keep(path: Path) -> Path | None:
    """Copies a caption file into `.history` beside it, named by the time; None where there is nothing new.

    Where the clock has gone back it is named by the time of the newest, so that the names keep their order.
    """
    if not path.is_file():
        return None
    content = path.read_bytes()
    earlier = history(path)
    if earlier and earlier[0].read_bytes() == content:
        return None
    names = [f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}", *(_timed(copy.stem) for copy in earlier[:1])]
    return write_atomic(unused(path.parent / ".history" / f"{max(names)}{path.suffix}"), content)


def _timed(stem: str) -> str:
    """An earlier version's name without its number."""
    return re.sub(r"(-\d{8}-\d{6})-\d+$", r"\1", stem)


def history(path: Path) -> list[Path]:
    """Earlier versions of a caption file, newest first."""
    copies = (path.parent / ".history").glob(f"*{path.suffix}")
    mine = [copy for copy in copies if re.fullmatch(re.escape(path.stem) + r"-\d{8}-\d{6}(-\d+)?", copy.stem)]
    return sorted(mine, key=lambda copy: natural(Path(copy.stem)), reverse=True)


def restore(path: Path, earlier: Path) -> Path:
    """Makes an earlier version the current one; the one it replaces goes to the history too."""
    keep(path)
    return write_atomic(path, earlier.read_bytes())


def undo(path: Path) -> bool:
    """Takes a caption file back to the newest version that is another and whole. False where there is none.

    A damaged file stays in the history, for whoever wants to mend it by hand.
    """
    now = path.read_bytes() if path.is_file() else b""
    for earlier in _good(path):
        content = earlier.read_bytes()
        if content != now:
            if now and not _is_whole(path):
                write_atomic(unused(path.parent / ".history" / f"damaged-{path.name}"), now)
            write_atomic(path, content)
        earlier.unlink()
        if content != now:
            return True
    return False


def _good(path: Path) -> Iterator[Path]:
    """The earlier versions of a caption file that can be read, newest first."""
    return (earlier for earlier in history(path) if _is_whole(earlier))


def _is_whole(path: Path) -> bool:
    try:
        _rows(path, [])
    except Mistake:
        return False
    return True
